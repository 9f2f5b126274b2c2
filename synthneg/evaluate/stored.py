"""What was measured, as files: evaluation/<collection>.json, and beside it what each query got."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from synthneg.evaluate.compare import Evaluation
from synthneg.evaluate.measure import PerQuery
from synthneg.evaluate.significance import Difference, Interval, verdict
from synthneg.files import write_whole


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the content of evaluation/<collection>.json: everything but the values per query."""
    row = asdict(evaluation)
    del row["per_query"]
    row["differences"] = [
        asdict(d)
        | {"smallest": None if math.isnan(d.smallest) else d.smallest, "verdict": verdict(d)}
        for d in evaluation.differences
    ]
    return row


def from_json(row: dict[str, Any]) -> Evaluation:
    """Return what `to_json` gave, without the values per query."""
    models = {
        model: {name: Interval(**value) for name, value in measures.items()}
        for model, measures in row["models"].items()
    }
    differences = tuple(_difference(d) for d in row["differences"])
    return Evaluation(**row | {"models": models, "differences": differences, "per_query": {}})


def _difference(row: dict[str, Any]) -> Difference:
    values = {key: value for key, value in row.items() if key != "verdict"}
    values = {"p_holm": row["p"]} | values  # measures of an older version are uncorrected
    smallest = values.get("smallest")
    return Difference(**values | {"smallest": math.nan if smallest is None else smallest})


def write(evaluation: Evaluation, folder: Path) -> Path:
    """Write <collection>.json and, beside it, <collection>.per-query.jsonl; return the path of the first.

    A line of the second is {"query_id", "model", "measure", "value"}. A mean over collections has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if evaluation.per_query:
        details = folder / f"{evaluation.collection}.per-query.jsonl"
        write_whole(details, b"".join(_lines(evaluation, {})))
    file = folder / f"{evaluation.collection}.json"
    write_whole(file, orjson.dumps(to_json(evaluation), option=orjson.OPT_INDENT_2))
    return file


def read_per_query(file: Path) -> dict[str, PerQuery]:
    """Return what `write` wrote beside <collection>.json: of each model, its measures by query."""
    found: dict[str, PerQuery] = {}
    with file.open("rb") as lines:
        for row in map(orjson.loads, lines):
            of_model = found.setdefault(row["model"], {})
            of_model.setdefault(row["measure"], {})[row["query_id"]] = row["value"]
    return found


def write_all(evaluations: Sequence[Evaluation], file: Path) -> Path:
    """Write all evaluations to `file`, and what each query got beside it; return the path of the second.

    A line of the second is {"collection", "query_id", "model", "measure", "value"}.
    """
    details = file.with_name(f"{file.stem}.per-query.jsonl")
    write_whole(
        details,
        b"".join(line for e in evaluations for line in _lines(e, {"collection": e.collection})),
    )
    write_whole(file, orjson.dumps([to_json(e) for e in evaluations], option=orjson.OPT_INDENT_2))
    return details


def _lines(evaluation: Evaluation, first: dict[str, str]) -> Iterator[bytes]:
    for model, measures in evaluation.per_query.items():
        for name, values in measures.items():
            for id, value in values.items():
                row = first | {"query_id": id, "model": model, "measure": name, "value": value}
                yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
