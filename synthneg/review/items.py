"""What a person may be asked about: each query with its own passage, and each query with each of its documents.

Read from what verification has written, so that a verdict is the one that stands in the run, whatever its settings say
by now. Nothing is written, the run is not locked, and one query's documents are held at a time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal, NamedTuple

import orjson

from synthneg.errors import RunError
from synthneg.records import POSITIVE_SOURCES, Row
from synthneg.run.books import read_books
from synthneg.settings import load
from synthneg.verify.documents import Said
from synthneg.verify.facts import DocumentFacts, Group, QueryFacts

Question = Literal["answers", "negative", "grade"]

POSITIVE_GRADE = 3
LEAST_ANSWER = 2  # grades from it on answer, fully or in part
_QUERIES, _DOCUMENTS, _JUDGE = "verify.queries", "verify.documents", "verify.judge"
_NOTHING: Mapping[str, float] = {}
_ANSWERING_FLAGS = {"answers", "relabelled"}
# What a rejection says of whether the text answers; one that is not here says nothing of it.
_REJECTED_AS_ANSWER = {
    "round_trip": False,
    "not_first": False,
    "answers": True,
    "near_positive": True,
}


@dataclass(frozen=True, slots=True)
class Item:
    """A query and a text, and what the checks made of the two.

    Attributes:
        query_id: of the query.
        document_id: of the text; for the question `answers` the passage that the query was written from.
        question: `answers` of a query's own passage, `grade` of a document that was written to a grade, `negative` of
            any other document.
        source: of the text, see `Document`.
        prompt: tag of the prompt that wrote the query, of a document its own; "" of a mined passage.
        kept: whether it stands in the dataset.
        reason: why it was rejected; of what is kept, what was flagged.
        wanted: the grade that was wanted.
        grade: the one that it has in the dataset; where it is rejected, the one wanted.
        scores: of the text, by scorer; of a query `rank` (the worst of its passages) and `logprob`, where known.
        positive: those of the query's own passage; empty for that itself.
    """

    query_id: str
    document_id: str
    question: Question
    source: str
    prompt: str
    kept: bool
    reason: str
    wanted: int
    grade: int
    scores: Mapping[str, float]
    positive: Mapping[str, float]

    @property
    def key(self) -> tuple[str, str]:
        """What it is found by."""
        return self.query_id, self.document_id

    @property
    def verdict(self) -> str:
        """What the checks made of it, for a person."""
        if not self.kept:
            return self.reason
        return f"kept, {self.reason}" if self.reason else "kept"

    @property
    def said_to_answer(self) -> bool | None:
        """Whether the checks say that the text answers the query; None where they say nothing of it."""
        if not self.kept:
            return _REJECTED_AS_ANSWER.get(self.reason)
        if _ANSWERING_FLAGS & set(self.reason.split("+")):
            return True
        return self.grade >= LEAST_ANSWER


class _Query(NamedTuple):
    """Of a query what its items need, until its documents are met."""

    passage_id: str
    prompt: str
    refusal: str  # "" where it is verified
    scores: Mapping[str, float]


class _Fate(NamedTuple):
    """What became of a record, and the grade that it has."""

    kept: bool
    reason: str
    grade: int


def items(folder: Path) -> Iterator[Item]:
    """Yield all that a person may be asked about.

    Raises:
        RunError: nothing has been verified, or the files are not of one verification.
    """
    books = read_books(folder)
    if _QUERIES not in books:
        raise RunError(
            f"{folder}: a review needs queries that the checks have judged, and there are none yet; run"
            " `synthneg verify`, or `synthneg run`"
        )
    written = load(folder / "run.yaml").corpus.is_written
    source = "written" if written else "corpus"
    queries = _queries(folder)
    if _DOCUMENTS in books:
        for group, fates in _groups(folder, _JUDGE in books):
            query = queries.pop(group.query_id, None)
            if query is None:
                raise _mixed(folder, f"query {group.query_id} is not among the queries")
            yield _query_item(group.query_id, query, source, _own_fate(group, fates))
            yield from _document_items(group, fates)
    for id, query in queries.items():
        yield _query_item(id, query, source, _Fate(True, "", POSITIVE_GRADE))


def _queries(folder: Path) -> dict[str, _Query]:
    refused = {row["id"]: row["reason"] for row in _rows(_rejects(folder, _QUERIES))}
    found = {}
    pairs = zip_longest(_rows(folder / "queries.jsonl"), _rows(folder / "query_facts.jsonl"))
    for row, measured in pairs:
        facts = QueryFacts(*measured) if measured else None
        if row is None or facts is None or row["id"] != facts.id:
            raise _mixed(folder, "queries and what was measured of them differ")
        scores = {"rank": float(max(facts.ranks.values()))} if facts.ranks else {}
        if facts.logprob is not None:
            scores["logprob"] = facts.logprob
        refusal = refused.get(facts.id, "")
        found[facts.id] = _Query(row["passage_id"], row["origin"]["prompt"], refusal, scores)
    return found


def _groups(folder: Path, judged: bool) -> Iterator[tuple[Group, list[_Fate]]]:
    """Yield the documents of each query and what became of each.

    A reject names the document alone, and a mined passage is a document of many queries. So both files are walked in
    the order in which verification wrote them: what is in no example is the next reject.
    """
    rejects = _rows(_rejects(folder, _DOCUMENTS))
    examples = _rows(folder / "examples.jsonl")
    example = next(examples, None)
    said = Said(_rows(folder / "parts" / "scores.jsonl" / f"{_JUDGE}.jsonl") if judged else ())
    ids = {row["id"] for row in _rows(folder / "verified_queries.jsonl")}
    while example is not None and example["query_id"] not in ids:  # of an earlier round
        example = next(examples, None)
    for row in _rows(folder / "document_facts.jsonl"):
        group = Group.of_row(row)
        said.add_to(group)
        kept: dict[str, Row] = {}
        if example is not None and example["query_id"] == group.query_id:
            kept = {document["id"]: document for document in example["documents"]}
            example = next(examples, None)
        fates = []
        for document in group.documents:
            if document.id in kept:
                found = kept[document.id]
                fates.append(_Fate(True, "+".join(found["verdicts"]), found["grade"]))
                continue
            reject = next(rejects, None)
            if reject is None or reject["id"] != document.id:
                raise _mixed(folder, f"what became of {document.id} is not told")
            fates.append(_Fate(False, reject["reason"], document.grade))
        yield group, fates


def _own_fate(group: Group, fates: list[_Fate]) -> _Fate:
    """Return what became of the query in verify.documents, told by its own passage."""
    own = (
        fate for document, fate in zip(group.documents, fates, strict=True) if document.is_passage
    )
    return next(own, _Fate(False, group.state, POSITIVE_GRADE))


def _query_item(id: str, query: _Query, source: str, fate: _Fate) -> Item:
    kept, reason = (False, query.refusal) if query.refusal else (fate.kept, fate.reason)
    grade = POSITIVE_GRADE
    return Item(
        id, query.passage_id, "answers", source, query.prompt, kept, reason, grade, grade,
        query.scores, _NOTHING,
    )  # fmt: skip


def _document_items(group: Group, fates: list[_Fate]) -> Iterator[Item]:
    positive = group.documents[0].scores if group.documents else _NOTHING
    for document, fate in zip(group.documents, fates, strict=True):
        if document.source not in POSITIVE_SOURCES:
            yield _document_item(group.query_id, document, fate, positive)


def _document_item(
    query_id: str, document: DocumentFacts, fate: _Fate, positive: Mapping[str, float]
) -> Item:
    return Item(
        query_id,
        document.id,
        "grade" if document.source == "graded" else "negative",
        document.source,
        document.prompt or "",
        fate.kept,
        fate.reason,
        document.grade,
        fate.grade,
        document.scores,
        positive,
    )


def _rejects(folder: Path, stage: str) -> Path:
    return folder / "parts" / "rejects.jsonl" / f"{stage}.jsonl"


def _rows(file: Path) -> Iterator[Row]:
    try:
        stream = file.open("rb")
    except OSError as error:
        raise RunError(
            f"{file}: cannot be read ({error.strerror}); run `synthneg verify` again"
        ) from error
    with stream:
        yield from map(orjson.loads, stream)


def _mixed(folder: Path, what: str) -> RunError:
    return RunError(
        f"{folder}: its files are not of one verification: {what}; wait for a process that is at work in it, or run"
        " `synthneg verify` again"
    )
