"""Batches in which no text is a positive of one query and a negative of another.

All other texts of a batch are negatives to a query, so two queries of one passage in a batch would teach the model
that the passage answers neither. The library's sampler against this fills each batch before it opens the next: where
many queries share few passages it makes more batches than it announces, and the trainer drops those queries (of 20
passages with 3 queries each, at 32 queries a batch, a third). Here the queries are dealt out like cards instead:
each is used once in an epoch, and the batches are of nearly one size.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from synthneg.train.data import Pair


class DistinctBatches:
    """A batch sampler as the trainer calls it: `len`, iteration over lists of row numbers, `set_epoch`.

    Its length is that of the first epoch.
    """

    def __init__(self, pairs: Sequence[Pair], batch_size: int, seed: int) -> None:
        self._pairs, self.batch_size, self._seed = pairs, batch_size, seed
        self._epoch = 0
        self._length = len(plan_batches(pairs, batch_size, f"{seed}/0"))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        return iter(plan_batches(self._pairs, self.batch_size, f"{self._seed}/{self._epoch}"))

    def set_epoch(self, epoch: int) -> None:
        """Shuffle for this epoch from now on."""
        self._epoch = epoch


class _Batch:
    """A batch under construction."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self._queries: set[str] = set()
        self._answers: set[str] = set()
        self._documents: set[str] = set()

    def admits(self, pair: Pair) -> bool:
        """Whether no text of the batch is another answer to the pair's query, nor the pair's to one of the batch."""
        return (
            pair.query not in self._queries
            and self._documents.isdisjoint((pair.positive, *pair.also))
            and self._answers.isdisjoint((pair.positive, *pair.negatives))
        )

    def add(self, row: int, pair: Pair) -> None:
        """Put the pair in, as row number `row`."""
        self.rows.append(row)
        self._queries.add(pair.query)
        self._answers |= {pair.positive, *pair.also}
        self._documents |= {pair.positive, *pair.negatives}


def plan_batches(pairs: Sequence[Pair], batch_size: int, seed: str) -> list[list[int]]:
    """Return the batches of one epoch as row numbers; each row is in exactly one batch.

    Rows of one positive lie one after the other in the deck, and the deck is dealt round and round to as many batches
    as are needed, so they come to different batches. A row that a batch does not admit goes to the next one that
    does, and opens a batch of its own where none does.

    Args:
        pairs: the training set.
        batch_size: most rows of a batch.
        seed: of the shuffle.
    """
    drawn = random.Random(seed)
    by_positive: dict[str, list[int]] = {}
    for row, pair in enumerate(pairs):
        by_positive.setdefault(pair.positive, []).append(row)
    groups = list(by_positive.values())
    drawn.shuffle(groups)
    most = max(map(len, groups), default=0)
    most = max(most, *Counter(pair.query for pair in pairs).values(), 0)
    batches = [_Batch() for _ in range(max(most, -(-len(pairs) // batch_size)))]
    turn = 0
    for row in (row for group in groups for row in drawn.sample(group, len(group))):
        turn = _deal(batches, turn, row, pairs[row], batch_size)
    drawn.shuffle(batches)
    return [batch.rows for batch in batches if batch.rows]


def _deal(batches: list[_Batch], turn: int, row: int, pair: Pair, batch_size: int) -> int:
    """Put the row into the first batch from `turn` on that takes it, and return whose turn is next."""
    for step in range(len(batches)):
        batch = batches[(turn + step) % len(batches)]
        if len(batch.rows) < batch_size and batch.admits(pair):
            batch.add(row, pair)
            return turn + step + 1
    batches.append(_Batch())
    batches[-1].add(row, pair)
    return turn + 1
