"""Negatives that are drawn anew for each batch, and how they come into its rows.

A way to draw them says in which order a query's candidates are tried (`order`). What is taken is the same for all:
nothing that answers any query of the batch, and no copy of an answer to the query itself.
"""

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from synthneg.train.sampling.base import Batches
from synthneg.train.sampling.candidates import NONE, Candidates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TRIES = 50  # random passages looked at for each that is wanted


class Taken(NamedTuple):
    """A passage that has become a negative."""

    row: int  # its number; `NONE` where there was none to be had
    hard: bool  # found by the order, not by chance


class Negatives:
    """A way to draw negatives; what it draws depends on seed, batch and query alone, and not on what was asked before.

    Only for the batches of one epoch, asked for in their order from its first, may it keep count.
    """

    def __init__(self, candidates: Candidates, hard: int, randoms: int, seed: int) -> None:
        """Take in what is drawn from.

        Args:
            candidates: which passages may be taken.
            hard: negatives of each query that are drawn by `order`.
            randoms: and of the whole corpus.
            seed: of all that is drawn.
        """
        self.candidates, self.hard, self.randoms, self._seed = candidates, hard, randoms, seed

    def order(self, query: int, batch: int, chance: random.Random) -> Iterator[int]:
        """Yield the candidates of a query in the order in which they are tried.

        Args:
            query: its number.
            batch: number of the batch, counted over all epochs.
            chance: draws for this query and batch.
        """
        raise NotImplementedError

    def begin_epoch(self) -> None:
        """Forget what was counted; the next batch is the first of an epoch."""

    def took(self, query: int, row: int) -> None:
        """Take note that a passage found by `order` has become a negative."""

    def draw(self, queries: Sequence[int], batch: int) -> list[list[Taken]]:
        """Return for each query of a batch its `hard` and `randoms` negatives, hard ones first."""
        answers = {row for query in queries for row in self.candidates.answers[query]}
        return [self._draw_for(query, batch, answers) for query in queries]

    def _draw_for(self, query: int, batch: int, answers: set[int]) -> list[Taken]:
        chance = random.Random(f"{self._seed}/{batch}/{query}")
        wanted = self.hard + self.randoms
        taken = self._take(self.order(query, batch, chance), self.hard, query, answers)
        for row in taken:
            self.took(query, row)
        # What the order could not give, chance gives.
        others = self._at_random(query, wanted, chance)
        more = self._take(others, wanted - len(taken), query, answers.union(taken))
        more += [NONE] * (wanted - len(taken) - len(more))
        return [Taken(row, True) for row in taken] + [Taken(row, False) for row in more]

    def _take(self, found: Iterator[int], count: int, query: int, barred: set[int]) -> list[int]:
        """Return the first `count` passages that may be taken; fewer where there are no more."""
        taken: list[int] = []
        while len(taken) < count and (row := next(found, None)) is not None:
            if row not in barred and row not in taken and self.candidates.may(query, row):
                taken.append(row)
        return taken

    def _at_random(self, query: int, wanted: int, chance: random.Random) -> Iterator[int]:
        import numpy as np  # noqa: PLC0415 - heavy: only when training

        count = len(self.candidates)
        drawn = chance.sample(range(count), min(count, _TRIES * wanted))
        yield from self.candidates.safe(query, np.array(drawn, np.int64)).tolist()


def shuffled(rows: "NDArray[np.int64]", chance: random.Random) -> Iterator[int]:
    """Yield the candidates among (k,) rows in a random order; what is not asked for is not drawn."""
    left = rows[rows != NONE].tolist()
    while left:
        place = chance.randrange(len(left))
        left[place], left[-1] = left[-1], left[place]
        yield left.pop()


class WithNegatives:
    """A batch sampler that draws the negatives of each batch as the trainer asks for it.

    The trainer takes the rows of a batch before it asks for the next one, so they find here what was drawn.
    """

    def __init__(self, batches: Batches, negatives: Negatives) -> None:
        self._batches, self.negatives = batches, negatives
        self.batch_size = batches.batch_size
        self._rows: list[int] = []
        self._drawn: list[list[Taken]] = []

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        first = self._batches.epoch * len(self._batches)
        self.negatives.begin_epoch()
        for batch, rows in enumerate(self._batches, first):
            self._rows, self._drawn = rows, self.negatives.draw(rows, batch)
            yield rows

    def set_epoch(self, epoch: int) -> None:
        """Make the batches of this epoch from now on."""
        self._batches.set_epoch(epoch)

    def drawn_for(self, rows: Sequence[int]) -> list[list[Taken]]:
        """Return what was drawn for the rows of the batch at hand; nothing for each of any other rows."""
        return self._drawn if list(rows) == self._rows else [[] for _ in rows]
