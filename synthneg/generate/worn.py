"""Worn phrases: first words and word triples that too large a share of the queries of one prompt have in common."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from synthneg.words import words

LEAST_TEXTS = 50  # below, a share says nothing
_GRAM_WORDS = 3


class Phrase(NamedTuple):
    """Words that stand at the beginning of a text, or anywhere in it."""

    text: str
    opens: bool


def phrases_of(text: str) -> set[Phrase]:
    """Return the first word of a text and all its word triples.

    >>> sorted(p.text for p in phrases_of("What is the role of iron?"))
    ['is the role', 'role of iron', 'the role of', 'what', 'what is the']
    """
    said = words(text)
    grams = zip(*(said[start:] for start in range(_GRAM_WORDS)), strict=False)
    return {Phrase(" ".join(gram), opens=False) for gram in grams} | {
        Phrase(word, opens=True) for word in said[:1]
    }


class Frequent:
    """Finds what more than a share of many sets have in common, in memory that does not grow with their number.

    Lossy counting (Manku and Motwani, VLDB 2002): a count may be too low by `slack` of the sets that came in, never too
    high; what is rarer is forgotten.

    Args:
        slack: largest share of the sets that a count may lack, in (0, 1).
    """

    def __init__(self, slack: float) -> None:
        self.sets = 0
        self._width = math.ceil(1 / slack)
        self._counts: dict[Phrase, tuple[int, int]] = {}  # counted, and how many may be missing

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, phrases: Iterable[Phrase]) -> None:
        """Count the phrases of one text."""
        missing = self.sets // self._width
        self.sets += 1
        for phrase in phrases:
            count, lacks = self._counts.get(phrase, (0, missing))
            self._counts[phrase] = (count + 1, lacks)
        if self.sets % self._width == 0:
            ended = self.sets // self._width
            self._counts = {p: c for p, c in self._counts.items() if sum(c) > ended}

    def above(self, share: float) -> set[Phrase]:
        """Return all phrases in more than `share` of the texts, and possibly some that are rarer by the slack."""
        return {phrase for phrase, count in self._counts.items() if sum(count) > share * self.sets}


def surplus(count: int, texts: int, share: float) -> int:
    """Return how many of the `count` texts with a phrase are too many of `texts`, for the share not to be passed.

    >>> surplus(30, 100, 0.1), surplus(10, 100, 0.1), surplus(49, 49, 0.1)
    (20, 0, 0)
    """
    return max(0, count - math.floor(share * texts)) if texts >= LEAST_TEXTS else 0


def to_suppress(phrases: Iterable[Phrase]) -> list[str]:
    """Return the words whose tokens are made unlikely: a first word, and the longest word of a triple.

    The others of a triple are mostly words that no text can do without.

    >>> to_suppress([Phrase("what", True), Phrase("the role of", False)])
    ['role', 'what']
    """
    return sorted(set(_main_words(phrases)))


def _main_words(phrases: Iterable[Phrase]) -> Iterator[str]:
    for phrase in phrases:
        yield max(phrase.text.split(), key=len)
