"""Texts that are nearly the same in letters or words: candidates by MinHash, each of them checked exactly.

MinHash and its index are rensa's: 128 hashes in 32 bands of 4, by which a pair of Jaccard .6 becomes a candidate with
probability .99, one of .7 with .9998. What is said of a candidate is its exact Jaccard index.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from synthneg.progress import Progress
from synthneg.seen import temporary, unwritable
from synthneg.verify.duplicate import jaccard, shingles
from synthneg.verify.minhash import BANDS, HASHES, SEED, Buckets, Sketches
from synthneg.words import normalized, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shingled = Callable[[str], frozenset[str]]

LEAST = 0.5  # Jaccard index below which two texts are not called alike, whatever a setting says
MOST_EARLIER = (
    64  # earlier texts that a text is compared with, those that MinHash takes for the nearest
)

_CHARACTERS = 3
_DOUBT = 0.15  # by which an estimate of 128 hashes falls short in less than one of 1,000 cases
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


def near_pairs(
    texts: Sequence[str], shingled: Shingled, least: float, bands: int = BANDS
) -> Iterator[Pair]:
    """Yield the pairs of texts that share `least` or more, by the later text, the nearest earlier one first.

    Of more than 64 earlier texts that a text is like, 64 are told; texts that are equal when normalized are
    compared once. What is known of the texts meanwhile lies in temporary files.

    Args:
        texts: compared with each other.
        shingled: gives what a text holds.
        least: smallest Jaccard index, at least .5.
        bands: of the hashes, by which candidates are found; with fewer, fewer texts are candidates by chance.

    Raises:
        RunError: a temporary file cannot be written.
    """
    if not len(texts):
        return
    same = Buckets(_normalized(texts))
    with closing(temporary()) as near:
        _remember(near, _near(texts, same.firsts(), shingled, least, bands))
        for place in range(len(texts)):
            group = same.first(place)
            shares = near.execute("SELECT other, share FROM near WHERE one = ?", (group,))
            # Equal texts have whatever their first has, and each other.
            found = [
                (other, share)
                for first, share in ((group, 1.0), *shares)
                for other in same.members(first, MOST_EARLIER)
                if other < place
            ]
            nearest = sorted(found, key=lambda pair: (-pair[1], pair[0]))
            yield from (Pair(place, other, share) for other, share in nearest[:MOST_EARLIER])


def _normalized(texts: Iterable[str]) -> "NDArray[np.uint64]":
    """Return for each text a hash of 16 bytes, which those have in common that are equal when normalized."""
    import numpy as np  # noqa: PLC0415 - heavy: only when texts are compared

    digests = bytearray()
    for text in texts:
        digests += blake2b(
            normalized(text).encode("utf-8", "surrogatepass"), digest_size=16
        ).digest()
    return np.frombuffer(digests, np.uint64).reshape(-1, 2)


def _remember(near: sqlite3.Connection, pairs: Iterable[Pair]) -> None:
    """Write the pairs into a temporary base, to be found from either side."""
    try:
        near.execute("CREATE TABLE near (one INTEGER, other INTEGER, share REAL)")
        both = (row for a, b, share in pairs for row in ((a, b, share), (b, a, share)))
        near.executemany("INSERT INTO near VALUES (?, ?, ?)", both)
        near.execute("CREATE INDEX by_one ON near (one, other, share)")
    except sqlite3.Error as error:
        raise unwritable(error) from error


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
    texts: Sequence[str],
    places: "NDArray[np.int64]",
    shingled: Shingled,
    least: float,
    bands: int,
) -> Iterator[Pair]:
    """Yield the pairs among the different texts, which stand at these places, by the later one."""
    shingled = lru_cache(_REMEMBERED)(shingled)

    def sets() -> Iterator[list[list[str]]]:
        with Progress("alike", len(places), "texts sketched") as progress:
            for start in range(0, len(places), _BLOCK):
                some = places[start : start + _BLOCK].tolist()
                yield [sorted(shingled(texts[place])) for place in some]
                progress.advance(len(some))

    sketches = Sketches(sets(), len(places), bands)
    for number, candidates in sketches.candidates(LEAST - _DOUBT, MOST_EARLIER):
        place = int(places[number])
        mine = shingled(texts[place])
        for other in places[candidates].tolist():
            share = jaccard(mine, shingled(texts[other]))
            if share >= least:
                yield Pair(place, other, share)


def _nearest(candidates: Iterable[int], sketch: Any, sketches: Sequence[Any]) -> list[int]:
    """Return the candidates by their estimated likeness, no more than are compared exactly."""
    estimates = ((-sketch.jaccard(sketches[candidate]), candidate) for candidate in candidates)
    near = sorted(one for one in estimates if -one[0] >= LEAST - _DOUBT)
    return [candidate for _, candidate in near[:MOST_EARLIER]]


def _sketches(texts: Sequence[str], shingled: Shingled) -> Iterator[Any]:
    from rensa import RMinHash  # noqa: PLC0415 - only where sets are compared

    for start in range(0, len(texts), _BLOCK):
        sets = [sorted(shingled(text)) for text in texts[start : start + _BLOCK]]
        yield from RMinHash.from_token_sets(sets, HASHES, SEED)


def _index() -> Any:
    from rensa import RMinHashLSH  # noqa: PLC0415 - only where sets are compared

    return RMinHashLSH(LEAST, HASHES, BANDS)
