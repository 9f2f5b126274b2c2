"""Passages that say again what another says: by their vectors, or by the words that they share."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import floor
from typing import TYPE_CHECKING, NamedTuple

from synthneg.records import Passage
from synthneg.words import SHINGLE_WORDS, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

_SKETCHES = 2**17  # that are remembered, of about 500 bytes each
_PRINTS = 2**12  # likewise, of about 2 KB each
_BITS = 2048  # of a sketch
_ROUNDING = 1e-9
_FACTORS = (  # odd: a shingle's number is the sum of its words' numbers, each times that of its place
    0x9E3779B97F4A7C15,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x27D4EB2F165667C5,
    0x85EBCA77C2B2AE63,
)


class Print(NamedTuple):
    """What a passage's words come to: equal passages have equal prints."""

    text: int  # of the words without the title
    shingles: (
        "NDArray[np.uint64]"  # numbers of the different word 5-grams of title and text, rising
    )


def print_of(passage: Passage) -> Print:
    """Return the print of a passage; a text of fewer than 5 words is one shingle, one without words has none."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    text = words(passage.text)
    all_words = [*words(passage.title), *text] if passage.title else text
    own = hash(tuple(text))
    if len(all_words) < SHINGLE_WORDS:
        whole = [hash(tuple(all_words)) % 2**64] if all_words else []
        return Print(own, np.array(whole, np.uint64))
    of_words = np.fromiter(map(hash, all_words), np.int64, len(all_words)).view(np.uint64)
    count = len(all_words) - SHINGLE_WORDS + 1
    found = np.zeros(count, np.uint64)
    for place, factor in enumerate(_FACTORS):
        found += of_words[place : place + count] * np.uint64(factor)
    found.sort()
    differs = np.ones(count, np.bool_)
    np.not_equal(found[1:], found[:-1], out=differs[1:])
    return Print(own, found[differs])


def share(a: "NDArray[np.uint64]", b: "NDArray[np.uint64]", least: float) -> bool:
    """Whether two texts have `least` of all their shingles or more in common (Jaccard, and more than none).

    Args:
        a: shingles of one, as a print has them.
        b: those of the other.
        least: in [0, 1].
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    small, large = (a, b) if len(a) <= len(b) else (b, a)
    if not len(small) or len(small) / len(large) < least:
        return False
    # Where so much is shared, one of any so many is.
    probe = small[: floor((1 - least) * len(small) + _ROUNDING) + 1]
    places = np.searchsorted(large, probe)
    if not (large.take(places, mode="clip") == probe).any():
        return False
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return bool(shared) and shared / (len(a) + len(b) - shared) >= least


class Sketch(NamedTuple):
    """What tells of most passages, at a fraction of the price, that they have little in common."""

    text: int  # as of the print
    shingles: int  # how many
    bits: int  # of `_BITS`, those that the shingles fall on


def sketch_of(print_: Print) -> Sketch:
    """Return the sketch of a passage from its print."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    bits = np.zeros(_BITS, np.bool_)
    bits[print_.shingles % np.uint64(_BITS)] = True
    return Sketch(
        print_.text, len(print_.shingles), int.from_bytes(np.packbits(bits).tobytes(), "big")
    )


def may_share(a: Sketch, b: Sketch, least: float) -> bool:
    """Whether two texts can have `least` of all their shingles or more in common; False is certain.

    A bit of one that the other has not stands for at least one shingle that the other has not.

    Args:
        a: sketch of one.
        b: that of the other.
        least: in [0, 1].
    """
    both = a.bits & b.bits
    if not both:
        return False
    common = both.bit_count()
    most = min(a.shingles - a.bits.bit_count(), b.shingles - b.bits.bit_count()) + common
    return most / (a.shingles + b.shingles - most) >= least


class Copies:
    """Says of passages whether one is a copy of another; what it has worked out of a passage it remembers a while."""

    def __init__(
        self,
        vectors: "Rows",
        passage: Callable[[int], Passage],
        max_cosine: float,
        max_jaccard: float,
    ) -> None:
        """Take in what tells copies.

        Args:
            vectors: of all passages.
            passage: gives one by its row.
            max_cosine: from this cosine on, two passages are copies.
            max_jaccard: and from this share of common word 5-grams on.
        """
        self._vectors = vectors
        self._max_cosine, self._max_jaccard = max_cosine, max_jaccard
        self._print = lru_cache(_PRINTS)(lambda row: print_of(passage(row)))
        self._sketch = lru_cache(_SKETCHES)(lambda row: sketch_of(self._print(row)))

    def of_any(self, row: int, others: Iterable[int]) -> bool:
        """Whether the passage in `row` has the text of one of the others, or is near enough to one."""
        vector, mine = self._vectors[row], self._sketch(row)
        for other in others:
            if float(vector @ self._vectors[other]) >= self._max_cosine:
                return True
            theirs = self._sketch(other)
            if mine.text == theirs.text or self._share(row, other):
                return True
        return False

    def _share(self, row: int, other: int) -> bool:
        least = self._max_jaccard
        if not may_share(self._sketch(row), self._sketch(other), least):
            return False
        return share(self._print(row).shingles, self._print(other).shingles, least)
