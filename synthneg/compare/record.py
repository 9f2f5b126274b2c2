"""compare.json: every figure of a comparison, the values of each query, the settings, and checksums of what went in."""

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from synthneg import __version__
from synthneg.compare.examples import Pool, books
from synthneg.compare.figures import Row, Told
from synthneg.compare.plan import Plan
from synthneg.compare.result import Curve, Found, Measured
from synthneg.files import write_whole
from synthneg.records import Example
from synthneg.run.books import read_records
from synthneg.scoring.encoder import find_model

FILE = "compare.json"
_OF_RUN = ("run.yaml", "passages.jsonl", "verified_queries.jsonl", "examples.jsonl")
_PACKAGES = ("sentence-transformers", "torch", "transformers")
Facts = dict[str, Any]


def write_facts(
    folder: Path,
    facts: Facts,
    measured: Sequence[Measured],
    found: Sequence[Found],
    curve: Curve | None,
) -> Path:
    """Write the file, whole or not at all, and return its path.

    Args:
        folder: made where it is missing.
        facts: what was compared.
        measured: the values of each query.
        found: what can be said.
        curve: of learning, where there is one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts |= {
        "versions": {"synthneg": __version__} | {name: version(name) for name in _PACKAGES},
        "collections": [_found(f) for f in found],
        "curve": None if curve is None else asdict(curve) | {"smallest": _number(curve.smallest)},
        "per_query": {m.name: {name: list(of) for name, of in m.models.items()} for m in measured},
    }
    file = folder / FILE
    write_whole(file, orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    return file


def arms_facts(
    plan: Plan, pool: Pool, source: Path, folders: Mapping[str, Sequence[Path]]
) -> Facts:
    """Return what was trained, of what: settings as they came to be, books of the queries, checksums of the files."""
    arms = {}
    for arm in plan.arms:
        trained = [list(read_records(f / "examples.jsonl", Example)) for f in folders[arm.name]]
        arms[arm.name] = {
            "negatives": arm.negatives,
            "amount": arm.amount,
            "prompts": list(arm.prompts),
            "train": arm.config.train.model_dump(mode="json"),
            "queries": [len(examples) for examples in trained],
            "passages": [len({e.passage_id for e in examples}) for examples in trained],
            "runs": [f"arms/{f.name}" for f in folders[arm.name]],
        }
    return {
        "compare": plan.name,
        "settings": plan.settings.model_dump(mode="json"),
        "evaluate": plan.config.evaluate.model_dump(mode="json"),
        "queries": books(pool),
        "arms": arms,
        "inputs": checksums(_inputs(plan, source, folders)),
    }


def _inputs(plan: Plan, source: Path, folders: Mapping[str, Sequence[Path]]) -> list[Path]:
    files = [source / name for name in _OF_RUN]
    for folder, split in plan.collections:
        files += [folder / "corpus.jsonl", folder / "queries.jsonl"]
        files.append(folder / "qrels" / f"{split}.tsv")
    files += [folder / "examples.jsonl" for of in folders.values() for folder in of]
    for name in dict.fromkeys(arm.config.train.base_model for arm in plan.arms):
        files += sorted(Path(find_model(name)).glob("*.safetensors"))
    return files


def checksums(files: Sequence[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file, by its path from the working folder: others have another home."""
    found = {}
    for file in files:
        with file.open("rb") as stream:
            found[os.path.relpath(file)] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


def _found(found: Found) -> Facts:
    return {
        "collection": found.name,
        "split": found.split,
        "queries": found.queries,
        "mean_of": found.collections,
        "rows": {
            name: {measure: _row(row) for measure, row in of.items()}
            for name, of in found.rows.items()
        },
        "differences": [_told(told) for told in found.told],
    }


def _row(row: Row) -> Facts:
    return asdict(row.interval) | {"seeds": list(row.seeds), "spread": _number(row.spread)}


def _told(told: Told) -> Facts:
    difference = asdict(told.difference)
    difference["smallest"] = _number(told.difference.smallest)
    return {"against": told.against} | difference | {"verdict": told.word}


def _number(value: float) -> float | None:
    """Return what JSON has for it: nothing for NaN."""
    return None if math.isnan(value) else value
