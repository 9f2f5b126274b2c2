"""What all batch samplers have in common: the rule of what a batch may hold, and as many batches in every epoch."""

from collections import Counter
from collections.abc import Iterator, Sequence

from synthneg.train.data import Pair


class Batches:
    """A batch sampler as the trainer calls it: `len`, iteration over lists of row numbers, `set_epoch`.

    The trainer counts its steps by the length of the first epoch, so every epoch has that many batches.
    """

    def __init__(self, pairs: Sequence[Pair], batch_size: int, seed: int, length: int) -> None:
        """Take in what batches are made of.

        Args:
            pairs: the training set; what keeps its rows apart.
            batch_size: rows of a batch.
            seed: of all that is drawn.
            length: batches of an epoch.
        """
        self._pairs, self.batch_size, self._seed, self._length = pairs, batch_size, seed, length
        self._epoch = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.plan(self._epoch))

    def set_epoch(self, epoch: int) -> None:
        """Make the batches of this epoch from now on."""
        self._epoch = epoch

    @property
    def epoch(self) -> int:
        """The epoch whose batches are made."""
        return self._epoch

    def plan(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch: the same ones whenever it is asked for."""
        raise NotImplementedError


class Batch:
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


def least_batches(pairs: Sequence[Pair], batch_size: int) -> int:
    """Return how many batches are needed at least: for all rows, and for those of one positive or of one query.

    >>> least_batches([Pair("a", "tea"), Pair("b", "tea"), Pair("c", "moon")], 3)
    2
    """
    positives, queries = Counter(p.positive for p in pairs), Counter(p.query for p in pairs)
    return max(-(-len(pairs) // batch_size), *positives.values(), *queries.values(), 0)


def fitted(batches: Sequence[Batch], pairs: Sequence[Pair], length: int) -> list[list[int]]:
    """Return the rows as `length` batches.

    Where there are more, the smallest are dissolved into the smallest that admit their rows, which may thereby grow
    beyond the size of a batch; a row that none admits is left out of this epoch. Where there are fewer, the largest are
    halved.
    """
    left = sorted((batch for batch in batches if batch.rows), key=lambda batch: -len(batch.rows))
    while len(left) > length:
        for row in left.pop().rows:
            takers = [batch for batch in left if batch.admits(pairs[row])]
            if takers:
                min(takers, key=lambda batch: len(batch.rows)).add(row, pairs[row])
    chosen = {id(batch) for batch in left}
    made = [batch.rows for batch in batches if id(batch) in chosen]
    while len(made) < length:
        largest = max(range(len(made)), key=lambda place: len(made[place]))
        rows = made[largest]
        half = -(-len(rows) // 2)
        made[largest : largest + 1] = [rows[:half], rows[half:] or rows]  # a lone row comes twice
    return made
