"""An evaluation as lines of text."""

from collections.abc import Iterator
from pathlib import Path

import orjson

from synthneg.evaluate.compare import Evaluation, from_json
from synthneg.evaluate.significance import Difference, Interval, verdict


def table(evaluation: Evaluation) -> list[str]:
    """Return a row per model with 95 % intervals, then each difference and what can be said of it."""
    kind = ("synthetic " if evaluation.synthetic else "") + (
        "query" if evaluation.queries == 1 else "queries"
    )
    title = f"{evaluation.collection} · {evaluation.split} · {evaluation.queries:,} {kind}"
    measures = list(next(iter(evaluation.models.values()), {}))
    rows = [["model", *measures]] + [
        [model, *(_cell(values[name]) for name in measures)]
        for model, values in evaluation.models.items()
    ]
    lines = [title, *_aligned(rows)]
    if evaluation.differences:
        lines += ["", *_aligned([_sentence(d) for d in evaluation.differences])]
    return lines


def saved_tables(folder: Path) -> Iterator[list[str]]:
    """Yield the table of each evaluation in a run's folder `evaluation`, which may be absent."""
    for file in sorted(folder.glob("*.json")):
        yield table(from_json(orjson.loads(file.read_bytes())))


def _cell(value: Interval) -> str:
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _sentence(d: Difference) -> list[str]:
    said = verdict(d)
    words = (
        f"{d.a} and {d.b} are not distinguishable"
        if said == "not distinguishable"
        else f"{d.a} is {said} than {d.b}"
    )
    return [d.measure, words, f"{d.mean:+.3f} [{d.low:+.3f}, {d.high:+.3f}]", f"p = {d.p:.4f}"]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
