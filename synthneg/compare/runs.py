"""Finished runs against each other and their bases, by what each query got when they were measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from synthneg.compare.plot import write_plots
from synthneg.compare.record import checksums, write_facts
from synthneg.compare.result import (
    BM25_ROW,
    Entry,
    Found,
    Measured,
    Student,
    base_rows,
    below,
    compare_entries,
)
from synthneg.compare.table import below_lines, lines_of
from synthneg.compare.work import BASE, TUNED
from synthneg.errors import RunError, SettingsError
from synthneg.evaluate.compare import MEAN
from synthneg.evaluate.measure import PerQuery
from synthneg.evaluate.rankers import BM25
from synthneg.evaluate.stored import read_per_query
from synthneg.settings import load

_SEED = 0  # of what is resampled: no run's own
_LONGEST = 20  # characters of a name in a table


@dataclass(frozen=True, slots=True)
class _Finished:
    """A run with its measures."""

    name: str
    folder: Path
    student: Student
    resamples: int
    measured: Mapping[str, tuple[str, Mapping[str, PerQuery]]]  # collection -> split, models


def compare_runs(folders: Sequence[Path], to: Path | None) -> list[str]:
    """Return the tuned models of runs beside each other and their bases, as lines of text.

    They are compared on the collections that all of them were measured on, split by split the same, and by the
    measures that all have. Queries that a language model wrote are no part of it: each run has its own.

    Args:
        folders: of the runs; the others are compared with the first one, too.
        to: where compare.json goes; None: nowhere.

    Raises:
        SettingsError: a run is named twice.
        RunError: a run was not measured, or no collection is common to all.
    """
    places = [folder.resolve() for folder in folders]
    if twice := next((p for p in places if places.count(p) > 1), None):
        raise SettingsError(f"{twice}: expected runs that differ, but this one is named twice")
    runs = [_read(folder, name) for folder, name in zip(folders, _names(places), strict=True)]
    collections = _common(runs)
    bases = base_rows([run.student for run in runs])
    entries = [Entry(run.name, bases[run.student]) for run in runs]
    measured = [_measured(runs, entries, collection) for collection in collections]
    found = compare_entries(entries, measured, _SEED, max(run.resamples for run in runs))
    if to is not None:
        files = [run.folder / "run.yaml" for run in runs]
        facts = {"runs": {r.name: str(r.folder) for r in runs}, "inputs": checksums(files)}
        write_facts(to, facts, measured, found, None)
        write_plots(to, entries, found, None)
    return [*lines_of(entries, found), *_below(runs, entries, found)]


def _below(
    runs: Sequence[_Finished], entries: Sequence[Entry], found: Sequence[Found]
) -> list[str]:
    places = {run.name: str(run.folder) for run in runs}
    return list(below_lines(below(entries, found), places))


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the folders' names, numbered where two would be the same in a table."""
    names = [folder.name[:_LONGEST] for folder in folders]
    return [
        f"{place}.{name[: _LONGEST - 3]}" if names.count(name) > 1 else name
        for place, name in enumerate(names, 1)
    ]


def _read(folder: Path, name: str) -> _Finished:
    config = load(folder / "run.yaml")
    measured = {}
    for file in sorted((folder / "evaluation").glob("*.json")):
        facts = orjson.loads(file.read_bytes())
        models = file.with_name(f"{file.stem}.per-query.jsonl")
        if file.stem != MEAN and not facts["synthetic"] and models.exists():
            measured[file.stem] = (facts["split"], read_per_query(models))
    if not measured:
        raise RunError(
            f"{folder}: expected a run that was measured on a collection; `synthneg evaluate {folder} --set"
            " evaluate.collections=[PATH]` does that, once it is trained"
        )
    student = (config.train.base_model, config.train.max_length)
    return _Finished(name, folder, student, config.evaluate.resamples, measured)


def _common(runs: Sequence[_Finished]) -> list[str]:
    """Return the collections of which all runs have measures of the same split, queries and models."""
    first, *others = runs
    common = [
        name
        for name, (split, _) in first.measured.items()
        if all(name in o.measured and o.measured[name][0] == split for o in others)
    ]
    if not common:
        told = "; ".join(
            f"{run.name} on {', '.join(f'{n}/{split}' for n, (split, _) in run.measured.items())}"
            for run in runs
        )
        raise RunError(
            f"expected runs that were measured on one collection and split, got {told}; `synthneg evaluate RUN --set"
            " evaluate.collections=[PATH] --set evaluate.split=SPLIT` measures a run anew"
        )
    return common


def _measured(runs: Sequence[_Finished], entries: Sequence[Entry], collection: str) -> Measured:
    """Return the values of all rows on a collection, by the measures that all runs have.

    Raises:
        RunError: they have no measure in common, or were measured on other queries.
    """
    of_runs = [run.measured[collection][1] for run in runs]
    measures = [m for m in of_runs[0][TUNED] if all(m in of[TUNED] for of in of_runs)]
    queries = {frozenset(of[TUNED][m]) for of in of_runs for m in measures}
    if len(queries) != 1:
        raise RunError(
            f"{collection}: expected runs that were measured by one measure on the same queries, got"
            f" {'other queries' if measures else 'no common measure'}; `synthneg evaluate RUN` measures a run anew"
        )
    models: dict[str, list[PerQuery]] = {}
    for entry, of in zip(entries, of_runs, strict=True):
        rows = {entry.base: of[BASE], entry.name: of[TUNED]}
        rows |= {BM25_ROW: of[BM25]} if BM25 in of else {}
        for name, values in rows.items():
            models.setdefault(name, [{m: values[m] for m in measures}])
    return Measured(collection, runs[0].measured[collection][0], models)
