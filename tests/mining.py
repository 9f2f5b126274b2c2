"""Small runs for the tests of mining: passages, verified queries, and what a check by hand says of a negative."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from examples import settings

from synthneg.mine.negatives import write_mined_negatives
from synthneg.records import Document, Origin, Passage, Query, Reject, Score
from synthneg.run import Run
from synthneg.run.books import Counts
from synthneg.scoring.base import Encoder
from synthneg.scoring.bound import negative_bound
from synthneg.scoring.known import document_of
from synthneg.testing import HashingEncoder, OverlapReranker
from synthneg.verify.duplicate import jaccard, shingles
from synthneg.words import normalized, words

ORIGIN = Origin("query/question@1b9d6bcd", "m", {}, 7, "key")


def query(id: str, text: str, passage_id: str, *also: str) -> Query:
    """Return a query of the training split."""
    return Query(id, text, passage_id, "train", ORIGIN, also)


def opened(
    folder: Path,
    passages: Sequence[Passage],
    verified: Sequence[Query],
    dropped: Sequence[Query] = (),
    **sections: object,
) -> Run:
    """Return a run whose queries have been verified; `dropped` are those that did not pass."""
    verify = {"reranker": "overlap"} | dict(sections.pop("verify", {}))
    run = Run(folder, settings(verify=verify, **sections))
    for name, file, records in (
        ("corpus", "passages.jsonl", passages),
        ("generate.queries", "queries.jsonl", [*dropped, *verified]),
        ("verify.queries", "verified_queries.jsonl", verified),
    ):
        with run.stage(name, file) as stage:
            for record in records:
                stage.take()
                stage.keep(record)
    return run


def mine(run: Run, encoder: Encoder | None = None) -> dict[str, list[Document]]:
    """Run the stage; return what was mined, by query."""
    write_mined_negatives(run, encoder or HashingEncoder(), OverlapReranker())
    found: dict[str, list[Document]] = {}
    for document in run.read("documents.jsonl", Document):
        found.setdefault(document.query_id, []).append(document)
    return found


def mined(folder: Path, *records: Sequence, **sections: object) -> dict[str, list[Document]]:
    """Return what is mined in a new run over passages, verified queries, and dropped ones."""
    with closing(opened(folder, *records, **sections)) as run:
        return mine(run)


def books_of(run: Run) -> Counts:
    """Return the books of the stage."""
    return run.books()["mine"]


def rejects_of(run: Run) -> list[Reject]:
    """Return what the stage has rejected."""
    return [row for row in run.read("rejects.jsonl", Reject) if row.stage == "mine"]


def scores_of(run: Run) -> dict[tuple[str, str, str], float]:
    """Return all scores of the run."""
    rows = run.read("scores.jsonl", Score)
    return {(row.query_id, row.document_id, row.scorer): row.value for row in rows}


def faults(
    asked: Query,
    queries: Sequence[Query],
    picked: Sequence[Document],
    passages: Sequence[Passage],
    rules: tuple[float, float] | None,
) -> list[str]:
    """Return what is wrong with a query's negatives by share and margin, in words of their own."""
    by_id = {passage.id: passage for passage in passages}
    vectors = HashingEncoder().encode([p.full_text for p in passages], "document")
    vector_of = dict(zip(by_id, vectors, strict=True))
    vector = HashingEncoder().encode([asked.text], "query")[0]
    same = [q for q in queries if normalized(q.text) == normalized(asked.text)]
    known = {id for q in [asked, *same] for id in (q.passage_id, *q.also)}
    own = min(vector_of[id] @ vector for id in (asked.passage_id, *asked.also))
    bound = negative_bound(float(own), *rules) if rules else float("inf")

    def copies(a: Passage, b: Passage) -> bool:
        grams = [shingles(words(p.full_text)) for p in (a, b)]
        return (
            normalized(a.text) == normalized(b.text)
            or jaccard(*grams) >= 0.8
            or float(vector_of[a.id] @ vector_of[b.id]) >= 0.95 + 1e-6
        )

    found = []
    for place, one in enumerate(picked):
        passage = by_id[one.id]
        if document_of(one.id) in map(document_of, known):
            found.append(f"{one.id} belongs to a positive")
        if any(copies(passage, by_id[id]) for id in known):
            found.append(f"{one.id} copies a positive")
        if any(one.id == e.id or copies(passage, by_id[e.id]) for e in picked[:place]):
            found.append(f"{one.id} comes twice")
        if float(vector_of[one.id] @ vector) >= bound + 1e-5:
            found.append(f"{one.id} is too near")
        if (one.text, one.title) != (passage.text, passage.title):
            found.append(f"{one.id} has another text")
    return found
