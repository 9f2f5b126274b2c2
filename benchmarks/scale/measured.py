"""The figures that the model of scale is made of: what scripts have measured, and what is assumed in their place."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SIZES = "scale/million.json"
# What one process does for each passage, by the stages of a run; the search is counted apart.
_WALKS = {
    "verify_s": ("verify.queries", "mine", "verify.documents"),
    "read_s": ("corpus",),
    "export_s": ("export",),
}
FILES = {
    "ledger": "ledger",
    "dataset": "dataset",
    "passages": "passages",
    "records": "",  # queries, documents, examples, facts, scores, rejects, books
}
_DIMENSIONS = 256  # of potion-base-8M, with which the sizes were measured; its vectors are left out of the files


class Figure(NamedTuple):
    """A number, what it is of, and where it comes from."""

    value: float
    unit: str
    source: str
    measured: bool


def read(results: Path, assumptions: Path) -> dict[str, Figure]:
    """Return all figures by name: the assumed ones, and what has been measured in place of them."""
    given = yaml.safe_load(assumptions.read_text(encoding="utf-8"))
    found = {
        name: Figure(float(g["value"]), g["unit"], f"assumed: {g['source']}", False)
        for name, g in given.items()
    }
    return found | {
        name: Figure(value, unit, f"measured: {source}", True)
        for name, (value, unit, source) in _measured(results).items()
    }


def _measured(results: Path) -> dict[str, tuple[float, str, str]]:
    """Return what scripts have measured: value, unit, and the file of benchmarks/results."""
    run = json.loads((results / "scifact-1.5b/run.json").read_bytes())
    books, used, asked = run["stages"], run["llm"], "scifact-1.5b/run.json"
    queries, kept = books["generate.queries"]["in"], books["verify.queries"]["kept"]
    engine = json.loads((results / "engine-grow.json").read_bytes())["1000000"]
    found = {
        "kept_share": (kept / queries, "of the queries pass", asked),
        "requests": (used["requests"] / queries, "requests for each query asked for", asked),
        "tokens_in": (used["tokens_in"] / used["requests"], "tokens of a request", asked),
        "tokens_out": (used["tokens_out"] / used["requests"], "tokens of a reply", asked),
        "asked_s": (engine["CPU ms"] / 1e3, "s of a core for a request", "engine-grow.json"),
        "walked": (engine["again/s"], "answered requests/s of one process", "engine-grow.json"),
    }
    read_sizes = json.loads((results / SIZES).read_bytes())
    sizes = {int(size): of for size, of in read_sizes.items() if size.isdigit()}
    for key, stages in _WALKS.items():
        per_passage, places = 0.0, []
        for stage in stages:
            *_, fewest, most = sorted(n for n, of in sizes.items() if stage in of["stages"])
            more = _own_s(sizes[most], stage) - _own_s(sizes[fewest], stage)
            per_passage += more / (most - fewest)
            places.append(f"from {fewest:,} to {most:,} passages")
        between = ", ".join(dict.fromkeys(places))
        found[key] = (per_passage, "s of one process for a passage", f"{SIZES}, {between}")
    return found | _searches(sizes, read_sizes["exact search"]) | _bytes(sizes)


def _searches(sizes: dict[int, Any], exact: dict[str, Any]) -> dict[str, tuple[float, str, str]]:
    """Return the rate of the exact search, and what that of the nearest clusters takes and how that grows."""
    most = max(map(int, exact))
    # Each query against all passages, and against all queries.
    searched = 2 * _DIMENSIONS * 2 * most**2 / exact[str(most)]["search_cpu_s"]
    rate = "operations/s of a core in exact search"
    fewest, largest = sorted(n for n, of in sizes.items() if "verify.queries" in of["stages"])[-2:]
    few, many = (
        sizes[n]["stages"]["verify.queries"]["search_cpu_s"] / n for n in (fewest, largest)
    )
    growth = math.log(many / few) / math.log(largest / fewest)
    between = f"{SIZES}, {fewest:,} to {largest:,} passages"
    per_passage = f"s of a core for a passage, of {largest:,}"
    return {
        "core_search": (searched, rate, f"{SIZES}, {most:,} passages"),
        "nearby_s": (many, per_passage, f"{SIZES}, {largest:,} passages"),
        "nearby_growth": (growth, "power of the number of passages by which that grows", between),
        "nearby_of": (float(largest), "passages of which that is", SIZES),
    }


def _bytes(sizes: dict[int, Any]) -> dict[str, tuple[float, str, str]]:
    """Return what the files take for a passage, each at the largest size that has it of those that have negatives."""
    largest: dict[str, int] = {}
    for size in sorted(n for n, of in sizes.items() if "verify.documents" in of["stages"]):
        largest |= dict.fromkeys(sizes[size]["bytes"], size)
    found = {}
    for key in FILES:
        of_key = {
            path: size
            for path, size in largest.items()
            if not path.startswith("vectors") and _group(path) == key
        }
        written = sum(sizes[size]["bytes"][path] / size for path, size in of_key.items())
        at = ", ".join(f"{size:,}" for size in sorted(set(of_key.values())))
        found[f"bytes of {key}"] = (written, "bytes for a passage", f"{SIZES}, {at} passages")
    return found


def _own_s(size: dict[str, Any], stage: str) -> float:
    """Return the CPU seconds of a stage without its search; the start of a process is in them."""
    took: dict[str, float] = size["stages"][stage]
    return took["cpu_s"] - took["search_cpu_s"]


def _group(path: str) -> str:
    return next(key for key, start in FILES.items() if path.startswith(start))
