"""NGAME: batches of clusters that the live model makes, and that double in size while it is trained.

Dahiya et al., arXiv:2207.04452: every few epochs the training points are embedded and halved again and again into
balanced clusters; the clusters are shuffled and laid end to end, and batches are cut from them. So the other queries of
a batch become hard negatives at no further cost, the harder the larger clusters are. They begin with one query, which
is a batch at random.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from synthneg.train.data import Pair
from synthneg.train.sampling.base import Batch, Batches, fitted, least_batches
from synthneg.train.sampling.packed import packed, unpacked
from synthneg.train.sampling.part import Encode, Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROUNDS = 30  # of a halving, at most; it ends when no row changes sides


class GrowingClusters(Batches, Part):
    """Batches laid out of clusters. Part of the training's state, so it is given to a `Live` callback."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        batch_size: int,
        seed: int,
        every: int,
        double_at: Sequence[float],
        epochs: float,
    ) -> None:
        """Take in the schedule.

        Args:
            pairs: as for `Batches`.
            batch_size: as for `Batches`; no cluster is larger.
            seed: as for `Batches`.
            every: epochs after which clusters are made anew.
            double_at: shares of the training after which they double in size.
            epochs: of the training.
        """
        super().__init__(pairs, batch_size, seed, least_batches(pairs, batch_size))
        self._every, self._double_at, self._epochs = every, double_at, epochs
        self._clusters: NDArray[np.int64] | None = None  # (n,) the cluster of each row
        self._made_at = -1  # epoch
        self.refreshes = 0

    def size_at(self, epoch: int) -> int:
        """Return how many queries the clusters of an epoch have at most."""
        done = epoch / self._epochs
        doublings = sum(share <= done for share in self._double_at)
        return min(self.batch_size, 1 << doublings)

    def plan(self, epoch: int) -> list[list[int]]:
        """Return the batches of the epoch that has begun."""
        drawn = random.Random(f"{self._seed}/{epoch}")
        rows = list(range(len(self._pairs)))
        drawn.shuffle(rows)
        members: dict[int, list[int]] = {}
        for row in rows:
            cluster = row if self._clusters is None else int(self._clusters[row])
            members.setdefault(cluster, []).append(row)
        order = list(members.values())
        drawn.shuffle(order)
        packs = _packs(chain.from_iterable(order), self._pairs, self.batch_size)
        made = fitted(packs, self._pairs, self._length)
        drawn.shuffle(made)
        return made

    def epoch_begins(self, epoch: int, encode: Encode) -> None:
        """Make clusters where it is time, unless a checkpoint has given those of this epoch."""
        size = self.size_at(epoch)
        due = self._clusters is None or epoch - self._made_at >= self._every
        if size > 1 and due and self._made_at != epoch:
            self._clusters, self._made_at = balanced_clusters(encode(), size, self._seed), epoch
            self.refreshes += 1

    def state(self) -> dict[str, Any]:
        """Return what goes into a checkpoint."""
        clusters = None if self._clusters is None else packed(self._clusters)
        return {"clusters": clusters, "made_at": self._made_at, "refreshes": self.refreshes}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self._clusters = None if state["clusters"] is None else unpacked(state["clusters"])
        self._made_at, self.refreshes = state["made_at"], state["refreshes"]


def _packs(order: Iterator[int], pairs: Sequence[Pair], batch_size: int) -> list[Batch]:
    """Return batches of the rows in this order, each in the first batch with room that admits it."""
    full: list[Batch] = []
    with_room: list[Batch] = []
    for row in order:
        taker = next((batch for batch in with_room if batch.admits(pairs[row])), None)
        if taker is None:
            taker = Batch()
            with_room.append(taker)
        taker.add(row, pairs[row])
        if len(taker.rows) == batch_size:
            full.append(taker)
            with_room.remove(taker)
    return full + with_room


def balanced_clusters(vectors: "NDArray[np.float32]", size: int, seed: int) -> "NDArray[np.int64]":
    """Return the cluster of each row: halves of halves, until none has more than `size` rows.

    Sizes of clusters differ by one at most. In one thread, because sums in another order are other floats.

    Args:
        vectors: (n, d) unit rows.
        size: most rows of a cluster.
        seed: of the first centres of each halving.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when training
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - as above

    clusters = np.zeros(len(vectors), np.int64)
    chance = np.random.default_rng(seed)
    parts = [np.arange(len(vectors))]
    with threadpool_limits(1):
        # Level by level, so that all are halved equally often, and stay of one size.
        while max(map(len, parts), default=0) > size:
            parts = [half for part in parts for half in _halves(vectors, part, chance)]
    for number, part in enumerate(parts):
        clusters[part] = number
    return clusters


def _halves(
    vectors: "NDArray[np.float32]", rows: "NDArray[np.int64]", chance: "np.random.Generator"
) -> "list[NDArray[np.int64]]":
    """Return the rows as two halves, each nearer to its own centre than the other, as far as halves can be."""
    import numpy as np  # noqa: PLC0415 - heavy: only when training

    if len(rows) < 2:
        return [rows]
    own = vectors[rows]
    first, second = own[chance.choice(len(rows), 2, replace=False)]
    left = np.zeros(len(rows), bool)
    for _ in range(_ROUNDS):
        order = np.argsort(own @ (second - first), kind="stable")
        now = np.zeros(len(rows), bool)
        now[order[: len(rows) // 2]] = True
        if (now == left).all():
            break
        left = now
        first, second = _centre(own[left]), _centre(own[~left])
    return [rows[left], rows[~left]]


def _centre(vectors: "NDArray[np.float32]") -> "NDArray[np.float32]":
    import numpy as np  # noqa: PLC0415 - heavy: only when training

    total = vectors.sum(axis=0)
    unit: NDArray[np.float32] = total / max(float(np.linalg.norm(total)), 1e-12)
    return unit
