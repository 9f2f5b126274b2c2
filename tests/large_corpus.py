"""A corpus whose vectors are larger than the memory that a process may take.

    python tests/large_corpus.py FOLDER LIMIT_MB

Reads the run in FOLDER, whose corpus and queries are there; encodes, verifies, mines, verifies again, in LIMIT_MB more
address space than the process has when its libraries are loaded; 0: in as much as it likes.
"""

import resource
import sys
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from examples import settings

from synthneg.mine.negatives import write_mined_negatives
from synthneg.records import Document, Passage, Query
from synthneg.run import Run
from synthneg.scoring.vectors import CachedEncoder
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries

WORDS = "mill river stone bread roof wheel flour grain water tower keeper storm".split()
PASSAGES, DIMENSION, QUERIES = 48_000, 4096, 120
FILES = (
    "scores.jsonl",
    "verified_queries.jsonl",
    "documents.jsonl",
    "examples.jsonl",
    "rejects.jsonl",
)


class Numbered:
    """An encoder of many dimensions: what ends in the same number is near, a query less so the higher the number."""

    name = "numbered"

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        """Return unit rows drawn by the last word of each text, queries with noise."""
        rows = np.empty((len(texts), DIMENSION), np.float32)
        for row, text in zip(rows, texts, strict=True):
            number = int(text.rsplit(" ", 1)[1])
            row[:] = np.random.default_rng(number).standard_normal(DIMENSION, np.float32)
            if role == "query":
                noise = np.random.default_rng(zlib.crc32(text.encode()))
                row += (1 + number % 40) * noise.standard_normal(DIMENSION, np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


def open_run(folder: Path) -> Run:
    """Return the run that the whole corpus is searched in."""
    mine = {"bm25": 1, "dense": 2, "random": 1}
    return Run(
        folder, settings(mine=mine, verify={"calibrate": True, "queries": {"round_trip_k": 3}})
    )


def write_inputs(folder: Path) -> None:
    """Write the corpus and the queries, one for every 500th passage."""
    from mining import query  # noqa: PLC0415  # the tests' own

    with closing(open_run(folder)) as run:
        with run.stage("corpus", "passages.jsonl") as stage:
            for n in range(PASSAGES):
                stage.take()
                stage.keep(Passage(f"p{n}", text_of(n)))
        with run.stage("generate.queries", "queries.jsonl") as stage:
            for n in range(0, PASSAGES, PASSAGES // QUERIES):
                stage.take()
                stage.keep(query(f"q{n}", f"which {WORDS[n % 12]} is number {n}", f"p{n}"))


def text_of(number: int) -> str:
    """Return the text of a passage."""
    return f"the {WORDS[number % 12]} of the {WORDS[number % 11]} no {number}"


def positive(query: Query) -> Document:
    """Return the passage of a query as its document."""
    text = text_of(int(query.passage_id[1:]))
    return Document(query.passage_id, query.id, text, "", 3, "corpus", None)


def walk(folder: Path) -> None:
    """Verify queries, mine, and verify documents."""
    with closing(open_run(folder)) as run:
        encoder = CachedEncoder(Numbered(), folder / "vectors", "i")
        verify_queries(run, encoder)
        with run.stage("generate.documents", "documents.jsonl") as stage:
            for one in run.read("verified_queries.jsonl", Query):
                stage.take()
                stage.keep(positive(one))
        write_mined_negatives(run, encoder, None)
        verify_documents(run, encoder)


def address_space() -> int:
    """Return how many bytes this process has mapped."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main() -> None:
    """Walk under the limit."""
    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    from synthneg.scoring.lexical import Bm25  # noqa: PLC0415  # so that its libraries are there
    from synthneg.scoring.search import top_k  # noqa: PLC0415  # as above

    Bm25(["the mill", "the river"]).search(["mill"], 1)
    top_k(np.ones((1, 2), np.float32), np.ones((2, 2), np.float32), 1)
    if limit:
        most = address_space() + (limit << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    walk(folder)


if __name__ == "__main__":
    main()
