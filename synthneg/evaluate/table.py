"""Evaluations as lines of text, at most 100 columns wide."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from synthneg.evaluate.compare import MEAN, Evaluation
from synthneg.evaluate.significance import Difference, Interval, verdict
from synthneg.evaluate.stored import from_json

_WIDTH = 100
_LONGEST = 28  # characters of a model's or a collection's name
_SIGNS = {"better": "↑", "worse": "↓", "not distinguishable": "≈"}


def table(evaluation: Evaluation) -> list[str]:
    """Return a row per model with 95 % intervals, then each difference and what can be said of it."""
    labels = _labels(list(evaluation.models))
    names = list(next(iter(evaluation.models.values()), {}))
    columns = [[name, *(_cell(m[name]) for m in evaluation.models.values())] for name in names]
    lines = [_title(evaluation), *in_columns([["model", *labels.values()]], columns)]
    if evaluation.differences:
        rows = [_sentence(d, labels) for d in evaluation.differences]
        lines += ["", *aligned(rows), *_note(evaluation)]
    return lines


def overview(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return one table of all collections and models, a part per measure, each model beside the first one.

    Empty for a single collection, whose own table says all.
    """
    if len(evaluations) < 2 or not evaluations[0].models:
        return []
    labels = _labels(list(evaluations[0].models))
    base = next(iter(labels))
    lines = []
    for measure in next(iter(evaluations[0].models.values())):
        first = [
            [measure, *_shortened([_collection(e) for e in evaluations])],
            ["queries", *(f"{e.queries:,}" for e in evaluations)],
        ]
        columns = [
            [label, *(_marked(e, model, base, measure) for e in evaluations)]
            for model, label in labels.items()
        ]
        lines += [*in_columns(first, columns), ""]
    compared = any(d.b == base for e in evaluations for d in e.differences)
    signs = f"  ↑ better, ↓ worse than {labels[base]}, ≈ not distinguishable; p corrected (Holm)"
    return [*lines, signs] if compared else lines[:-1]


def saved_tables(folder: Path) -> Iterator[list[str]]:
    """Yield the table of each evaluation in a run's folder `evaluation`, which may be absent, then the overview."""
    found = [from_json(orjson.loads(file.read_bytes())) for file in sorted(folder.glob("*.json"))]
    found.sort(key=lambda evaluation: evaluation.collection == MEAN)
    yield from tables(found)


def tables(evaluations: Sequence[Evaluation]) -> Iterator[list[str]]:
    """Yield the table of each evaluation, then the overview where there are several."""
    yield from map(table, evaluations)
    if lines := overview(evaluations):
        yield lines


def _title(evaluation: Evaluation) -> str:
    kind = ("synthetic " if evaluation.synthetic else "") + (
        "query" if evaluation.queries == 1 else "queries"
    )
    return f"{_collection(evaluation)} · {evaluation.split} · {evaluation.queries:,} {kind}"


def _collection(evaluation: Evaluation) -> str:
    if evaluation.collections == 1:
        return evaluation.collection
    return f"mean of {evaluation.collections} collections"


def _cell(value: Interval) -> str:
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _marked(evaluation: Evaluation, model: str, base: str, measure: str) -> str:
    """Return the model's mean, with a sign for what can be said of it beside the base."""
    against = (d for d in evaluation.differences if (d.a, d.b) == (model, base))
    found = next((d for d in against if d.measure == measure), None)
    if model not in evaluation.models:
        return "-"
    mean = f"{evaluation.models[model][measure].mean:.3f}"
    return f"{mean} {_SIGNS[verdict(found)]}" if found else mean


def _sentence(d: Difference, labels: dict[str, str]) -> list[str]:
    said = verdict(d)
    a, b = labels[d.a], labels[d.b]
    words = (
        f"{a} and {b} are not distinguishable"
        if said == "not distinguishable"
        else f"{a} is {said} than {b}"
    )
    sees = "" if math.isnan(d.smallest) else f"sees {d.smallest:.3f}"
    gap = f"{d.mean:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"
    return [d.measure, words, gap, f"p = {d.p_holm:.4f}", sees]


def _note(evaluation: Evaluation) -> list[str]:
    """Return what the last two columns mean."""
    most = max(d.comparisons for d in evaluation.differences)
    p = "p is two-sided" + (f", corrected for up to {most} comparisons (Holm)" if most > 1 else "")
    sees = "sees: the least difference that so many queries show in 4 of 5 cases"
    if all(math.isnan(d.smallest) for d in evaluation.differences):
        return [f"  {p}"]
    return [f"  {p}", f"  {sees}"]


def _labels(models: Sequence[str]) -> dict[str, str]:
    """Return what each model is called in a table: its name, or the end of a long one."""
    return dict(zip(models, _shortened(models), strict=True))


def _shortened(names: Sequence[str]) -> list[str]:
    """Return the names, of long ones the end; those that would be the same by it are numbered."""
    short = [name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}" for name in names]
    return [
        f"{place}{label[: _LONGEST - 3]}" if short.count(label) > 1 else label
        for place, label in enumerate(short, 1)
    ]


def in_columns(first: list[list[str]], columns: list[list[str]]) -> Iterator[str]:
    """Yield rows of the columns `first` and as many others as 100 columns hold; the rest stands in rows below them."""
    widths = [max(map(len, column)) + 2 for column in (*first, *columns)]
    left = _WIDTH - sum(widths[: len(first)])
    block: list[list[str]] = []
    for column, width in zip(columns, widths[len(first) :], strict=True):
        if block and width > left:
            yield from _rows([*first, *block])
            block, left = [], _WIDTH - sum(widths[: len(first)])
        block.append(column)
        left -= width
    yield from _rows([*first, *block])


def _rows(columns: list[list[str]]) -> list[str]:
    return aligned([list(row) for row in zip(*columns, strict=True)])


def aligned(rows: list[list[str]]) -> list[str]:
    """Return the rows as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
