"""Whether the scores of graded documents fall as their grades do, and what can be done where they do not.

All functions take the documents of one set by their grades and by a verifier's scores, both (n,), in one order.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple


class Order(NamedTuple):
    """How many pairs of different grades there are, and how many of them the scores order as the grades do."""

    pairs: int
    in_order: int


def order_of(grades: Sequence[int], scores: Sequence[float]) -> Order:
    """Return how far scores and grades agree. Scores that know nothing order half the pairs as the grades do.

    >>> order_of([3, 2, 1], [0.9, 0.4, 0.6])
    Order(pairs=3, in_order=2)
    """
    n = len(grades)
    pairs = n * (n - 1) // 2 - sum(a == b for a, b in combinations(grades, 2))
    return Order(pairs, pairs - len(inversions(grades, scores)))


def inversions(grades: Sequence[int], scores: Sequence[float]) -> list[tuple[int, int]]:
    """Return the places (a, b) of each pair in which a has the higher grade and b at least as high a score.

    >>> inversions([3, 2, 1], [0.9, 0.4, 0.6])
    [(1, 2)]
    """
    places = range(len(grades))
    return [
        (a, b) for a in places for b in places if grades[a] > grades[b] and scores[a] <= scores[b]
    ]


def regraded(grades: Sequence[int], scores: Sequence[float]) -> list[int]:
    """Return the same grades dealt out anew: the higher the score, the higher the grade.

    Of equal scores, the one with the higher grade keeps it.

    >>> regraded([3, 2, 1], [0.9, 0.4, 0.6])
    [3, 1, 2]
    """
    best_first = sorted(range(len(grades)), key=lambda place: (-scores[place], -grades[place]))
    dealt = dict(zip(best_first, sorted(grades, reverse=True), strict=True))
    return [dealt[place] for place in range(len(grades))]


def out_of_order(grades: Sequence[int], scores: Sequence[float]) -> set[int]:
    """Return the places of as few documents as possible without which no inversion is left.

    Of several ways, one that keeps the higher grades. Takes time quadratic in n.

    >>> out_of_order([3, 2, 1, 0], [0.9, 0.2, 0.5, 0.4])
    {1}
    """
    falling = sorted(range(len(grades)), key=lambda place: (-grades[place], -scores[place]))
    best: list[list[int]] = []  # of the chains that end at each of `falling`, a longest one
    for end, place in enumerate(falling):
        before = [
            chain
            for chain, last in zip(best, falling[:end], strict=True)
            if scores[last] > scores[place] or grades[last] == grades[place]
        ]
        best.append([*_longest(before), place])
    return set(range(len(grades))) - set(_longest(best))


def _longest(chains: Sequence[list[int]]) -> list[int]:
    return max(chains, key=lambda chain: len(chain), default=[])


class Tally:
    """Of one prompt, how far the scores of all its sets fall as the grades do."""

    def __init__(self) -> None:
        self.sets = self.inverted = self.pairs = self.in_order = 0

    def add(self, order: Order) -> None:
        """Count a set."""
        self.sets += 1
        self.inverted += order.in_order < order.pairs
        self.pairs += order.pairs
        self.in_order += order.in_order

    def row(self) -> dict[str, float | None]:
        """Return what is written down; `accuracy` is the share of pairs in order, about .5 where grades are random."""
        return {
            "sets": self.sets,
            "sets_inverted": self.inverted,
            "pairs": self.pairs,
            "in_order": self.in_order,
            "accuracy": round(self.in_order / self.pairs, 4) if self.pairs else None,
        }
