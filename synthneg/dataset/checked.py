"""What a run says of its set as a whole, for the card: overlaps with evaluation sets, and shortcuts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from synthneg.records import Row

_OVERLAPS = {
    "query": "queries that equal or nearly equal one of its queries",
    "document": "written documents that equal or nearly equal one that it judges relevant",
    "passage": "passages with queries that equal or nearly equal one that it judges relevant",
}
_QUESTIONS = {
    "source": "generated or corpus document",
    "grade": "relevant or not",
    "grade of generated": "relevant or not, generated documents alone",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """The rows of leaks.json and of probe.jsonl; empty where a run has none."""

    leaks: Mapping[str, Any]
    probes: tuple[Row, ...]


def read_checked(folder: Path) -> Checked:
    """Return what the files of the run in `folder` say."""
    leaks, probes = folder / "leaks.json", folder / "probe.jsonl"
    return Checked(
        orjson.loads(leaks.read_bytes()) if leaks.exists() else {},
        tuple(map(orjson.loads, probes.read_bytes().splitlines())) if probes.exists() else (),
    )


def overlap_rows(leaks: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """Yield per evaluation set and kind: name, what is counted, how many were found, by what, and how many are left."""
    for row in leaks.get("overlaps", ()):
        by = ", ".join(f"{measure} {n}" for measure, n in row["by"].items() if n)
        yield row["set"], _OVERLAPS[row["kind"]], row["found"], by or "none", row["left"]


def probe_rows(probes: tuple[Row, ...]) -> Iterator[tuple[object, ...]]:
    """Yield per question and set of features: AUC with its interval, and of how many documents and passages."""
    for row in probes:
        auc = row["note"] or f"{row['auc']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        yield _QUESTIONS[row["question"]], row["features"], auc, row["documents"], row["passages"]
