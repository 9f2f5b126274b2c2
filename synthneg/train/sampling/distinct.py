"""Batches in which no text is a positive of one query and a negative of another.

All other texts of a batch are negatives to a query, so two queries of one passage in a batch would teach the model
that the passage answers neither. The library's sampler against this fills each batch before it opens the next: where
many queries share few passages it makes more batches than it announces, and the trainer drops those queries (of 20
passages with 3 queries each, at 32 queries a batch, a third). Here the queries are dealt out like cards instead:
each is used once in an epoch, and the batches are of nearly one size.
"""

import random
from collections.abc import Sequence

from synthneg.train.data import Pair
from synthneg.train.sampling.base import Batch, Batches, fitted, least_batches


class DistinctBatches(Batches):
    """All rows in each epoch, shuffled anew."""

    def __init__(self, pairs: Sequence[Pair], batch_size: int, seed: int) -> None:
        length = len(plan_batches(pairs, batch_size, f"{seed}/0"))
        super().__init__(pairs, batch_size, seed, length)

    def plan(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch."""
        dealt = deal_batches(self._pairs, self.batch_size, f"{self._seed}/{epoch}")
        return fitted(dealt, self._pairs, self._length)


def plan_batches(pairs: Sequence[Pair], batch_size: int, seed: str) -> list[list[int]]:
    """Return the batches of one epoch as row numbers; each row is in exactly one batch."""
    return [batch.rows for batch in deal_batches(pairs, batch_size, seed)]


def deal_batches(pairs: Sequence[Pair], batch_size: int, seed: str) -> list[Batch]:
    """Return batches of which each row is in exactly one.

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
    batches = [Batch() for _ in range(least_batches(pairs, batch_size))]
    turn = 0
    for row in (row for group in groups for row in drawn.sample(group, len(group))):
        turn = _deal(batches, turn, row, pairs[row], batch_size)
    drawn.shuffle(batches)
    return [batch for batch in batches if batch.rows]


def _deal(batches: list[Batch], turn: int, row: int, pair: Pair, batch_size: int) -> int:
    """Put the row into the first batch from `turn` on that takes it, and return whose turn is next."""
    for step in range(len(batches)):
        batch = batches[(turn + step) % len(batches)]
        if len(batch.rows) < batch_size and batch.admits(pair):
            batch.add(row, pair)
            return turn + step + 1
    batches.append(Batch())
    batches[-1].add(row, pair)
    return turn + 1
