"""The verdict on a query, as a pure function of its facts and settings, and the order of an example's documents.

A record gets the reason of the first check that it fails. For a query the order is too_short, too_long, what
`verify.whole` says of it (refusal, meta, private_…, leak), speaks_of_passage, copied, improbable, duplicate,
near_duplicate, round_trip, not_first, and near_duplicate of a query of another passage. Duplicates are sought among
the records that were kept, so what was dropped for another reason takes nobody with it.
"""

from collections.abc import Mapping, Sequence

from synthneg.config import QueryChecks
from synthneg.records import Document
from synthneg.verify.copied import copied
from synthneg.verify.duplicate import near_query
from synthneg.verify.facts import QueryFacts
from synthneg.verify.improbable import improbable
from synthneg.verify.length import length
from synthneg.verify.refusal import Refusal
from synthneg.verify.round_trip import not_first, round_trip
from synthneg.verify.speaks import speaks_of_passage


def judge_query(
    facts: QueryFacts,
    same_as: str | None,
    earlier: Mapping[str, float],
    checks: QueryChecks,
    elsewhere: Refusal | None = None,
) -> Refusal | None:
    """Return why the query is dropped, or None if it passes.

    Args:
        facts: of the query.
        same_as: id of a kept query with the same words, if there is one.
        earlier: cosine to each kept query of the same passage, by its id.
        checks: bounds.
        elsewhere: why it is dropped for what it says or for an evaluation set, if it is.
    """
    return (
        length(facts.words, checks.min_words, checks.max_words)
        or elsewhere
        or speaks_of_passage(facts.speaks)
        or copied(facts.copied, facts.copied_words, checks.max_copied_words)
        or improbable(facts.logprob, checks.min_logprob)
        or (Refusal("duplicate", f"the same words as {same_as}") if same_as else None)
        or near_query(earlier, checks.near_duplicate)
        or round_trip(facts.ranks, checks.round_trip_k)
        or not_first(facts.reranked, checks.rerank_depth)
    )


def in_order(documents: Sequence[Document]) -> list[Document]:
    """Return a query's documents as an example lists them: the positive, graded 3 to 0, negatives, then mined ones."""
    place = {"corpus": 0, "written": 0, "graded": 1, "negative": 2}
    return sorted(documents, key=lambda d: (place.get(d.source, len(place)), -d.grade))
