"""The stage verify.documents: scores the documents of each verified query, and makes examples of what passes."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from mmap import mmap

import orjson
from orjson import Fragment

from synthneg.config import DocumentChecks
from synthneg.files import write_whole
from synthneg.progress import track
from synthneg.records import Row
from synthneg.run import Run
from synthneg.run.books import Stage
from synthneg.scoring.base import Encoder, Reranker
from synthneg.verify.asked import NAME as JUDGE
from synthneg.verify.facts import DocumentFacts, Group
from synthneg.verify.measure import NAME, groups, mapped, measure_documents
from synthneg.verify.order import Tally
from synthneg.verify.ruling import Ruling, judge_documents, orders
from synthneg.verify.thresholds import document_checks
from synthneg.verify.whole import DocumentsInSet

ORDERS = "graded_order.json"

_REFUSED = {
    "no_positive": "no passage for its query",
    "query_rejected": "query {} was not verified",
}


def verify_documents(run: Run, encoder: Encoder, reranker: Reranker | None = None) -> None:
    """Write examples.jsonl: each verified query with its positive passage and the documents that pass.

    The books count documents: a query's positive passage, and each document beside it. graded_order.json says of each
    prompt how far the scores of its graded documents fall as their grades do.

    Raises:
        RunError: queries have not been verified, or no documents have been generated.
    """
    measure_documents(run, encoder, reranker)
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    with (
        mapped(run, "documents.jsonl") as texts,
        run.file("verified_queries.jsonl").open("rb") as queries,
        run.stage(NAME, "examples.jsonl") as stage,
    ):
        # Where its books are gone, what a judge has said was of other documents.
        said = Said(run.rows(JUDGE, "scores.jsonl") if JUDGE in run.books() else ())
        checks, in_set = document_checks(run), DocumentsInSet(run)
        count = run.books()["verify.queries"]["kept"]
        if run.earlier is not None:
            stage.carry(run.earlier / "examples.jsonl")
        for group in track(groups(run), NAME, "queries judged", count):
            query = orjson.loads(next(queries)) if group.state != "query_rejected" else {}
            stage.take(len(group.documents))
            if group.state == "whole":
                said.add_to(group)
                for prompt, order in orders(group.documents).items():
                    tallies[prompt].add(order)
                _keep(stage, query, group, texts, checks, in_set)
            else:
                for document in group.documents:
                    detail = _REFUSED[group.state].format(group.query_id)
                    stage.reject(document.id, group.state, detail)
    rows = {prompt: tally.row() for prompt, tally in sorted(tallies.items())}
    write_whole(run.file(ORDERS), orjson.dumps(rows, option=orjson.OPT_INDENT_2))


def _keep(
    stage: Stage,
    query: Row,
    group: Group,
    texts: bytes | mmap,
    checks: DocumentChecks,
    in_set: DocumentsInSet,
) -> None:
    judged = []
    elsewhere = in_set.refusals([document.id for document in group.documents])
    rulings = judge_documents(group.documents, checks, elsewhere)
    for facts, ruling in zip(group.documents, rulings, strict=True):
        if ruling.refusal is not None:
            stage.reject(facts.id, *ruling.refusal)
        else:
            judged.append(_judged(facts, ruling, texts))
            for flag in ruling.flags:
                stage.flag(flag)
    in_set.keep(group.query_id, [row["id"] for row in judged])
    if judged:
        stage.keep(_example(query, judged), count=len(judged))


# Rows, not records: to make 400,000 frozen records and take them apart again takes as long as all else.
def _example(query: Row, judged: list[Row]) -> Row:
    """Return an `Example` as it is written."""
    return {
        "query_id": query["id"],
        "query": query["text"],
        "passage_id": query["passage_id"],
        "split": query["split"],
        "origin": query["origin"],
        "documents": judged,
    }


def _judged(facts: DocumentFacts, ruling: Ruling, texts: bytes | mmap) -> Row:
    """Return a `Judged` as it is written."""
    _, _, text, text_end, title, title_end, origin, origin_end = facts.at
    return {
        "id": facts.id,
        "text": Fragment(texts[text:text_end]),
        "title": Fragment(texts[title:title_end]),
        "grade": ruling.grade,
        "source": facts.source,
        "scores": facts.scores,
        "origin": Fragment(texts[origin:origin_end]),
        "wanted_grade": facts.grade if ruling.grade != facts.grade else None,
        "verdicts": ruling.flags,
    }


class Said:
    """What a judge has said of documents: the rows of its scores, in the order of the queries."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._by_query = groupby(rows, key=lambda row: row["query_id"])
        self._next = next(self._by_query, None)

    def add_to(self, group: Group) -> None:
        """Put what was said of these documents among their scores."""
        if self._next is None or self._next[0] != group.query_id:
            return
        by_id = {document.id: document.scores for document in group.documents}
        for row in self._next[1]:
            by_id[row["document_id"]][row["scorer"]] = row["value"]
        self._next = next(self._by_query, None)
