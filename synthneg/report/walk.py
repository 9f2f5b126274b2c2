"""Queries and documents of a run with what became of each, in the order of their files and without holding them.

The books of a stage are written in the order in which it walks, so its files and its rejects are read side by side.
That matters for documents: a mined passage has one id under many queries, and its rejects do not say under which.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from synthneg.records import Row
from synthneg.report.rows import rows
from synthneg.run import Run
from synthneg.verify.facts import DocumentFacts, Group, QueryFacts
from synthneg.verify.measure import FACTS as DOCUMENT_FACTS
from synthneg.verify.measure import NAME as DOCUMENTS
from synthneg.verify.queries import FACTS as QUERY_FACTS
from synthneg.verify.queries import NAME as QUERIES

KEPT, REJECTED, FAILED, UNCHECKED = "kept", "rejected", "failed", "not checked yet"


class Outcome(NamedTuple):
    """What became of a record: a word, and of what was dropped the reason and what was seen."""

    verdict: str
    reason: str = ""
    detail: str = ""


class SeenQuery(NamedTuple):
    """A query as it was written, what was measured of it, and what became of it."""

    row: Row  # a `records.Query`
    facts: QueryFacts | None  # None: not measured yet
    outcome: Outcome


class SeenDocument(NamedTuple):
    """A document of a query, likewise."""

    facts: DocumentFacts
    outcome: Outcome
    judged: Row | None  # a `records.Judged`: what is kept, with the grade that it was given


class SeenGroup(NamedTuple):
    """A query's documents, in the order of an example."""

    query_id: str
    documents: tuple[SeenDocument, ...]


def seen_queries(run: Run) -> Iterator[SeenQuery]:
    """Yield the queries of a run, as far as its books stand for them."""
    if "generate.queries" not in run.books():
        return
    checked = QUERIES in run.books()
    facts = rows(run.file(QUERY_FACTS)) if checked else iter(())
    rejects = _Rejects(run, QUERIES)
    for row in rows(run.file("queries.jsonl")):
        if not checked:
            yield SeenQuery(row, None, Outcome(UNCHECKED))
            continue
        outcome = rejects.of(row["id"]) or Outcome(KEPT)
        yield SeenQuery(row, QueryFacts(*next(facts)), outcome)


def seen_groups(run: Run) -> Iterator[SeenGroup]:
    """Yield the documents of each query; none before they are checked."""
    if DOCUMENTS not in run.books():
        return
    examples, rejects = _own_examples(run), _Rejects(run, DOCUMENTS)
    ahead = next(examples, None)
    for row in rows(run.file(DOCUMENT_FACTS)):
        group = Group.of_row(row)
        kept: Mapping[str, Row] = {}
        if ahead is not None and ahead["query_id"] == group.query_id:
            kept = {judged["id"]: judged for judged in ahead["documents"]}
            ahead = next(examples, None)
        yield SeenGroup(
            group.query_id, tuple(_seen(document, kept, rejects) for document in group.documents)
        )


def _seen(facts: DocumentFacts, kept: Mapping[str, Row], rejects: "_Rejects") -> SeenDocument:
    judged = kept.get(facts.id)
    if judged is not None and judged["source"] == facts.source:
        return SeenDocument(facts, Outcome(KEPT), judged)
    return SeenDocument(facts, rejects.of(facts.id) or Outcome(REJECTED), None)


def _own_examples(run: Run) -> Iterator[Row]:
    """Yield the examples that this run has made; those of the round before stand first in its file."""
    examples = rows(run.file("examples.jsonl"))
    if run.earlier is None:
        yield from examples
        return
    own = {row["id"] for row in rows(run.file("verified_queries.jsonl"))}
    first = next((example for example in examples if example["query_id"] in own), None)
    if first is not None:
        yield from chain([first], examples)


class _Rejects:
    """The rejects of a stage, taken in their order."""

    def __init__(self, run: Run, stage: str) -> None:
        self._rows: Iterator[Any] = rows(run.part("rejects.jsonl", stage))
        self._next = next(self._rows, None)

    def of(self, id: str) -> Outcome | None:
        """Return why the record `id` was dropped, if it is the next one that was."""
        row = self._next
        if row is None or row["id"] != id:
            return None
        self._next = next(self._rows, None)
        return Outcome(REJECTED, row["reason"], row["detail"])
