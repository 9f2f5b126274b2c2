"""What a run's files say of it as a whole: its state, its books, its measures, its checks of the set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthneg.config import TrainConfig
from synthneg.dataset.checked import Checked, overlap_rows, probe_rows, read_checked
from synthneg.evaluate.compare import MEAN, Evaluation
from synthneg.evaluate.significance import Difference, verdict
from synthneg.evaluate.stored import from_json
from synthneg.report.rows import read_json, rows
from synthneg.review.summary import Summary, read
from synthneg.run import Run
from synthneg.run.books import STAGES

BASE, TUNED, BM25 = "base", "tuned", "bm25"  # as an evaluation calls them
ORDERS, CALIBRATION = "graded_order.json", "calibration.json"


@dataclass(frozen=True, slots=True)
class StageRow:
    """The books of one stage."""

    stage: str
    taken: int
    kept: int
    rejected: Mapping[str, int]  # by reason, the most frequent first
    failed: Mapping[str, int]
    flagged: Mapping[str, int]  # of those that were kept
    notes: Sequence[str]  # sentences that belong to the counts

    @property
    def share(self) -> float:
        """Which share of what came in was kept; 1 where nothing did."""
        return self.kept / self.taken if self.taken else 1.0


@dataclass(frozen=True, slots=True)
class State:
    """Which state of the run is shown."""

    run: str
    finished: str | None  # when; None: it is not finished
    last: str | None  # stage that has ended; None: none has
    missing: tuple[str, ...]  # stages that have not
    versions: Mapping[str, str]

    @property
    def words(self) -> str:
        """It, in a sentence."""
        if self.finished:
            return f"Shows the run as it was finished at {self.finished}."
        done = (
            f"as it was when {self.last} had ended" if self.last else "before any stage had ended"
        )
        return f"Shows the run {done}; it is not finished."


@dataclass(frozen=True, slots=True)
class Overview:
    """All that is said of the run as a whole."""

    state: State
    funnel: tuple[StageRow, ...]
    evaluations: tuple[Evaluation, ...]  # queries of people first, the mean last
    curve: tuple[tuple[int, float], ...]  # step and mean loss
    checked: Checked
    orders: Mapping[str, Any]  # graded_order.json
    calibration: Mapping[str, Any] | None
    people: Summary | None  # what they have answered; None where nobody was asked
    train: TrainConfig


def read_overview(run: Run) -> Overview:
    """Return what the files say that the books stand for."""
    books = run.books()
    return Overview(
        _state(run),
        tuple(stage_row(stage, counts) for stage, counts in books.items()),
        tuple(_evaluations(run)),
        tuple((row["step"], row["loss"]) for row in rows(run.file("train_log.jsonl")))
        if run.is_done("train")
        else (),
        _checked(run),
        (read_json(run.file(ORDERS)) or {}) if "verify.documents" in books else {},
        read_json(run.file(CALIBRATION)) if "verify.queries" in books else None,
        read(run.folder) if "verify.queries" in books else None,
        run.config.train,
    )


def stage_row(stage: str, counts: Mapping[str, Any]) -> StageRow:
    """Return the books of a stage, each reason before those that are less frequent."""

    def sorted_by_count(found: Mapping[str, int]) -> dict[str, int]:
        return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))

    return StageRow(
        stage,
        counts["in"],
        counts["kept"],
        sorted_by_count(counts["rejected"]),
        sorted_by_count(counts["failed"]),
        sorted_by_count(counts.get("flagged", {})),
        counts.get("notes", ()),
    )


def of_people(evaluations: tuple[Evaluation, ...]) -> list[Evaluation]:
    """Return the evaluations that prove something: those on queries of people, without their mean."""
    return [e for e in evaluations if not e.synthetic and e.collection != MEAN]


def tuned_against(evaluation: Evaluation, other: str) -> Difference | None:
    """Return how the tuned model compares with another by the first measure; None where that was not measured."""
    pairs = (d for d in evaluation.differences if (d.a, d.b) == (TUNED, other))
    return next(pairs, None)


def sentence(difference: Difference) -> str:
    """Return a comparison in words.

    >>> sentence(Difference("tuned", "base", "nDCG@10", 0.01, -0.01, 0.03, p=0.03, p_holm=0.06))
    'tuned and base are not distinguishable'
    """
    said = verdict(difference)
    if said == "not distinguishable":
        return f"{difference.a} and {difference.b} are not distinguishable"
    return f"{difference.a} is {said} than {difference.b}"


def overlap_table(checked: Checked) -> list[tuple[object, ...]]:
    """Return the rows of the table of leaks."""
    return list(overlap_rows(checked.leaks))


def probe_table(checked: Checked) -> list[tuple[object, ...]]:
    """Return the rows of the table of the shortcut probe."""
    return list(probe_rows(checked.probes))


def _state(run: Run) -> State:
    facts, books = read_json(run.file("run.json")), run.books()
    done = [stage for stage in STAGES if stage in books or run.is_done(stage)]
    wanted = [s for s in STAGES if s != "verify.judge" or run.config.verify.judge is not None]
    missing = () if facts else tuple(stage for stage in wanted if stage not in done)
    return State(
        run.config.run,
        facts and facts["finished"],
        done[-1] if done else None,
        missing,
        facts["versions"] if facts else {},
    )


def _evaluations(run: Run) -> Iterator[Evaluation]:
    files = sorted(run.file("evaluation").glob("*.json"))
    found = [from_json(read_json(file)) for file in files]
    yield from sorted(found, key=lambda e: (e.collection == MEAN, e.synthetic, e.collection))


def _checked(run: Run) -> Checked:
    books = run.books()
    found = read_checked(run.folder)
    leaks = found.leaks if "verify.documents" in books else {}
    return Checked(leaks, found.probes if "export" in books else ())
