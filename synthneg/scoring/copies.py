"""Passages that say again what another says: by their vectors, or by the words that they share."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from math import floor
from typing import TYPE_CHECKING, NamedTuple

from synthneg.records import Passage
from synthneg.words import SHINGLE_WORDS, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_REMEMBERED = 2**15  # prints, of about 2 KB each
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


class Copies:
    """Says of passages whether one is a copy of another; what it has worked out of a passage it remembers a while."""

    def __init__(
        self,
        vectors: "NDArray[np.float32]",
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
        self._vectors, self._passage = vectors, passage
        self._max_cosine, self._max_jaccard = max_cosine, max_jaccard
        self._prints: OrderedDict[int, Print] = OrderedDict()

    def of_any(self, row: int, others: Iterable[int]) -> bool:
        """Whether the passage in `row` has the text of one of the others, or is near enough to one."""
        vector, mine = self._vectors[row], self._print(row)
        for other in others:
            if float(vector @ self._vectors[other]) >= self._max_cosine:
                return True
            theirs = self._print(other)
            if mine.text == theirs.text or share(mine.shingles, theirs.shingles, self._max_jaccard):
                return True
        return False

    def _print(self, row: int) -> Print:
        found = self._prints.get(row)
        if found is None:
            found = self._prints[row] = print_of(self._passage(row))
            if len(self._prints) > _REMEMBERED:
                self._prints.popitem(last=False)
        return found
