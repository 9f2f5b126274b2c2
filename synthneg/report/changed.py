"""What changed: comparisons that this run is part of, trials of its prompts, and the round before it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthneg.evaluate.significance import Interval
from synthneg.report.overview import StageRow, stage_row
from synthneg.report.rows import read_json
from synthneg.run import COMPARED, TRIALS, Run
from synthneg.run.books import read_books

_ARMS = "compare.json"


@dataclass(frozen=True, slots=True)
class Gap:
    """How far one arm lies above another, and the word for it."""

    a: str
    b: str
    measure: str
    difference: Interval
    p: float  # corrected
    word: str


@dataclass(frozen=True, slots=True)
class Arms:
    """What `synthneg compare` has said of arms of this run, or of this run among others, on one collection."""

    name: str  # of the folder of the comparison
    collection: str
    queries: int
    measure: str  # the first one
    rows: tuple[tuple[str, Interval], ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What `synthneg prompts compare` has said of two prompts over this run's corpus."""

    makes: str
    a: str
    b: str
    passages: int
    model: str
    rows: tuple[Mapping[str, Any], ...]  # as the command writes them


@dataclass(frozen=True, slots=True)
class Changed:
    """All that can be set beside this run."""

    arms: tuple[Arms, ...]
    trials: tuple[Trial, ...]
    earlier: str | None  # run of the round before
    earlier_books: tuple[StageRow, ...]

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.arms or self.trials or self.earlier)


def read_changed(run: Run) -> Changed:
    """Return what lies beside the run's folder."""
    earlier = run.earlier
    books = {} if earlier is None else read_books(earlier)
    return Changed(
        tuple(_arms(run)),
        tuple(_trials(run)),
        None if earlier is None else earlier.name,
        tuple(stage_row(stage, counts) for stage, counts in books.items()),
    )


def _arms(run: Run) -> Iterator[Arms]:
    for file in sorted(run.folder.parent.glob(f"*/{_ARMS}")):
        facts = read_json(file)
        if not _is_of(run, facts):
            continue
        for found in facts["collections"]:
            rows = found["rows"]
            measure = next(iter(next(iter(rows.values()))))
            told = [_gap(row) for row in found["differences"] if row["measure"] == measure]
            yield Arms(
                file.parent.name,
                found["collection"],
                found["queries"],
                measure,
                tuple((name, _interval(of[measure])) for name, of in rows.items()),
                tuple(told),
            )


def _is_of(run: Run, facts: Mapping[str, Any]) -> bool:
    """Whether a comparison is of arms of the run, or has the run among others."""
    if "runs" in facts:
        return run.folder.resolve() in [Path(place).resolve() for place in facts["runs"].values()]
    return Path(str(facts["settings"]["run"])).name == run.folder.resolve().name


def _trials(run: Run) -> Iterator[Trial]:
    corpus = run.config.corpus.path
    for file in sorted((run.folder.parent / TRIALS / COMPARED).glob("*.json")):
        facts = read_json(file)
        if facts["corpus"] == corpus:
            yield Trial(
                facts["makes"],
                facts["a"],
                facts["b"],
                facts["passages"],
                facts["model"],
                tuple(facts["rows"]),
            )


def _gap(row: Mapping[str, Any]) -> Gap:
    return Gap(row["a"], row["b"], row["measure"], _interval(row), row["p_holm"], row["verdict"])


def _interval(row: Mapping[str, Any]) -> Interval:
    return Interval(row["mean"], row["low"], row["high"])
