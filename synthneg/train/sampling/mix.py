"""Batches in which labelled and generated queries stand at a ratio, which may change while training goes on.

Two decks, one of each kind, are dealt from, and shuffled again when they are used up: so of the kind that is asked for
less, an epoch may not have all, and of the other it may have some twice. An epoch has as many batches as all rows
fill.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

from synthneg.train.data import Pair
from synthneg.train.sampling.base import Batch, Batches, least_batches


class MixedBatches(Batches):
    """Batches with a share of labelled rows that changes evenly from the first batch of the training to the last."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        batch_size: int,
        seed: int,
        labelled: Sequence[int],
        shares: tuple[float, float],
        epochs: float,
    ) -> None:
        """Take in what is mixed.

        Args:
            pairs: as for `Batches`, of both kinds.
            batch_size: as for `Batches`.
            seed: as for `Batches`.
            labelled: numbers of the labelled rows.
            shares: of a batch that is labelled, at the beginning and at the end.
            epochs: of the training.
        """
        super().__init__(pairs, batch_size, seed, least_batches(pairs, batch_size))
        chosen = set(labelled)
        self._decks = (
            [row for row in range(len(pairs)) if row not in chosen],
            [row for row in range(len(pairs)) if row in chosen],
        )
        # Where one kind has no rows, the other fills the batches.
        self._shares = shares if all(self._decks) else (float(not self._decks[0]),) * 2
        self._last = max(1, -int(-epochs * self._length // 1) - 1)  # number of the last batch

    def share_at(self, batch: int) -> float:
        """Return the share of a batch, counted over all epochs, that is labelled."""
        first, last = self._shares
        return first + (last - first) * min(1.0, batch / self._last)

    def plan(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch."""
        first = epoch * self._length
        totals = list(self._totals(first + self._length))
        queues = [self._dealt(kind, totals[first][kind], totals[-1][kind]) for kind in (0, 1)]
        made = []
        for before, after in pairwise(totals[first:]):
            batch = Batch()
            for kind in (0, 1):
                self._fill(batch, queues[kind], after[kind] - before[kind])
            made.append(batch.rows)
        return made

    def _totals(self, batches: int) -> Iterator[tuple[int, int]]:
        """Yield how many rows of each kind are dealt before each batch, and after the last.

        They are rounded down over all batches so far, so that shares of less than a row come to their due.
        """
        labelled = 0.0
        for batch in range(batches + 1):
            rows = batch * self.batch_size
            yield rows - int(labelled), int(labelled)
            labelled += self.share_at(batch) * self.batch_size

    def _dealt(self, kind: int, start: int, end: int) -> list[int]:
        """Return the rows at these places of a deck that goes on and on, shuffled anew each time."""
        deck = self._decks[kind]
        rows: list[int] = []
        for turn in range(start // len(deck), -(-end // len(deck))) if deck else ():
            shuffled = random.Random(f"{self._seed}/{kind}/{turn}").sample(deck, len(deck))
            begin = turn * len(deck)
            rows += shuffled[max(0, start - begin) : max(0, end - begin)]
        return rows

    def _fill(self, batch: Batch, queue: list[int], count: int) -> None:
        """Put the first rows of a queue into the batch that it admits; the others wait for the next one."""
        place = 0
        while count > 0 and place < len(queue):
            row = queue[place]
            if batch.admits(self._pairs[row]):
                batch.add(queue.pop(place), self._pairs[row])
                count -= 1
            else:
                place += 1
