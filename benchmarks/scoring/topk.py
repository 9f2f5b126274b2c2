"""Exact top-k beside the plain product of the same shapes: which share of the machine's rate is reached.

    python benchmarks/scoring/topk.py [--documents 100000] [--queries 10000] [--rounds 3] [--json FOLDER]

Each round takes the product alone, in blocks of 1,024 x 2,048, and then each way in turn, all in this process, so that
what else runs on the machine meets all of them. On a machine that is shared, OMP_NUM_THREADS=1 tells the most: the
threads of a product that wait for each other take CPU time too. torch and faiss are measured where they are
installed. Random unit rows: in no special order, as passages come; on disk, in half precision.
Ends with status 1 where a k of ours is below the
share that is wanted.
"""

import argparse
import importlib.util
import os
import platform
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson

from synthneg.scoring.half import narrow
from synthneg.scoring.rows import StoredRows
from synthneg.scoring.search import top_k

SEED = 7
WANTED = 0.8


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chance = np.random.default_rng(SEED)
    documents, queries = (
        unit(chance, count, options.dimension) for count in (options.documents, options.queries)
    )
    folder = tempfile.TemporaryDirectory()
    stored = on_disk(documents, Path(folder.name, "rows.f16"))
    ways: dict[str, Callable[[int], object]] = {
        "synthneg": lambda k: top_k(queries, documents, k),
        "synthneg, on disk": lambda k: top_k(queries, stored, k),
    }
    if importlib.util.find_spec("torch"):
        ways["torch, blocked"] = lambda k: with_torch(queries, documents, k)
    if importlib.util.find_spec("faiss"):
        ways["faiss, flat"] = lambda k: with_faiss(queries, documents, k)
    for way in ways.values():
        way(1)  # imports
    shares: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _ in range(options.rounds):
        alone = seconds(lambda: product(queries, documents))
        for name, way in ways.items():
            for k in (10, 100):
                took = seconds(lambda way=way, k=k: way(k))
                shares.setdefault((name, k), []).append((alone[0] / took[0], alone[1] / took[1]))
    peak = {
        f"{name}, k {k}": peak_mb(lambda way=way, k=k: way(k))
        for name, way in ways.items()
        if name.startswith("synthneg")
        for k in (10, 100)
    }
    folder.cleanup()
    rows = [
        {
            "way": name,
            "k": k,
            "share_cpu": [round(cpu, 3) for cpu, _ in found],
            "share_wall": [round(wall, 3) for _, wall in found],
        }
        for (name, k), found in shares.items()
    ]
    print(
        f"{options.documents} x {options.queries}, d {options.dimension}, {options.rounds} rounds"
    )
    print("share of the product's rate: medians, of CPU time and of the clock")
    for row in rows:
        medians = [statistics.median(row[clock]) for clock in ("share_cpu", "share_wall")]
        print(f"{row['way']:18} k {row['k']:4}   {medians[0]:.2f}   {medians[1]:.2f}")
    print(
        "memory beyond vectors and result, MB: "
        + "; ".join(f"{way}: {p}" for way, p in peak.items())
    )
    if options.json is not None:
        options.json.mkdir(parents=True, exist_ok=True)
        setup = {name: value for name, value in vars(options).items() if name != "json"}
        machine = f"{platform.machine()}, {os.cpu_count()} CPUs, numpy {np.__version__}"
        result = setup | {
            "threads": os.environ.get("OMP_NUM_THREADS", "all"),
            "seed": SEED,
            "machine": machine,
            "peak_mb": peak,
            "ways": rows,
        }
        data = orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
        (options.json / "topk.json").write_bytes(data)
    ours = [
        statistics.median(row["share_cpu"]) for row in rows if row["way"].startswith("synthneg")
    ]
    return int(min(ours) < WANTED)


def unit(chance: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    rows = chance.standard_normal((count, dimension), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def on_disk(documents: np.ndarray, file: Path) -> StoredRows:
    file.write_bytes(narrow(documents).tobytes())
    return StoredRows(file, np.arange(len(documents)), documents.shape[1], "f16")


def product(queries: np.ndarray, documents: np.ndarray) -> None:
    """Multiply all with all and keep nothing."""
    memory = np.empty(1024 * 2048, np.float32)
    for first in range(0, len(queries), 1024):
        asked = queries[first : first + 1024]
        for start in range(0, len(documents), 2048):
            part = documents[start : start + 2048]
            block = memory[: len(asked) * len(part)].reshape(len(asked), len(part))
            np.matmul(asked, part.T, out=block)


def with_torch(queries: np.ndarray, documents: np.ndarray, k: int) -> None:
    """Take the k largest of 128 whole rows at a time, as sentence-transformers' semantic search does."""
    import torch  # noqa: PLC0415  # a rival

    corpus = torch.from_numpy(documents)
    for first in range(0, len(queries), 128):
        torch.topk(torch.from_numpy(queries[first : first + 128]) @ corpus.T, k)


def with_faiss(queries: np.ndarray, documents: np.ndarray, k: int) -> None:
    import faiss  # noqa: PLC0415  # a rival

    faiss.knn(queries, documents, k, metric=faiss.METRIC_INNER_PRODUCT)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU seconds of all threads and those of the clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def peak_mb(work: Callable[[], tuple[np.ndarray, np.ndarray]]) -> float:
    tracemalloc.start()
    indices, scores = work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round((peak - indices.nbytes - scores.nbytes) / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
