"""Texts that are nearly the same in letters or words: candidates by MinHash, each of them checked exactly.

MinHash and its index are rensa's: 128 hashes in 32 bands of 4, by which a pair of Jaccard .6 becomes a candidate with
probability .99, one of .7 with .9998. What is said of a candidate is its exact Jaccard index.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from synthneg.verify.duplicate import jaccard, shingles
from synthneg.words import normalized, words

Shingled = Callable[[str], frozenset[str]]

LEAST = 0.5  # Jaccard index below which two texts are not called alike, whatever a setting says
MOST_EARLIER = (
    64  # earlier texts that a text is compared with, those that MinHash takes for the nearest
)

_CHARACTERS = 3
_HASHES = 128
_BANDS = 32
_DOUBT = 0.15  # by which an estimate of 128 hashes falls short in less than one of 1,000 cases
_SEED = 1
_REMEMBERED = 2**14  # texts whose shingles are kept for the next comparison
_BLOCK = 1024  # texts sketched at a time


class Pair(NamedTuple):
    """Two texts by their places, and how much they share."""

    later: int
    earlier: int
    jaccard: float


class Match(NamedTuple):
    """A text, and of the others the one that it shares most with."""

    text: int
    other: int
    jaccard: float


def letters(text: str) -> frozenset[str]:
    """Return the 3-grams of characters of a short text, as `normalized` has it, with a blank at both ends.

    >>> sorted(letters("Tea?"))
    [' te', 'ea ', 'tea']
    """
    plain = f" {normalized(text)} "
    return frozenset(plain[i : i + _CHARACTERS] for i in range(len(plain) - _CHARACTERS + 1))


def phrases(text: str) -> frozenset[str]:
    """Return the 5-grams of words of a long text; a text of up to five words is one, without words it has none."""
    return frozenset(map(" ".join, shingles(words(text))))


def near_pairs(texts: Sequence[str], shingled: Shingled, least: float) -> Iterator[Pair]:
    """Yield the pairs of texts that share `least` or more, by the later text, the nearest earlier one first.

    Of more than 64 earlier texts that a text is like, 64 are told; texts that are equal when normalized are
    compared once.

    Args:
        texts: compared with each other.
        shingled: gives what a text holds.
        least: smallest Jaccard index, at least .5.
    """
    first: dict[str, int] = {}
    same: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        same.setdefault(first.setdefault(normalized(text), place), []).append(place)
    places = list(same)
    near: dict[int, list[tuple[int, float]]] = {}
    for one, other, share in _near(texts, places, shingled, least):
        near.setdefault(one, []).append((other, share))
        near.setdefault(other, []).append((one, share))
    # Equal texts have whatever their first has, and each other.
    of = {place: group for group, members in same.items() for place in members}
    for place in range(len(texts)):
        group = of[place]
        alike = [(group, 1.0), *near.get(group, ())]
        found = ((p, s) for g, s in alike for p in islice(same[g], MOST_EARLIER) if p < place)
        nearest = sorted(found, key=lambda pair: (-pair[1], pair[0]))
        yield from (Pair(place, p, s) for p, s in nearest[:MOST_EARLIER])


def near_matches(
    texts: Sequence[str], others: Sequence[str], shingled: Shingled, least: float
) -> Iterator[Match]:
    """Yield for each text the one of the others that it shares most with, where that is `least` or more.

    Args:
        texts: what is looked at.
        others: what it may be like; of equally near ones the first is told.
        shingled: gives what a text holds.
        least: smallest Jaccard index, at least .5.
    """
    shingled = lru_cache(_REMEMBERED)(shingled)
    sketches = list(_sketches(others, shingled))
    index = _index()
    index.insert_many(sketches)
    for place, (text, sketch) in enumerate(zip(texts, _sketches(texts, shingled), strict=True)):
        candidates = _nearest(index.query(sketch), sketch, sketches)
        mine = shingled(text)
        shares = [(jaccard(mine, shingled(others[c])), -c) for c in candidates]
        share, other = max(shares, default=(0.0, 0))
        if share >= least:
            yield Match(place, -other, share)


def _near(
    texts: Sequence[str], places: Sequence[int], shingled: Shingled, least: float
) -> Iterator[Pair]:
    """Yield the pairs among different texts, by the later one."""
    shingled = lru_cache(_REMEMBERED)(shingled)
    sketches = list(_sketches([texts[place] for place in places], shingled))
    index = _index()
    for number, (place, sketch) in enumerate(zip(places, sketches, strict=True)):
        candidates = _nearest(index.query(sketch), sketch, sketches)
        index.insert(number, sketch)
        if not candidates:
            continue
        mine = shingled(texts[place])
        for candidate in candidates:
            share = jaccard(mine, shingled(texts[places[candidate]]))
            if share >= least:
                yield Pair(place, places[candidate], share)


def _nearest(candidates: Iterable[int], sketch: Any, sketches: Sequence[Any]) -> list[int]:
    """Return the candidates by their estimated likeness, no more than are compared exactly."""
    estimates = ((-sketch.jaccard(sketches[candidate]), candidate) for candidate in candidates)
    near = sorted(one for one in estimates if -one[0] >= LEAST - _DOUBT)
    return [candidate for _, candidate in near[:MOST_EARLIER]]


def _sketches(texts: Sequence[str], shingled: Shingled) -> Iterator[Any]:
    from rensa import RMinHash  # noqa: PLC0415 - only where sets are compared

    for start in range(0, len(texts), _BLOCK):
        sets = [sorted(shingled(text)) for text in texts[start : start + _BLOCK]]
        yield from RMinHash.from_token_sets(sets, _HASHES, _SEED)


def _index() -> Any:
    from rensa import RMinHashLSH  # noqa: PLC0415 - only where sets are compared

    return RMinHashLSH(LEAST, _HASHES, _BANDS)
