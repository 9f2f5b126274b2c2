"""Verdicts that take the whole set: a query or a document that stands elsewhere in it, or in an evaluation set."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from synthneg.config import DuplicateChecks, LeakChecks
from synthneg.grouped import Grouped
from synthneg.records import Document, Query
from synthneg.run import Run
from synthneg.verify.alike import Alike
from synthneg.verify.leaks import leak
from synthneg.verify.refusal import Refusal


class AlikeById(Protocol):
    """What each text is like, by its id; nothing for an unknown one."""

    def __getitem__(self, id: str, /) -> list[Alike]:
        """Return what is told of the text."""
        ...


def opened(run: Run, file: str) -> AbstractContextManager[AlikeById]:
    """Open a view that `verify.alike` wrote; where nothing was compared, as in a trial, nothing is like anything."""
    if not run.has(file):
        return nullcontext(defaultdict(list))
    return Grouped(run.file(file), Alike, "id")


def leak_of_query(query: Query, alike: AlikeById, checks: LeakChecks) -> Refusal | None:
    """Return `leak` if an evaluation set holds the query, or where the settings say so, one of its passages."""
    passages = (query.passage_id, *query.also)
    found = [a for a in alike[query.id] if a.kind == "query"]
    found += [a for id in passages for a in alike[id] if a.kind == "passage"]
    return leak(found, checks)


def twin(alike: Iterable[Alike], kept: Container[str], checks: DuplicateChecks) -> Refusal | None:
    """Return `near_duplicate` if a kept query of the set is nearly the same one.

    Args:
        alike: of one query, to earlier ones.
        kept: ids of queries that were kept.
        checks: bounds.
    """
    bounds = {"jaccard": checks.query_jaccard, "cosine": checks.query_cosine}
    for one in alike:
        bound = None if one.place or one.kind != "query" else bounds[one.measure]
        if bound is not None and one.value >= bound and one.other in kept:
            return Refusal(
                "near_duplicate",
                f"{one.measure} {one.value:.3f} to {one.other}, must be below {bound:g}",
            )
    return None


def repeated(
    alike: Iterable[Alike], kept: Mapping[str, str], checks: DuplicateChecks
) -> Refusal | None:
    """Return `repeated` if as many queries as may have one document have this one, or one that is nearly the same.

    Args:
        alike: of one written document, to earlier ones of other queries.
        kept: query by the id of each document that was kept.
        checks: bounds.
    """
    of_queries = {
        kept[one.other]: one.other
        for one in alike
        if not one.place and one.value >= checks.document_jaccard and one.other in kept
    }
    if len(of_queries) < checks.document_queries:
        return None
    first = next(iter(of_queries.values()))
    return Refusal(
        "repeated",
        f"{len(of_queries)} queries have it already, at most {checks.document_queries}; such as {first}",
    )


class DocumentsInSet:
    """The written documents of a run as they are judged: what stands elsewhere, and what was kept before."""

    def __init__(self, alike: AlikeById, leaks: LeakChecks, duplicates: DuplicateChecks) -> None:
        self._alike, self._leaks, self._duplicates = alike, leaks, duplicates
        self._kept: dict[str, str] = {}

    def refusals(self, documents: Iterable[Document]) -> dict[str, Refusal]:
        """Return by its id why a document is dropped for what stands elsewhere; none for those that pass."""
        found = {}
        for document in documents:
            if document.is_passage or not (alike := self._alike[document.id]):
                continue
            told = [one for one in alike if one.kind == "document"]
            refusal = leak(told, self._leaks) or repeated(told, self._kept, self._duplicates)
            if refusal:
                found[document.id] = refusal
        return found

    def keep(self, query_id: str, ids: Iterable[str]) -> None:
        """Remember which documents of a query were kept."""
        self._kept.update(dict.fromkeys(ids, query_id))
