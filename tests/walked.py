"""The stages that walk over records, with what each held at most.

    python tests/walked.py FOLDER RECORDS

Writes a run of so many passages, a query and a negative of each, then compares, verifies and exports it; prints for
each step the largest amount that Python and numpy held at once, in bytes.
"""

import json
import random
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import datasets  # noqa: F401 - what a first import takes is not the step's
from examples import origin, settings

from synthneg import files
from synthneg.dataset import languages, write
from synthneg.dataset.export import export
from synthneg.records import Document, Passage, Query
from synthneg.run import Run
from synthneg.scoring import corpus, rows, search
from synthneg.scoring.vectors import CachedEncoder
from synthneg.testing import HashingEncoder
from synthneg.verify import alike, minhash, near, nearby, scores, texts
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries

LETTERS = "abcdefghijklmnopqrstuvwxyz"
# What is held at a time, small enough that a few hundred records fill it.
HELD = {(module, "BLOCK_TEXTS"): 32 for module in (alike, corpus, nearby, scores)}
HELD |= {(module, "_BLOCK"): 32 for module in (minhash, near, texts)}
HELD |= {(search, "_DOCUMENTS"): 256, (write, "_AT_ONCE"): 256, (languages, "_MOST_TEXTS"): 128}
HELD |= {(rows, "_READ_VALUES"): 2**14, (near, "_REMEMBERED"): 32, (files, "_BUFFER"): 4096}


def words(count: int, *seed: object) -> str:
    """Return made-up words that no other seed gives."""
    chance = random.Random(str(seed))
    return " ".join("".join(chance.choices(LETTERS, k=6)) for _ in range(count))


def write_inputs(run: Run, records: int) -> None:
    """Write what corpus and language model have given."""
    with run.stage("corpus", "passages.jsonl") as stage:
        for n in range(records):
            stage.take()
            stage.keep(Passage(f"p{n}", f"{words(6, 'q', n)} {words(14, 'p', n)}"))
    with run.stage("generate.queries", "queries.jsonl") as stage:
        for n in range(records):
            stage.take()
            text = " ".join(reversed(words(6, "q", n).split()))
            stage.keep(Query(f"p{n}:q", text, f"p{n}", "train", origin("query/question", n)))


def write_documents(run: Run, records: int) -> None:
    """Write each query's passage and a negative."""
    with run.stage("generate.documents", "documents.jsonl") as stage:
        for passage in run.read("passages.jsonl", Passage):
            stage.take()
            of = f"{passage.id}:q"
            stage.keep(Document(passage.id, of, passage.text, "", 3, "corpus"))
    with run.stage("generate.negatives", "documents.jsonl") as stage:
        for n in range(records):
            stage.take()
            by = origin("negative/from-query", n)
            stage.keep(Document(f"p{n}:n", f"p{n}:q", words(20, "n", n), "", 1, "negative", by))


def held(step: Callable[[], object]) -> int:
    """Return how much was held at most while `step` ran, beside what was held before."""
    tracemalloc.start()
    step()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def main(folder: Path, records: int) -> None:
    """Print what each step held."""
    for (module, name), size in HELD.items():
        setattr(module, name, size)
    probe = {"probe": {"examples": 0}}
    run = Run(folder, settings(verify=probe, export={"shapes": ["triplet", "beir"]}))
    encoder = CachedEncoder(HashingEncoder(64), run.vectors, "walked")
    write_inputs(run, records)
    steps: dict[str, Callable[[], object]] = {
        "compare queries": lambda: alike.compare_queries(run, encoder, list, ""),
        "verify queries": lambda: verify_queries(run, encoder),
        "write documents": lambda: write_documents(run, records),
        "compare documents": lambda: alike.compare_documents(run, encoder, list, ""),
        "verify documents": lambda: verify_documents(run, encoder),
        # Nothing is measured a second time, so these judge and do nothing else.
        "judge queries": lambda: verify_queries(run, encoder),
        "judge documents": lambda: verify_documents(run, encoder),
        "export": lambda: export(run),
    }
    sys.stdout.write(json.dumps({name: held(step) for name, step in steps.items()}) + "\n")
    kept = run.books()["export"]["kept"]
    assert kept > 0.9 * records, kept
    run.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
