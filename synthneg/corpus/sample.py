"""Which passages get queries."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from synthneg.corpus.check import draw
from synthneg.errors import SettingsError
from synthneg.records import Passage


def choose(
    passages: Callable[[], Iterable[Passage]],
    limit: int | None,
    sample: Literal["random", "all"],
    seed: int,
) -> Iterator[Passage]:
    """Return the passages that get queries, in the order of the corpus.

    The `limit` passages whose ids draw the smallest numbers: a larger limit adds to the earlier choice, and a new
    passage replaces at most one. `passages` is called twice, so that no text is kept in memory.

    Raises:
        SettingsError: a limit, and yet all passages.
    """
    if sample == "all" and limit is not None:
        raise SettingsError(
            f"corpus.limit: expected none with corpus.sample: all, got {limit}; leave one of them out"
        )
    if limit is None:
        return iter(passages())
    ids = (passage.id for passage in passages())
    chosen = set(heapq.nsmallest(limit, ids, key=lambda id: draw("sample", seed, id)))
    return (passage for passage in passages() if passage.id in chosen)
