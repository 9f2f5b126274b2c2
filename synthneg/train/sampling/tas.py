"""TAS: each batch from one cluster of queries, so that the other queries' documents are hard negatives.

Topic-aware sampling (Hofstätter et al., arXiv:2104.06967): k-means of the queries by a model that was trained before,
here `train.base_model`. There a cluster is drawn for each batch, and queries from it; here the queries of each cluster
are dealt out, so that an epoch has each query once.
"""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from synthneg.scoring.cluster import group
from synthneg.train.data import Pair
from synthneg.train.sampling.base import Batches, fitted, least_batches
from synthneg.train.sampling.distinct import deal_batches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BATCHES_EACH = 4  # of a cluster, where nothing else is set; the paper has about six of 32 queries


class TopicBatches(Batches):
    """Batches of one cluster each, in a random order."""

    def __init__(
        self, pairs: Sequence[Pair], batch_size: int, seed: int, topics: "NDArray[np.int64]"
    ) -> None:
        """Take in the (n,) cluster of each row; the other arguments are those of `Batches`."""
        self._members = [
            [row for row, topic in enumerate(topics.tolist()) if topic == wanted]
            for wanted in sorted(set(topics.tolist()))
        ]
        self._of_topic = [[pairs[row] for row in rows] for rows in self._members]
        self._counts = [least_batches(own, batch_size) for own in self._of_topic]
        super().__init__(pairs, batch_size, seed, sum(self._counts))

    def plan(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch."""
        made = []
        topics = zip(self._members, self._of_topic, self._counts, strict=True)
        for topic, (rows, own, count) in enumerate(topics):
            dealt = deal_batches(own, self.batch_size, f"{self._seed}/{epoch}/{topic}")
            made += [[rows[place] for place in batch] for batch in fitted(dealt, own, count)]
        random.Random(f"{self._seed}/{epoch}").shuffle(made)
        return made


def topics_of(
    queries: "NDArray[np.float32]",
    pairs: Sequence[Pair],
    clusters: int | None,
    batch_size: int,
    seed: int,
) -> "NDArray[np.int64]":
    """Return the cluster of each query. One of fewer positives than half a batch is dealt out to the nearest others.

    Args:
        queries: (n, d) unit rows.
        pairs: their rows.
        clusters: how many; None: as many as give four batches each.
        batch_size: queries of a batch.
        seed: of k-means.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when training
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - as above

    wanted = clusters or max(1, len(queries) // (_BATCHES_EACH * batch_size))
    with threadpool_limits(1):  # sums in another order would be other clusters
        topics, centres = group(queries, min(wanted, len(queries)), seed)
        positives = {(topic, pair.positive) for topic, pair in zip(topics, pairs, strict=True)}
        sizes = np.bincount([topic for topic, _ in positives], minlength=len(centres))
        keep = np.flatnonzero(sizes >= batch_size // 2)
        if not len(keep):
            keep = np.array([sizes.argmax()])
        moved = ~np.isin(topics, keep)
        topics[moved] = keep[(queries[moved] @ centres[keep].T).argmax(axis=1)]
    return topics
