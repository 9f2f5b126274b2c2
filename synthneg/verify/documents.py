"""The stage verify.documents: scores what was written for each verified query, and makes examples of what passes."""

from collections.abc import Iterator

from synthneg.config import DocumentChecks
from synthneg.grouped import Grouped
from synthneg.progress import track
from synthneg.records import Document, Example, Judged, Query, Score
from synthneg.run import Run, Stage
from synthneg.scoring.encoder import Encoder
from synthneg.verify.alike import DOCUMENTS
from synthneg.verify.scores import Candidates, score_documents
from synthneg.verify.verdict import DocumentScores, in_order, judge_documents
from synthneg.verify.whole import DocumentsInSet, opened

NAME = "verify.documents"


def verify_documents(run: Run, encoder: Encoder) -> None:
    """Write examples.jsonl: each verified query with its positive passage and the written documents that pass.

    The books count documents: a query's positive passage and each document written for it.

    Raises:
        RunError: queries have not been verified, or no documents have been generated.
    """
    run.need("verify.queries")
    run.need("generate.documents")
    with Grouped(run.file("documents.jsonl"), Document, "query_id") as documents:
        queries = sum(1 for _ in run.read("verified_queries.jsonl", Query))
        candidates = (c for c in _candidates(run, documents) if _has_positive(c))
        run.write_part(NAME, "scores.jsonl", score_documents(encoder, candidates, queries))
        _judge(run, documents, queries)


def _candidates(run: Run, documents: Grouped[Document]) -> Iterator[Candidates]:
    for query in run.read("verified_queries.jsonl", Query):
        yield Candidates(query, in_order(documents[query.id]))


def _has_positive(candidates: Candidates) -> bool:
    return bool(candidates.documents) and candidates.documents[0].is_passage


def _judge(run: Run, documents: Grouped[Document], queries: int) -> None:
    unverified = dict.fromkeys(documents.keys())
    config = run.config.verify
    with (
        Grouped(run.file("scores.jsonl"), Score, "query_id") as scores,
        opened(run, DOCUMENTS) as alike,
        run.stage(NAME, "examples.jsonl") as stage,
    ):
        in_set = DocumentsInSet(alike, config.leaks, config.duplicates)
        for candidates in track(_candidates(run, documents), NAME, "queries judged", queries):
            unverified.pop(candidates.query.id, None)
            stage.take(len(candidates.documents))
            if _has_positive(candidates):
                _keep(stage, candidates, scores[candidates.query.id], config.documents, in_set)
            else:
                _drop(
                    stage,
                    candidates.documents,
                    "no_positive",
                    "no passage for its query",
                )
        for query_id in unverified:
            stage.take(len(documents[query_id]))
            _drop(
                stage, documents[query_id], "query_rejected", f"query {query_id} was not verified"
            )


def _keep(
    stage: Stage,
    candidates: Candidates,
    rows: list[Score],
    checks: DocumentChecks,
    in_set: DocumentsInSet,
) -> None:
    scores = _by_document(candidates, rows)
    elsewhere = in_set.refusals(candidates.documents)
    verdicts = judge_documents(candidates.documents, scores, checks, elsewhere)
    judged = []
    for document, refusal in zip(candidates.documents, verdicts, strict=True):
        if refusal:
            stage.reject(document.id, *refusal)
        else:
            judged.append(_judged(document, scores[document.id]))
    query = candidates.query
    example = Example(
        query.id, query.text, query.passage_id, query.split, query.origin, tuple(judged)
    )
    stage.keep(example, count=len(judged))
    in_set.keep(query.id, (d.id for d in judged[1:]))


def _drop(stage: Stage, documents: list[Document], reason: str, detail: str) -> None:
    for document in documents:
        stage.reject(document.id, reason, detail)


def _by_document(candidates: Candidates, rows: list[Score]) -> dict[str, DocumentScores]:
    values = {(s.document_id, s.scorer): s.value for s in rows}
    passage = candidates.documents[0].id
    scores = {
        d.id: DocumentScores(values[d.id, "cosine"], values[d.id, "cosine_to_positive"])
        for d in candidates.documents[1:]
    }
    # The query's cosine to its own passage was stored when the query was verified.
    return {passage: DocumentScores(values[passage, "cosine"], 1.0), **scores}


def _judged(document: Document, scores: DocumentScores) -> Judged:
    return Judged(
        id=document.id,
        text=document.text,
        title=document.title,
        grade=document.grade,
        source=document.source,
        scores={"cosine": scores.cosine, "cosine_to_positive": scores.cosine_to_positive},
        origin=document.origin,
    )
