"""Negatives by the teacher's margin: evenly over its bins, or from easy to hard while training goes on.

The margin of a negative is how far the teacher places it below the positive. A query's candidates are the nearest
passages and as many random ones, so that margins of all sizes are among them.
"""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from synthneg.progress import track
from synthneg.train.sampling.candidates import NONE, Candidates
from synthneg.train.sampling.negatives import Negatives, shuffled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def by_hardness(candidates: Candidates, depth: int, seed: int) -> "NDArray[np.int64]":
    """Return (queries, 2 · depth) candidates of each query, the easiest first, `NONE` after the hardest.

    Args:
        candidates: which passages may be taken; their encoder is the teacher.
        depth: how many of the nearest, and how many random ones.
        seed: of what is drawn.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when training

    nearest = candidates.nearest(candidates.queries, candidates.vectors, depth)
    found = np.full((len(nearest), nearest.shape[1] * 2), NONE, np.int64)
    for query, near in enumerate(track(nearest, "train", "queries with candidates", len(nearest))):
        chance = random.Random(f"{seed}/{query}/candidates")
        count = min(len(candidates), nearest.shape[1])
        drawn = np.array(chance.sample(range(len(candidates)), count), np.int64)
        rows = np.union1d(near[near != NONE], candidates.safe(query, drawn))
        order = np.argsort(candidates.cosines(query, rows), kind="stable")
        found[query, : len(rows)] = rows[order]
    return found


class Balanced(Negatives):
    """Evenly over bins of the margin, each of a query's bins as wide as the others (TAS-Balanced, arXiv:2104.06967).

    There a bin is drawn and then a pair in it. Here the bin is the one that has had the fewest negatives in the epoch,
    of those in which the query has any, so that bins are even and not only so on average.
    """

    def __init__(
        self,
        candidates: Candidates,
        found: "NDArray[np.int64]",
        bins: int,
        hard: int,
        randoms: int,
        seed: int,
    ) -> None:
        """Take in what `by_hardness` has found, and into how many bins it is put."""
        super().__init__(candidates, hard, randoms, seed)
        self._found, self._bins = found, bins
        self.counts = [0] * bins

    def begin_epoch(self) -> None:
        """Count anew."""
        self.counts = [0] * self._bins

    def bins_of(self, query: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
        """Return a query's candidates and the bin of each; bin 0 has the largest margins."""
        import numpy as np  # noqa: PLC0415 - heavy: only when training

        rows = self._found[query]
        rows = rows[rows != NONE]
        cosines = self.candidates.cosines(query, rows)
        if not len(rows):
            return rows, rows
        edges = np.linspace(cosines.min(), cosines.max(), self._bins + 1)[1:-1]
        return rows, np.searchsorted(edges, cosines, side="right").astype(np.int64)

    def order(self, query: int, batch: int, chance: random.Random) -> Iterator[int]:
        """Yield candidates bin by bin, of the bin that had fewest first, one of each bin before a second of any."""
        rows, bins = self.bins_of(query)
        of_bin = {b: shuffled(rows[bins == b], chance) for b in sorted(set(bins.tolist()))}
        while of_bin:
            # In turns, so that a query's own negatives are of several bins.
            turn = sorted(of_bin, key=lambda b: (self.counts[b], chance.random()))
            for place in turn:
                row = next(of_bin[place], None)
                if row is None:
                    del of_bin[place]
                else:
                    yield row

    def took(self, query: int, row: int) -> None:
        """Count the bin of a negative."""
        rows, bins = self.bins_of(query)
        self.counts[int(bins[rows == row][0])] += 1


class Progressive(Negatives):
    """From easy to hard as training goes on (PEG, arXiv:2311.11691, which weighs samples; its formula is not public).

    Candidates lie in a window of the query's, ordered by hardness, that moves from the easiest to the hardest.
    """

    def __init__(
        self,
        candidates: Candidates,
        found: "NDArray[np.int64]",
        window: float,
        steps: int,
        hard: int,
        randoms: int,
        seed: int,
    ) -> None:
        """Take in what `by_hardness` has found, the width of the window as a share, and the steps of the training."""
        super().__init__(candidates, hard, randoms, seed)
        self._found, self._window, self._steps = found, window, steps

    def order(self, query: int, batch: int, chance: random.Random) -> Iterator[int]:
        """Yield the candidates in the window in a random order."""
        rows = self._found[query]
        rows = rows[rows != NONE]
        width = min(len(rows), max(self.hard, round(self._window * len(rows))))
        done = batch / max(1, self._steps - 1)
        start = round(min(done, 1.0) * (len(rows) - width))
        return shuffled(rows[start : start + width], chance)
