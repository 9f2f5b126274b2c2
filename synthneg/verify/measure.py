"""What verify.judge and verify.documents both begin with: the documents of each query, scored and measured once."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import orjson

from synthneg.files import fingerprint
from synthneg.grouped import Grouped
from synthneg.progress import track
from synthneg.records import GIVEN, Document, Query, Score, value_places
from synthneg.run import Run
from synthneg.scoring.base import Encoder, Reranker
from synthneg.scoring.lazy import state_of
from synthneg.seen import Seen
from synthneg.verify.facts import DocumentFacts, Group, document_facts
from synthneg.verify.rerank import RERANK_RANK
from synthneg.verify.scores import Candidates, keep_facts, score_documents
from synthneg.verify.verdict import in_order

NAME = "verify.documents"
FACTS = "document_facts.jsonl"
_OF_QUERIES = ("rank", RERANK_RANK, "cosine_to_query")  # scores of these say nothing of a document


def measure_documents(run: Run, encoder: Encoder, reranker: Reranker | None) -> None:
    """Write document_facts.jsonl and the scores in it, unless they stand.

    Where queries, documents and models are as they were, nothing is scored again.

    Raises:
        RunError: queries have not been verified, or no documents have been generated.
    """
    run.need("verify.queries")
    run.need("generate.documents")

    def scores() -> Iterator[Score]:
        count = run.books()["verify.queries"]["kept"]
        with Grouped(run.file("documents.jsonl"), Document, "query_id") as documents:

            def whole() -> Iterator[Candidates]:
                return (c for c in _candidates(run, documents) if _has_positive(c))

            yield from score_documents(encoder, reranker, whole, count)

    models = [(encoder.name, *state_of(run.config.verify.encoder, run.config.verify.encoding))]
    if reranker is not None:
        models.append((reranker.name, *state_of(reranker.name)))
    files = (
        run.file("verified_queries.jsonl"),
        run.file("documents.jsonl"),
        run.part("scores.jsonl", "verify.queries"),
        *_given(run),
    )
    inputs = fingerprint(DocumentFacts._fields, models, *files)
    keep_facts(run, NAME, FACTS, inputs, scores, lambda: _rows(_measured(run)))


def groups(run: Run) -> Iterator[Group]:
    """Yield the measured documents: of each verified query, in their order, then of the other queries."""
    with run.file(FACTS).open("rb") as rows:
        yield from (Group.of_row(orjson.loads(row)) for row in rows)


@contextmanager
def mapped(run: Run, file: str) -> Iterator[bytes | mmap]:
    """Give the bytes of a file; an empty one cannot be mapped."""
    with run.file(file).open("rb") as stream:
        if not stream.seek(0, 2):
            yield b""
            return
        with mmap(stream.fileno(), 0, access=ACCESS_READ) as mapped:
            yield mapped


def _rows(found: Iterable[Group]) -> Iterator[list[Any]]:
    return (group.to_row() for group in found)


def _candidates(run: Run, documents: Grouped[Document]) -> Iterator[Candidates]:
    for query in run.read("verified_queries.jsonl", Query):
        yield Candidates(query, in_order(documents[query.id]))


def _has_positive(candidates: Candidates) -> bool:
    return bool(candidates.documents) and candidates.documents[0].is_passage


def _given(run: Run) -> list[Path]:
    """Return the file of the scores that came with the documents of an imported dataset; none where they were made."""
    file = run.part("scores.jsonl", "generate.documents")
    return [file] if file.exists() else []


def _measured(run: Run) -> Iterator[Group]:
    with (
        ExitStack() as stack,
        Seen() as verified,
        Grouped(run.file("documents.jsonl"), Document, "query_id") as documents,
        Grouped(run.part("scores.jsonl", NAME), Score, "query_id") as scores,
        Grouped(run.part("scores.jsonl", "verify.queries"), Score, "query_id") as of_queries,
    ):
        brought = [stack.enter_context(Grouped(f, Score, "query_id")) for f in _given(run)]
        for found in track(_candidates(run, documents), NAME, "queries measured"):
            id = found.query.id
            verified.add(id, "")
            state = "whole" if _has_positive(found) else "no_positive"
            known = [*of_queries[id], *scores[id]] if state == "whole" else []
            known += [score for of in brought for score in of[id] if score.scorer == GIVEN]
            yield _group(state, id, found.documents, documents, known)
        for id in documents.keys():
            if id not in verified:
                yield _group("query_rejected", id, documents[id], documents, [])


def _place(start: int, line: bytes) -> tuple[str, list[int]]:
    """Return the id of the document on this line, and where what is copied from there begins and ends."""
    within = value_places(line)
    spans = ((0, len(line)), within["text"], within["title"], within["origin"])
    id: str = orjson.loads(line[slice(*within["id"])])
    return id, [start + place for span in spans for place in span]


def _group(
    state: Any, id: str, found: list[Document], documents: Grouped[Document], known: list[Score]
) -> Group:
    places = dict(_place(*line) for line in documents.lines(id))
    scores: dict[str, dict[str, float]] = {document.id: {} for document in found}
    for score in known:
        if score.document_id in scores and score.scorer not in _OF_QUERIES:
            scores[score.document_id][score.scorer] = score.value
    if state == "whole":
        # Its cosine to itself is stored nowhere; a query's cosine to it was stored when the query was verified.
        scores[found[0].id]["cosine_to_positive"] = 1.0
    return Group(
        id,
        state,
        document_facts(found, [places[d.id] for d in found], [scores[d.id] for d in found]),
    )
