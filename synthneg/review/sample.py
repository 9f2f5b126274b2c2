"""A stratified sample that only ever grows: which items a person is asked about, and in which order.

A stratum is what was asked for and what the checks made of it: question, source, prompt, grade and verdict. Each item
has a number drawn from the run's seed and its ids (a permanent random number, Ohlsson 1995), and a stratum gives its
items in the order of these. So whatever was answered before stays in the sample when it is made larger, and when a
verdict changes because of another threshold, the item stands at its place among those of its new stratum.

The strata take turns by Adams' divisors over the roots of their sizes (power allocation, Bankier 1988): each gets one
item before any gets two, rare verdicts get more than their share, and a larger sample adds to a smaller one.
"""

import heapq
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from synthneg.corpus.check import draw
from synthneg.review.items import Item, Question


class Stratum(NamedTuple):
    """What the items of a stratum have in common."""

    question: Question
    source: str
    prompt: str
    grade: int
    verdict: str

    @classmethod
    def of(cls, item: Item) -> "Stratum":
        """Return the stratum of an item."""
        return cls(item.question, item.source, item.prompt, item.grade, item.verdict)


@dataclass(frozen=True, slots=True)
class Frame:
    """All strata of a run: how many items each has, and those of them that are drawn first.

    `others` are items that were asked for by their keys and are not drawn so early.
    """

    sizes: Mapping[Stratum, int]
    first: Mapping[Stratum, Sequence[Item]]
    others: Sequence[Item]

    @property
    def size(self) -> int:
        """How many items there are."""
        return sum(self.sizes.values())


def framed(
    items: Iterable[Item], seed: int, most: int, keys: Collection[tuple[str, str]] = ()
) -> Frame:
    """Return the strata of the items.

    Args:
        items: all of them, in any order; no more than `most` of a stratum are held at a time.
        seed: of the run.
        most: items of each stratum that are of interest.
        keys: of items that are wanted whether or not they are drawn.
    """
    sizes: dict[Stratum, int] = {}
    drawn: dict[Stratum, list[tuple[int, str, str, Item]]] = {}
    wanted = {}
    for item in items:
        stratum = Stratum.of(item)
        sizes[stratum] = sizes.get(stratum, 0) + 1
        # Negated, because the heap's first is its smallest, and the largest number is to go.
        entry = (-_number(item, seed), *item.key, item)
        heap = drawn.setdefault(stratum, [])
        if len(heap) < most:
            heapq.heappush(heap, entry)
        elif most:
            heapq.heappushpop(heap, entry)
        if item.key in keys:
            wanted[item.key] = item
    first = {
        stratum: [entry[-1] for entry in sorted(heap, reverse=True)]
        for stratum, heap in drawn.items()
    }
    for held in first.values():
        for item in held:
            wanted.pop(item.key, None)
    return Frame(sizes, first, tuple(wanted.values()))


def turns(sizes: Mapping[Stratum, int], count: int) -> list[Stratum]:
    """Return which stratum each of the first `count` items is of; fewer where there are no more.

    Every stratum has one of the first as many items as there are strata, the large ones first.
    """
    # Before its first item a stratum's quotient is without bound; then it is the root of its size over its items.
    queue = [(-math.inf, -size, stratum) for stratum, size in sizes.items()]
    heapq.heapify(queue)
    taken = dict.fromkeys(sizes, 0)
    found: list[Stratum] = []
    while queue and len(found) < count:
        _, _, stratum = heapq.heappop(queue)
        found.append(stratum)
        taken[stratum] += 1
        size = sizes[stratum]
        if taken[stratum] < size:
            heapq.heappush(queue, (-math.sqrt(size) / taken[stratum], -size, stratum))
    return found


def sample(frame: Frame, count: int, seed: int) -> list[Item]:
    """Return `count` items in the order in which they are asked about.

    In each round of as many items as there are strata the strata are shuffled, and each gives its items in the order
    in which they were drawn. So who stops early has seen a bit of everything.
    """
    drawn = turns(frame.sizes, count)
    step = max(1, len(frame.sizes))
    left = {stratum: iter(held) for stratum, held in frame.first.items()}
    return [next(left[stratum]) for stratum in _shuffled(drawn, step, seed)]


def _shuffled(drawn: Sequence[Stratum], step: int, seed: int) -> Iterator[Stratum]:
    for start in range(0, len(drawn), step):
        places = range(start, min(start + step, len(drawn)))
        for place in sorted(places, key=lambda place: draw("review.order", seed, str(place))):
            yield drawn[place]


def _number(item: Item, seed: int) -> int:
    # The ids side by side, with what neither can hold between them.
    return draw("review", seed, f"{item.query_id}\0{item.document_id}")
