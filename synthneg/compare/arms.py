"""A whole comparison of arms: queries taken from the run, arms trained and measured, table and figures written."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from synthneg.compare.examples import Pool, examples_of, passages_of, pool_of
from synthneg.compare.plan import Plan
from synthneg.compare.plot import write_plots
from synthneg.compare.record import arms_facts, write_facts
from synthneg.compare.result import (
    BM25_ROW,
    Curve,
    Entry,
    Found,
    Measured,
    base_rows,
    below,
    compare_entries,
    curve_of,
)
from synthneg.compare.table import below_lines, curve_lines, kind_lines, lines_of, wrapped
from synthneg.compare.work import BASE, TUNED, train_all
from synthneg.errors import RunError
from synthneg.evaluate.collection import read_collection
from synthneg.evaluate.measure import PerQuery
from synthneg.evaluate.rankers import BM25
from synthneg.evaluate.stored import read_per_query
from synthneg.files import disk_errors
from synthneg.records import Passage
from synthneg.run import Run
from synthneg.scoring.kind import kind_of
from synthneg.train.students import student_kind
from synthneg.verify.gate import read_leaks

_SEED = 0  # of what is resampled: no arm's own


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison has come to."""

    folder: Path
    entries: tuple[Entry, ...]
    found: tuple[Found, ...]
    curve: Curve | None
    lines: tuple[str, ...]  # for a terminal


def compare_arms(plan: Plan, source: Path, outputs: Path) -> Comparison:
    """Train and measure every arm of a plan, write compare.json, and return what can be said.

    The same call again trains and measures only what is missing.

    Args:
        plan: of the comparison.
        source: folder of the run that queries and positives come from.
        outputs: the comparison's folder is made there, under its name.

    Raises:
        RunError: the run is not as far as it must be, was not checked for leaks from what is measured on, or the
            comparison's folder is a run's.
        SynthnegError: an arm cannot be trained or measured.
    """
    folder = outputs / plan.name
    if (folder / "run.yaml").exists():
        raise RunError(
            f"{folder}: expected no run of the comparison's name; name it otherwise, in `compare`"
        )
    with disk_errors(outputs), closing(Run(source.parent, plan.run)) as run:
        refuse_leaks(run, plan)
        pool = pool_of(run, plan)
        passages = list(run.read("passages.jsonl", Passage))
        vectors = run.vectors
    collections = [read_collection(*place) for place in plan.collections]
    folders = train_all(plan, pool, passages, folder / "arms", collections, vectors)
    entries = _entries(plan)
    measured = [
        _measured(entries, folders, collection.name, collection.split) for collection in collections
    ]
    resamples = plan.config.evaluate.resamples
    found = compare_entries(entries, measured, _SEED, resamples)
    curve = None
    if plan.curve:
        amounts = {arm.name: arm.amount for arm in plan.arms}
        of = [amounts[name] for name in plan.curve]
        curve = curve_of(plan.curve, of, measured, _SEED, resamples)
    write_facts(folder, arms_facts(plan, pool, source, folders), measured, found, curve)
    write_plots(folder, entries, found, curve)
    lines = _lines(plan, pool, folders, entries, found, curve)
    return Comparison(folder, entries, tuple(found), curve, tuple(lines))


def refuse_leaks(run: Run, plan: Plan) -> None:
    """Refuse to measure on what the run was not checked against, or on what its examples hold.

    Raises:
        RunError: as said; it names the set and what to do. `train.allow_leaks`, in `settings`, lets it pass.
    """
    if plan.settings.settings.train.get("allow_leaks", run.config.train.allow_leaks):
        return
    facts = read_leaks(run.folder) or {"sets": [], "overlaps": []}
    for folder, split in plan.collections:
        name = f"{folder.resolve().name}/{split}"
        if name not in facts["sets"]:
            raise RunError(
                f"{run.folder}: expected examples that were checked for leaks from {name}, but they were checked"
                f" against {', '.join(facts['sets']) or 'no evaluation set'}; `synthneg verify {run.folder} --set"
                f" 'verify.leaks.collections=[{folder}:{split}]'` does that and asks nothing twice, or set"
                " train.allow_leaks: true in the settings of the comparison"
            )
        rows = [r for r in facts["overlaps"] if r["set"] == name and r["kind"] != "passage"]
        if left := sum(row["left"] for row in rows):
            raise RunError(
                f"{run.folder}: expected no text of {name} among the examples, found {left}; `synthneg verify"
                f" {run.folder} --set verify.leaks.action=drop` drops them, or set train.allow_leaks: true in the"
                " settings of the comparison"
            )


def _entries(plan: Plan) -> tuple[Entry, ...]:
    bases = base_rows([arm.student for arm in plan.arms])
    return tuple(Entry(arm.name, bases[arm.student]) for arm in plan.arms)


def _measured(
    entries: Sequence[Entry], folders: Mapping[str, Sequence[Path]], collection: str, split: str
) -> Measured:
    """Read what every arm was measured to get on a collection, with its base and BM25."""
    models: dict[str, list[PerQuery]] = {}
    for entry in entries:
        for folder in folders[entry.name]:
            found = read_per_query(folder / "evaluation" / f"{collection}.per-query.jsonl")
            models.setdefault(entry.base, [found[BASE]])
            models.setdefault(BM25_ROW, [found[BM25]])
            models.setdefault(entry.name, []).append(found[TUNED])
    return Measured(collection, split, models)


def _lines(
    plan: Plan,
    pool: Pool,
    folders: Mapping[str, Sequence[Path]],
    entries: Sequence[Entry],
    found: Sequence[Found],
    curve: Curve | None,
) -> Iterator[str]:
    yield from lines_of(entries, found)
    yield ""
    left = pool.queries - len(pool.examples)
    short = ", ".join(f"{name} {n:,}" for name, n in sorted(pool.too_few.items()) if n)
    yield from wrapped(
        f"{len(pool.examples):,} of {pool.queries:,} queries in every arm; {left:,} left out"
        + (f" (too few negatives: {short})" if short else "")
    )
    if curve is not None:
        sizes = {arm.name: passages_of(examples_of(pool, arm, plan.seeds[0])) for arm in plan.arms}
        yield from curve_lines(curve, sizes)
    trained = [(arm.name, arm.config.train) for arm in plan.arms]
    kinds = {
        name: student_kind(of) for name, of in trained if student_kind(of) != kind_of(of.base_model)
    }
    yield from kind_lines(kinds)
    places = {name: str(of[0]) for name, of in folders.items()}
    yield from below_lines(below(entries, found), places)
