"""Which of many vectors stand for all of them: every cluster gives, in proportion to its size, and no near copies.

DUQGen's choice of the documents that get queries (arXiv:2404.02489): k-means; to each cluster a quota; several draws
by a softmax over the cosines to the cluster's centre; and from what was drawn, the maximal marginal relevance picks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_CLUSTERS = 1000
_PER_CLUSTER = 5
_TEMPERATURE = 1.0  # of the softmax, and the number of draws: DUQGen's
_DRAWS = 5
# Weight of the cosine to the centre; the rest is that of the cosine to what is chosen already. From 0.5 on the choice
# is less diverse than a random one, at 0 it covers the rest less well (benchmarks/prompts/sampling.py).
_RELEVANCE = 0.3
_COPY = 0.95  # cosine from which two vectors are of near copies


def clusters_for(count: int) -> int:
    """Return into how many clusters a corpus is cut of which `count` are to be chosen.

    Five chosen ones a cluster, for with as many clusters as chosen ones each would give one whatever its size, and
    nothing would be left to the choice within; at most DUQGen's 1,000, because the time of k-means grows with them.

    >>> clusters_for(3), clusters_for(200), clusters_for(100_000)
    (1, 40, 1000)
    """
    return min(_MOST_CLUSTERS, max(1, count // _PER_CLUSTER))


def quotas(sizes: Sequence[int], count: int) -> list[int]:
    """Return how many each cluster gives: `count` in all, or all there are; never more than the cluster holds.

    One each and 1 + floor((N - K) |c| / |C|) in proportion, what is then left to the largest remainders. Clusters
    without a member do not count; where there are more clusters than `count`, the largest give one each.

    >>> quotas([80, 15, 5, 0], 10), quotas([1, 9, 1], 2), quotas([2, 1], 9)
    ([7, 2, 1, 0], [1, 1, 0], [2, 1])
    """
    total = sum(sizes)
    count = min(count, total)
    live = [c for c, size in enumerate(sizes) if size]
    given = [0] * len(sizes)
    if count < len(live):
        for c in sorted(live, key=lambda c: -sizes[c])[:count]:
            given[c] = 1
        return given
    share = count - len(live)
    for c in live:
        given[c] = 1 + share * sizes[c] // total  # at most its size, as `count` is at most `total`
    left = count - sum(given)
    by_remainder = sorted(live, key=lambda c: -(share * sizes[c] % total))
    while left:
        for c in [c for c in by_remainder if given[c] < sizes[c]][:left]:
            given[c] += 1
            left -= 1
    return given


def sample(
    vectors: "NDArray[np.float32]", count: int, clusters: int, seed: int
) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Return `count` rows that stand for all, in rising order, and the cluster of each.

    In one thread, because sums in another order are other floats, and another choice.

    Args:
        vectors: (n, d) unit rows.
        count: how many are chosen; where it is more than n, all.
        clusters: how many there are; fewer where there are fewer rows, or fewer to be chosen.
        seed: of all that is drawn.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when choosing
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - as above

    if not len(vectors):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    with threadpool_limits(1):
        labels, centres = group(vectors, min(clusters, count, len(vectors)), seed)
        sizes = np.bincount(labels, minlength=len(centres))
        members = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
        chosen = [
            rows[_pick(vectors[rows], centre, quota, np.random.default_rng([seed, cluster]))]
            for cluster, (rows, centre, quota) in enumerate(
                zip(members, centres, quotas(sizes.tolist(), count), strict=True)
            )
            if quota
        ]
    found = np.sort(np.concatenate(chosen))
    return found, labels[found]


def group(
    vectors: "NDArray[np.float32]", clusters: int, seed: int
) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """Return the cluster of each row, and each cluster's centre as a unit vector; some may have no member.

    The same each time only in one thread: see `sample`.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when choosing
    from sklearn.cluster import MiniBatchKMeans  # noqa: PLC0415 - as above

    # Reassignment would take the centres of small topics away: they hold less than a hundredth of the largest one.
    means = MiniBatchKMeans(clusters, n_init=1, reassignment_ratio=0.0, random_state=seed)
    labels = means.fit_predict(vectors).astype(np.int64)
    centres = means.cluster_centers_
    norms = np.linalg.norm(centres, axis=1, keepdims=True)
    return labels, (centres / np.maximum(norms, 1e-12)).astype(np.float32)


def _pick(
    vectors: "NDArray[np.float32]",
    centre: "NDArray[np.float32]",
    count: int,
    chance: "np.random.Generator",
) -> "NDArray[np.int64]":
    """Return `count` rows of a cluster: drawn by a softmax several times, and picked from all that was drawn.

    Where what was drawn is near copies of each other, more of the cluster is looked at.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when choosing

    cosines = vectors @ centre
    # The largest of logits with Gumbel noise are a draw without replacement by their softmax.
    noisy = cosines / _TEMPERATURE + chance.gumbel(size=(_DRAWS, len(vectors)))
    drawn = np.zeros(len(vectors), bool)
    drawn[np.argpartition(noisy, len(vectors) - count, axis=1)[:, len(vectors) - count :]] = True
    order = np.lexsort((-noisy[0], ~drawn))
    pool = int(drawn.sum())
    while True:
        rows = order[:pool]
        picked, apart = _diverse(vectors[rows], cosines[rows], count)
        if apart == count or pool == len(order):
            return rows[picked]
        pool = min(2 * pool, len(order))


def _diverse(
    vectors: "NDArray[np.float32]", relevance: "NDArray[np.float32]", count: int
) -> "tuple[list[int], int]":
    """Return `count` rows by maximal marginal relevance, near copies of them last, and how many come before those."""
    import numpy as np  # noqa: PLC0415 - heavy: only when choosing

    nearest = np.zeros(len(vectors), np.float32)  # cosine to the nearest row that is picked
    open_rows = np.ones(len(vectors), bool)
    picked: list[int] = []
    apart = 0
    for _ in range(count):
        copies = nearest >= _COPY
        worth = _RELEVANCE * relevance - (1 - _RELEVANCE) * nearest - 4.0 * copies
        best = int(np.argmax(np.where(open_rows, worth, -np.inf)))
        apart += not copies[best]
        picked.append(best)
        open_rows[best] = False
        cosines = vectors @ vectors[best]
        nearest = np.maximum(nearest, cosines) if len(picked) > 1 else cosines
    return picked, apart
