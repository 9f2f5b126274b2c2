"""How long a changed threshold takes over many examples, against verification from the texts on.

nice python benchmarks/verification/reverify.py WORK [--examples 100000] [--seed 7] [--out FILE.json]

Invented data: for each example a passage and two documents of 100 to 200 words, a query of 6 to 12, and vectors of 32
dimensions that lie near where they should. The run is verified once as if nothing were known of it, then again for
each changed threshold, with an encoder that refuses to encode. Then all that was measured is deleted and the last
thresholds are verified from the texts on: the same bytes must come out. CPU and wall seconds of each stage.
"""

import argparse
import json
import random
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from synthneg.records import Document, Origin, Passage, Query
from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries

DIMENSIONS = 32
NOISE = {"q": 0.12, "d": 0.25, "p": 0.0}  # of a text around its passage
FILES = ("verified_queries.jsonl", "examples.jsonl", "rejects.jsonl", "books.json", "scores.jsonl")
THRESHOLDS = (
    {"min_negative_margin": 0.1},
    {"max_negative_share": 0.8},
    {"min_negative_margin": 0.02, "easy_margin": 0.3},
)
LETTERS = "abcdefghiklmnoprstuvw"


class Planted:
    """An encoder for texts that begin with what they are and the number of their passage, such as `q17`."""

    name = "planted"

    def __init__(self, seed: int, works: bool = True) -> None:
        self._seed, self._works = seed, works

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:  # noqa: ARG002
        """Return (n, 32) unit rows."""
        assert self._works, "a changed threshold must encode nothing"
        rows = np.empty((len(texts), DIMENSIONS), np.float32)
        for row, text in zip(rows, texts, strict=True):
            head = text[: text.index(" ")]
            own = np.random.Generator(np.random.SFC64([self._seed, int(head[1:])]))
            row[:] = own.standard_normal(DIMENSIONS)
            around = np.random.Generator(np.random.SFC64([self._seed, zlib.crc32(text.encode())]))
            row += NOISE[head[0]] * 3 * around.standard_normal(DIMENSIONS)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Texts:
    """Invented texts that begin with what they are about."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        lengths = (self._chance.randint(3, 9) for _ in range(9000))
        self._stock = ["".join(self._chance.choices(LETTERS, k=length)) for length in lengths]

    def text(self, head: str, low: int, high: int) -> str:
        """Return a text of `low` to `high` words."""
        return " ".join(
            [head, *self._chance.choices(self._stock, k=self._chance.randint(low, high))]
        )


def write(run: Run, name: str, file: str, records: Iterable[object]) -> None:
    """Write records as what a stage has kept."""
    with run.stage(name, file) as stage:
        for record in records:
            stage.take()
            stage.keep(record)


def plant_queries(run: Run, texts: Texts, examples: int, origin: Origin) -> None:
    """Write passages, and a query of each."""
    numbers = range(examples)
    passages = (Passage(f"{i}", texts.text(f"p{i}", 100, 200)) for i in numbers)
    write(run, "corpus", "passages.jsonl", passages)
    queries = (
        Query(f"{i}:q", texts.text(f"q{i}", 6, 12), f"{i}", "train", origin) for i in numbers
    )
    write(run, "generate.queries", "queries.jsonl", queries)


def plant_documents(run: Run, texts: Texts, examples: int, origin: Origin) -> None:
    """Write the passage of each query once more, and two negatives."""
    own = (
        Document(p.id, f"{p.id}:q", p.text, "", 3, "corpus")
        for p in run.read("passages.jsonl", Passage)
    )
    write(run, "generate.documents", "documents.jsonl", own)
    others = (
        Document(f"{i}:q:n:{k}", f"{i}:q", texts.text(f"d{i}", 100, 200), "", 1, "negative", origin)
        for i in range(examples)
        for k in range(2)
    )
    write(run, "generate.negatives", "documents.jsonl", others)


def timed(work: Callable[[], None]) -> dict[str, float]:
    """Return CPU and wall seconds of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {
        "cpu_s": round(time.process_time() - cpu, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
    }


def changed(run: Run, checks: dict) -> None:
    """Give the run other thresholds."""
    values = {"run": run.config.run, "corpus": {"path": "x"}, "verify": checks}
    run.config = resolve(values, "benchmark")


def verify(run: Run, encoder: Planted) -> dict[str, dict[str, float]]:
    """Return what each stage of verification takes."""
    return {
        "queries": timed(lambda: verify_queries(run, encoder)),
        "documents": timed(lambda: verify_documents(run, encoder)),
    }


def measured(run: Run, examples: int, seed: int) -> Iterator[dict]:
    """Yield what each verification took, and what it kept."""
    texts, works, refuses = Texts(seed), Planted(seed), Planted(seed, works=False)
    origin = Origin(
        "negative/from-query@00000000", "invented", {"temperature": 0.9}, seed, "0" * 64
    )

    def row(name: str, taken: dict) -> dict:
        kept = {stage: books["kept"] for stage, books in run.books().items() if "verify" in stage}
        return {"verification": name, **taken, "kept": kept}

    plant_queries(run, texts, examples, origin)
    first = timed(lambda: verify_queries(run, works))
    plant_documents(run, texts, examples, origin)
    second = timed(lambda: verify_documents(run, works))
    yield row("from the texts on", {"queries": first, "documents": second})
    for checks in THRESHOLDS:
        changed(run, {"documents": checks})
        yield row(f"changed: {checks}", verify(run, refuses))
    before = {name: run.file(name).read_bytes() for name in FILES}
    for name in ("query_facts.jsonl", "document_facts.jsonl", "examples.jsonl"):
        run.file(name).unlink()
    again = verify(run, works)
    same = all(run.file(name).read_bytes() == data for name, data in before.items())
    yield row("last thresholds, from the texts on", again) | {"same_bytes": same}
    changed(run, {"queries": {"round_trip_k": 1}})
    yield row("changed: round_trip_k 1", {"queries": timed(lambda: verify_queries(run, refuses))})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="folder for the run; about 12 kB an example")
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    shutil.rmtree(options.work / "reverify", ignore_errors=True)
    run = Run(options.work, resolve({"run": "reverify", "corpus": {"path": "x"}}, "benchmark"))
    rows = []
    for row in measured(run, options.examples, options.seed):
        print(json.dumps(row), flush=True)
        rows.append(row)
    run.close()
    result = {
        "examples": options.examples,
        "documents": 3 * options.examples,
        "seed": options.seed,
        "dimensions": DIMENSIONS,
        "rows": rows,
    }
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
