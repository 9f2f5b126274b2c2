"""Verdicts that take the whole set: a query or a document that stands elsewhere in it, or in an evaluation set.

What a model says of itself is told here as well, for it is found with the rest, once, when texts are compared.
"""

from collections.abc import Container, Iterable, Mapping

from synthneg.config import DuplicateChecks
from synthneg.run import Run
from synthneg.verify.alike import (
    DOCUMENTS,
    QUERIES,
    SAID_OF_DOCUMENTS,
    SAID_OF_QUERIES,
    Alike,
    Said,
    earlier_queries,
)
from synthneg.verify.leaks import counts, leak
from synthneg.verify.refusal import Refusal


class QueriesInSet:
    """The queries of a run as they are judged. In a trial, where nothing was compared, nothing is like anything."""

    def __init__(self, run: Run) -> None:
        config = run.config.verify
        self._leaks, self._duplicates = config.leaks, config.duplicates
        self._said = _said(run, SAID_OF_QUERIES)
        self._held: dict[str, list[Alike]] = {}
        self._twins: dict[str, list[Alike]] = {}
        for one in _alike(run, QUERIES):
            if one.place and counts(one, config.leaks):
                self._held.setdefault(one.id, []).append(one)
            elif not one.place and is_twin(one, config.duplicates):
                self._twins.setdefault(one.id, []).append(one)
        # Nearly always no query is like another, and it need not be known which were kept.
        self._others = {one.other for alike in self._twins.values() for one in alike}
        self._kept = self._others.intersection(earlier_queries(run)) if self._others else set()

    def refusal(self, id: str, passages: Iterable[str]) -> Refusal | None:
        """Return why a query is dropped for what it says, or because an evaluation set holds it or its passages."""
        found = []
        if self._held:  # nearly always there is no set, or nothing of it
            found = [one for one in self._held.get(id, ()) if one.kind == "query"]
            found += [a for p in passages for a in self._held.get(p, ()) if a.kind == "passage"]
        return self._said.get(id) or (leak(found, self._leaks) if found else None)

    def twin(self, id: str) -> Refusal | None:
        """Return `near_duplicate` if a kept query of the set is nearly the same one."""
        alike = self._twins.get(id)
        return twin(alike, self._kept, self._duplicates) if alike else None

    def keep(self, id: str) -> None:
        """Remember that a query was kept."""
        if id in self._others:
            self._kept.add(id)


class DocumentsInSet:
    """The written documents of a run as they are judged: what they say, what stands elsewhere, what was kept."""

    def __init__(self, run: Run) -> None:
        config = run.config.verify
        self._leaks, self._duplicates = config.leaks, config.duplicates
        self._said = _said(run, SAID_OF_DOCUMENTS)
        self._alike: dict[str, list[Alike]] = {}
        for one in _alike(run, DOCUMENTS):
            if counts(one, config.leaks) or is_repeat(one, config.duplicates):
                self._alike.setdefault(one.id, []).append(one)
        # Nearly always there is nothing to say of a document, and nothing is like it.
        self._concerned = self._said.keys() | self._alike.keys()
        self._others = {one.other for alike in self._alike.values() for one in alike}
        self._kept: dict[str, str] = {}  # query by the id of each of these others that was kept

    def refusals(self, ids: Iterable[str]) -> dict[str, Refusal]:
        """Return by its id why a document of a query is dropped; none for those that pass."""
        found = {}
        for id in self._concerned.intersection(ids):
            refusal = self._said.get(id)
            if refusal is None:
                alike = self._alike[id]
                refusal = leak(alike, self._leaks) or repeated(alike, self._kept, self._duplicates)
            if refusal:
                found[id] = refusal
        return found

    def keep(self, query_id: str, ids: Iterable[str]) -> None:
        """Remember which documents of a query were kept."""
        for id in self._others.intersection(ids):
            self._kept[id] = query_id


def is_twin(one: Alike, checks: DuplicateChecks) -> bool:
    """Whether two queries of the run are as near as the settings call the same."""
    bounds = {"jaccard": checks.query_jaccard, "cosine": checks.query_cosine}
    bound = None if one.place else bounds[one.measure]
    return bound is not None and one.value >= bound


def is_repeat(one: Alike, checks: DuplicateChecks) -> bool:
    """Whether two written documents of the run are as near as the settings call the same."""
    return not one.place and one.value >= checks.document_jaccard


def twin(alike: Iterable[Alike], kept: Container[str], checks: DuplicateChecks) -> Refusal | None:
    """Return `near_duplicate` if a kept query of the set is nearly the same one.

    Args:
        alike: of one query, to earlier ones.
        kept: ids of queries that were kept.
        checks: bounds.
    """
    for one in alike:
        if is_twin(one, checks) and one.other in kept:
            return Refusal("near_duplicate", f"{one.measure} {one.value:.3f} to {one.other}")
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
        kept[one.other]: one.other for one in alike if is_repeat(one, checks) and one.other in kept
    }
    if len(of_queries) < checks.document_queries:
        return None
    first = next(iter(of_queries.values()))
    return Refusal(
        "repeated",
        f"{len(of_queries)} queries have it already, at most {checks.document_queries}; such as {first}",
    )


def _alike(run: Run, file: str) -> Iterable[Alike]:
    return run.read(file, Alike) if run.has(file) else ()


def _said(run: Run, file: str) -> dict[str, Refusal]:
    rows = run.read(file, Said) if run.has(file) else ()
    return {row.id: Refusal(row.reason, row.detail) for row in rows}
