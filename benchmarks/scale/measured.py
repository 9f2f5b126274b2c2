"""The figures that the model of scale is made of: what scripts have measured, and what is assumed in their place."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SIZES = "million.json", "ten-thousand.json"  # in results/scale; the first that is there counts
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
    name = next(n for n in SIZES if (results / "scale" / n).exists())
    by_size = json.loads((results / "scale" / name).read_bytes())
    fewest, most = (extreme(map(int, by_size)) for extreme in (min, max))
    small, large = by_size[str(fewest)], by_size[str(most)]
    for key, stages in _WALKS.items():
        more = sum(_own_s(large, stage) - _own_s(small, stage) for stage in stages)
        between = f"scale/{name}, from {fewest:,} to {most:,} passages"
        found[key] = (more / (most - fewest), "s of one process for a passage", between)
    at = f"scale/{name}, {most:,} passages"
    # Each query against all passages, and against all queries.
    searched = 2 * _DIMENSIONS * 2 * most**2 / large["stages"]["verify.queries"]["search_cpu_s"]
    found["core_search"] = (searched, "operations/s of a core in exact search", at)
    for key in FILES:
        files = {p: n for p, n in large["bytes"].items() if not p.startswith("vectors")}
        written = sum(n for path, n in files.items() if _group(path) == key)
        found[f"bytes of {key}"] = (written / most, "bytes for a passage", at)
    return found


def _own_s(size: dict[str, Any], stage: str) -> float:
    """Return the CPU seconds of a stage without its search; the start of a process is in them."""
    took: dict[str, float] = size["stages"][stage]
    return took["cpu_s"] - took["search_cpu_s"]


def _group(path: str) -> str:
    return next(key for key, start in FILES.items() if path.startswith(start))
