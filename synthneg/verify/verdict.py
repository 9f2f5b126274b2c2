"""Verdicts: the checks in their order, as pure functions of texts, stored scores and settings.

A record gets the reason of the first check that it fails. For a query the order is too_short, too_long, refusal, meta,
speaks_of_passage, copied, leak, duplicate, near_duplicate, round_trip; for a written document too_short, too_long,
refusal, meta, leak, repeated, duplicate, near_duplicate, near_positive, answers. Duplicates are sought among the
records that were kept, so what was dropped for another reason takes nobody with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from synthneg.config import DocumentChecks, QueryChecks
from synthneg.records import Document
from synthneg.verify.content import talks
from synthneg.verify.copied import copied
from synthneg.verify.duplicate import Shingles, near_document, near_query, shingles
from synthneg.verify.length import length
from synthneg.verify.nearness import answers, near_positive
from synthneg.verify.refusal import Refusal
from synthneg.verify.round_trip import round_trip
from synthneg.verify.speaks import speaks_of_passage
from synthneg.words import words

_POSITIVE_GRADE = 3
_BEST_NEGATIVE_GRADE = 1


NOTHING: Mapping[str, Refusal] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class QueryFacts:
    """All that the verdict on a query depends on."""

    text: str
    passage: str  # title and text, of all passages that it was written from
    ranks: Mapping[str, int]  # of each passage it was written from, among all; 1 is the nearest
    same_as: str | None  # id of a kept query with the same words, if there is one
    earlier: Mapping[str, float]  # cosine to each kept query of the same passage, by its id
    leak: Refusal | None = None  # what the evaluation sets say
    twin: Refusal | None = None  # what the kept queries of the whole set say


def judge_query(facts: QueryFacts, checks: QueryChecks) -> Refusal | None:
    """Return why the query is dropped, or None if it passes."""
    query = words(facts.text)
    return (
        length(query, checks.min_words, checks.max_words)
        or talks(facts.text)
        or speaks_of_passage(facts.text)
        or copied(query, words(facts.passage), checks.max_copied_words)
        or facts.leak
        or (Refusal("duplicate", f"the same words as {facts.same_as}") if facts.same_as else None)
        or near_query(facts.earlier, checks.near_duplicate)
        or facts.twin
        or round_trip(facts.ranks, checks.round_trip_k)
    )


@dataclass(frozen=True, slots=True)
class DocumentScores:
    """What the encoder says of a document; both are cosines in [-1, 1]."""

    cosine: float  # to the query
    cosine_to_positive: float


def in_order(documents: Sequence[Document]) -> list[Document]:
    """Return a query's documents as an example lists them: the positive, graded 3 to 0, then negatives."""
    place = {"corpus": 0, "written": 0, "graded": 1, "negative": 2}
    return sorted(documents, key=lambda d: (place[d.source], -d.grade))


def judge_documents(
    documents: Sequence[Document],
    scores: Mapping[str, DocumentScores],
    checks: DocumentChecks,
    in_set: Mapping[str, Refusal] = NOTHING,
) -> list[Refusal | None]:
    """Return for each document of one query why it is dropped, or None if it passes.

    Args:
        documents: as `in_order` gives them, the positive passage first; that always passes.
        scores: by document id, the positive passage's included.
        checks: bounds.
        in_set: by document id, why what stands elsewhere in the set or in an evaluation set drops it.
    """
    positive = scores[documents[0].id].cosine
    kept: dict[str, Shingles] = {}
    texts: dict[str, str] = {}
    verdicts: list[Refusal | None] = []
    for document in documents:
        text_words = words(document.full_text)
        mine, text = shingles(text_words), " ".join(text_words)
        verdict = None
        if not document.is_passage:
            verdict = (
                length(text_words, checks.min_words, checks.max_words)
                or talks(document.text)
                or in_set.get(document.id)
                or (
                    Refusal("duplicate", f"the same words as {texts[text]}")
                    if text in texts
                    else None
                )
                or near_document(mine, kept, checks.near_duplicate_jaccard)
                or _nearness(document.grade, scores[document.id], positive, checks)
            )
        if verdict is None:
            kept[document.id] = mine
            texts[text] = document.id
        verdicts.append(verdict)
    return verdicts


def _nearness(
    grade: int, scores: DocumentScores, positive: float, checks: DocumentChecks
) -> Refusal | None:
    if grade >= _POSITIVE_GRADE:
        return None
    near = near_positive(scores.cosine_to_positive, checks.max_similarity_to_positive)
    if near is None and grade <= _BEST_NEGATIVE_GRADE:
        near = answers(
            scores.cosine, positive, checks.max_negative_share, checks.min_negative_margin
        )
    return near
