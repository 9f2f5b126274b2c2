"""Which passages get queries."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Literal

from synthneg.corpus.check import draw
from synthneg.errors import SettingsError
from synthneg.records import Passage

_BUCKET_BITS = 16


def choose(
    passages: Callable[[], Iterable[Passage]],
    limit: int | None,
    sample: Literal["random", "all"],
    seed: int,
) -> Iterator[Passage]:
    """Return the passages that get queries, in the order of the corpus.

    The `limit` passages whose ids draw the smallest numbers: a larger limit adds to the earlier choice, and a new
    passage replaces at most one. With a limit `passages` is called three times, so that neither texts nor ids are
    kept in memory.

    Raises:
        SettingsError: a limit, and yet all passages.
    """
    if sample == "all" and limit is not None:
        raise SettingsError(
            f"corpus.limit: expected none with corpus.sample: all, got {limit}; leave one of them out"
        )
    return iter(passages()) if limit is None else _smallest(passages, limit, seed)


def _smallest(
    passages: Callable[[], Iterable[Passage]], limit: int, seed: int
) -> Iterator[Passage]:
    def draws() -> Iterator[int]:
        return (draw("sample", seed, passage.id) for passage in passages())

    most, of_most = smallest(draws, limit)
    for passage in passages():
        number = draw("sample", seed, passage.id)
        if number < most:
            yield passage
        elif number == most and of_most:
            of_most -= 1
            yield passage


def smallest(draws: Callable[[], Iterable[int]], count: int) -> tuple[int, int]:
    """Return (m, n): the `count` smallest of the draws are all below m, and the first n that equal m.

    The draws are numbers in [0, 2**64) and are gone through twice: to count them by their highest bits, and to sort
    those of the one bucket in which the count is reached, some N / 2**16 of N.

    >>> smallest(lambda: [5, 3, 9, 3, 3], 2), smallest(lambda: [5, 3], 9)
    ((3, 2), (18446744073709551616, 0))
    """
    sizes = array("Q", bytes(8 << _BUCKET_BITS))
    for number in draws():
        sizes[number >> 64 - _BUCKET_BITS] += 1
    reached = (b for b, below in enumerate(accumulate(sizes)) if below >= count)
    bucket = next(reached, None)
    if bucket is None:
        return 2**64, 0
    left = count - sum(sizes[:bucket])
    within = sorted(number for number in draws() if number >> 64 - _BUCKET_BITS == bucket)
    most = within[left - 1]
    return most, left - within.index(most)
