"""Texts that say again what an earlier one said. The first is kept."""

from collections.abc import Iterable, Mapping, Sequence, Set

from synthneg.verify.refusal import Refusal
from synthneg.words import SHINGLE_WORDS

Shingles = frozenset[tuple[str, ...]]


def near_query(earlier: Mapping[str, float], limit: float) -> Refusal | None:
    """Return `near_duplicate` if a kept query of the same passage has a cosine of `limit` or more.

    Args:
        earlier: cosine by the id of each earlier query of the passage that was kept.
        limit: smallest cosine of a duplicate.
    """
    for id, cosine in earlier.items():
        if cosine >= limit:
            return Refusal(
                "near_duplicate", f"cosine {cosine:.3f} to {id}, must be below {limit:g}"
            )
    return None


def shingles(text_words: Sequence[str]) -> Shingles:
    """Return the word 5-grams; a shorter text is one shingle, a text without words has none."""
    if not text_words:
        return frozenset()
    last = max(len(text_words) - SHINGLE_WORDS, 0)
    return frozenset(tuple(text_words[i : i + SHINGLE_WORDS]) for i in range(last + 1))


def jaccard(a: Set[object], b: Set[object]) -> float:
    """Return the share of shingles that both hold, in [0, 1]; 0 when neither holds any.

    >>> jaccard(shingles("a b c d e f".split()), shingles("a b c d e g".split())) == 1 / 3
    True
    """
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if shared else 0.0


def near_document(
    shared: Iterable[tuple[int, float]], kept: Mapping[int, str], limit: float
) -> Refusal | None:
    """Return `near_duplicate` if a kept document shares `limit` or more of its word 5-grams (Jaccard).

    Args:
        shared: place of an earlier document of the query and the share, above 0.
        kept: id of each earlier document that was kept, by its place.
        limit: smallest share of a duplicate.
    """
    for place, share in shared:
        if share >= limit and place in kept:
            return Refusal(
                "near_duplicate",
                f"{share:.2f} of 5-grams shared with {kept[place]}, must be below {limit:g}",
            )
    return None
