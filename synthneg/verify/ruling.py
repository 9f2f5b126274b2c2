"""What becomes of the documents of one query, as a pure function of their facts and settings.

A document gets the reason of the first check that it fails, in the order too_short, too_long, what `verify.whole` says
of it (refusal, meta, private_…, leak, repeated), duplicate, near_duplicate, inverted, near_positive, answers; all
documents of a query with too many negatives that answer get query_dropped. Duplicates are sought among the documents
that are kept, so what was dropped for another reason takes nobody with it. What is kept may be flagged: inverted,
regraded, too_easy, answers, relabelled.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from synthneg.config import DocumentChecks
from synthneg.records import WRITTEN
from synthneg.verify.duplicate import near_document
from synthneg.verify.facts import DocumentFacts
from synthneg.verify.length import length
from synthneg.verify.nearness import near_positive
from synthneg.verify.order import Order, inversions, order_of, out_of_order, regraded
from synthneg.verify.refusal import Refusal
from synthneg.verify.witnesses import RERANK, Finding, Scores, bound_of, finding

NOTHING: Mapping[str, Refusal] = MappingProxyType({})

_POSITIVE_GRADE = 3
_BEST_NEGATIVE_GRADE = 1


class Ruling(NamedTuple):
    """What becomes of one document."""

    refusal: Refusal | None  # why it is dropped; None where it is kept
    grade: int  # the one given
    flags: tuple[str, ...] = ()  # what is to be known of it; none of a document that is dropped


_AS_WANTED = {grade: Ruling(None, grade) for grade in range(_POSITIVE_GRADE + 1)}


def judge_documents(
    facts: Sequence[DocumentFacts],
    checks: DocumentChecks,
    elsewhere: Mapping[str, Refusal] = NOTHING,
) -> list[Ruling]:
    """Return what becomes of each document of one query.

    Args:
        facts: in the order of an example, the positive passage first; that passes unless the query is dropped.
        checks: bounds and actions.
        elsewhere: by id, why documents are dropped for what they say, for the whole set or for an evaluation set.
    """
    positive = facts[0].scores
    bound = bound_of(positive, checks)
    graded = _graded(facts, checks)
    kept: dict[int, str] = {}
    twins: dict[int, str] = {}
    answering = 0
    rulings = []
    for place, document in enumerate(facts):
        ruling = graded.get(place) or _AS_WANTED[document.grade]
        if not document.is_passage:
            refusal = _text(document, twins, kept, checks, elsewhere.get(document.id))
            if refusal is not None:
                ruling = Ruling(refusal, ruling.grade)
            elif ruling.refusal is None and ruling.grade < _POSITIVE_GRADE:
                ruling, found = _nearness(document, ruling, positive, bound, checks)
                answering += found
        if ruling.refusal is None:
            kept[place] = twins[document.twin] = document.id
        rulings.append(ruling)
    if checks.max_answering is not None and answering > checks.max_answering:
        return [_dropped(ruling, answering, checks.max_answering) for ruling in rulings]
    return rulings


def orders(facts: Sequence[DocumentFacts]) -> dict[str, Order]:
    """Return of each prompt that wrote graded documents for a query how far scores and grades wanted agree."""
    return {
        prompt: order_of([facts[p].grade for p in places], _order_scores(facts, places))
        for prompt, places in _sets(facts).items()
    }


def _text(
    document: DocumentFacts,
    twins: dict[int, str],
    kept: dict[int, str],
    checks: DocumentChecks,
    elsewhere: Refusal | None,
) -> Refusal | None:
    refusal = None
    if document.source in WRITTEN:  # how long a passage of the corpus is says nothing against it
        refusal = length(document.words, checks.min_words, checks.max_words)
    refusal = refusal or elsewhere
    if refusal is None and document.twin in twins:
        refusal = Refusal("duplicate", f"the same words as {twins[document.twin]}")
    return refusal or near_document(document.shared, kept, checks.near_duplicate_jaccard)


def _nearness(
    document: DocumentFacts,
    ruling: Ruling,
    positive: Scores,
    bound: float,
    checks: DocumentChecks,
) -> tuple[Ruling, bool]:
    """Return what becomes of a document below grade 3, and whether it is a negative that answers."""
    scores, grade, flags = document.scores, ruling.grade, ruling.flags
    refusal = near_positive(scores["cosine_to_positive"], checks.max_similarity_to_positive)
    if refusal is not None:
        return Ruling(refusal, grade), False
    if grade > _BEST_NEGATIVE_GRADE:
        return ruling, False
    found = finding(scores, positive, bound, checks)
    if found is not None:
        return _act(found, grade, flags, checks), True
    meant_hard = (
        grade == _BEST_NEGATIVE_GRADE
    )  # what is written or drawn as grade 0 is to be far away
    if meant_hard and positive["cosine"] - scores["cosine"] >= checks.easy_margin:
        ruling = Ruling(None, grade, (*flags, "too_easy"))
    return ruling, False


def _act(found: Finding, grade: int, flags: tuple[str, ...], checks: DocumentChecks) -> Ruling:
    """Return what becomes of a negative that answers."""
    if checks.on_answers == "keep":
        return Ruling(None, grade, (*flags, "answers"))
    if checks.on_answers == "relabel" and found.grade is not None:
        return Ruling(None, found.grade, (*flags, "relabelled"))
    return Ruling(Refusal("answers", found.detail), grade)


def _dropped(ruling: Ruling, answering: int, most: int) -> Ruling:
    if ruling.refusal is not None:
        return ruling
    detail = f"{answering} negatives of its query answer, at most {most}"
    return Ruling(Refusal("query_dropped", detail), ruling.grade)


def _graded(facts: Sequence[DocumentFacts], checks: DocumentChecks) -> dict[int, Ruling]:
    """Return by its place what the order of its set makes of each graded document, before any other check of scores."""
    rulings = {}
    for places in _sets(facts).values():
        grades = [facts[place].grade for place in places]
        scores = _order_scores(facts, places)
        wrong = inversions(grades, scores)
        if not wrong:
            continue
        if checks.on_inversion == "regrade":
            for place, old, new in zip(places, grades, regraded(grades, scores), strict=True):
                rulings[place] = Ruling(None, new, ("regraded",) if new != old else ())
        elif checks.on_inversion == "drop":
            for i in out_of_order(grades, scores):
                over = next(b if i == a else a for a, b in wrong if i in (a, b))
                detail = (
                    f"grade {grades[i]} scores {scores[i]:.3f},"
                    f" but {facts[places[over]].id} of grade {grades[over]} {scores[over]:.3f}"
                )
                rulings[places[i]] = Ruling(Refusal("inverted", detail), grades[i])
        else:
            for i in {i for pair in wrong for i in pair}:
                rulings[places[i]] = Ruling(None, grades[i], ("inverted",))
    return rulings


def _sets(facts: Sequence[DocumentFacts]) -> dict[str, list[int]]:
    """Return the places of the graded documents that each prompt has written."""
    sets: dict[str, list[int]] = {}
    for place, document in enumerate(facts):
        if document.source == "graded":
            sets.setdefault(document.prompt or "", []).append(place)
    return sets


def _order_scores(facts: Sequence[DocumentFacts], places: Sequence[int]) -> list[float]:
    """Return what the reranker says of a graded set where it has scored it, else the encoder."""
    scorer = RERANK if all(RERANK in facts[place].scores for place in places) else "cosine"
    return [facts[place].scores[scorer] for place in places]
