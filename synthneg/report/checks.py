"""What each check saw of a record and what it asked for, in words: the thresholds beside the numbers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from synthneg.config import DocumentChecks, QueryChecks
from synthneg.printable import capped
from synthneg.records import WRITTEN
from synthneg.report.walk import SeenDocument
from synthneg.verify.facts import DocumentFacts, QueryFacts
from synthneg.verify.witnesses import JUDGES, RERANK, bound_of

_POSITIVE_GRADE = 3
_MOST_WORDS = 200  # characters of what was copied


class Check(NamedTuple):
    """One check of one record."""

    name: str
    seen: str
    wanted: str


def query_rows(facts: QueryFacts, checks: QueryChecks) -> Iterator[Check]:
    """Yield what was seen of a query."""
    yield Check("words", f"{facts.words}", f"{checks.min_words} to {checks.max_words}")
    if facts.speaks is not None:
        yield Check("speaks of its passage", f"“{facts.speaks}”", "no such words")
    copied = f"{facts.copied}" + (
        f": “{capped(facts.copied_words, _MOST_WORDS)}”" if facts.copied > 1 else ""
    )
    yield Check("copied words in a row", copied, f"at most {checks.max_copied_words}")
    if facts.logprob is not None:
        bound = checks.min_logprob
        wanted = "any" if bound is None else f"at least {bound:g}"
        yield Check("mean log probability", f"{facts.logprob:.3f}", wanted)
    for id, rank in facts.ranks.items():
        yield Check(f"rank of {id}", f"{rank:,}", f"at most {checks.round_trip_k}")
    for id, rank in facts.reranked.items():
        yield Check(f"rank of {id} by the reranker", f"{rank:,}", "1")
    if facts.earlier:
        id, cosine = max(facts.earlier.items(), key=lambda one: one[1])
        wanted = f"below {checks.near_duplicate:g}"
        yield Check(f"cosine to {id}, the likest query of its passage", f"{cosine:.3f}", wanted)


def document_rows(
    seen: SeenDocument, group: Sequence[SeenDocument], checks: DocumentChecks
) -> Iterator[Check]:
    """Yield what was seen of a document.

    Args:
        seen: the document.
        group: all documents of its query, the positive first.
        checks: thresholds as they were used.
    """
    facts = seen.facts
    if facts.source in WRITTEN:
        yield Check("words", f"{facts.words}", f"{checks.min_words} to {checks.max_words}")
    shared = [(share, place) for place, share in facts.shared if group[place] is not seen]
    if shared and not facts.is_passage:
        share, place = max(shared)
        wanted = f"below {checks.near_duplicate_jaccard:g}"
        yield Check(f"5-grams in common with {group[place].facts.id}", f"{share:.2f}", wanted)
    if facts.grade < _POSITIVE_GRADE and facts.scores:
        yield from _nearness(facts, group[0].facts, checks)


def _nearness(
    facts: DocumentFacts, positive: DocumentFacts, checks: DocumentChecks
) -> Iterator[Check]:
    scores = facts.scores
    if "cosine_to_positive" in scores:
        wanted = f"below {checks.max_similarity_to_positive:g}"
        yield Check("cosine to the positive", f"{scores['cosine_to_positive']:.3f}", wanted)
    if "cosine" in scores and "cosine" in positive.scores:
        bound = bound_of(positive.scores, checks)
        wanted = f"below {bound:.3f} (positive {positive.scores['cosine']:.3f})"
        yield Check("cosine to the query", f"{scores['cosine']:.3f}", wanted)
    if RERANK in scores and RERANK in positive.scores:
        bound = positive.scores[RERANK] - checks.min_rerank_margin
        yield Check("reranker", f"{scores[RERANK]:.3f}", f"below {bound:.3f}")
    for name, answers_from in JUDGES.items():
        if name in scores:
            yield Check(name, f"{scores[name]:g}", f"below {answers_from:g}")
