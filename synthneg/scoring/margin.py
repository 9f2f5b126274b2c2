"""How far a query must look: chosen on a sample of which everything is known.

All take `gaps`, how far below a query's bound each cluster's centre scores, and `counts`, how many vectors of each
cluster score above the bound; (queries, clusters). A gap may be infinite: that cluster is out of reach.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PORTIONS = (0.5, 0.75, 1.0)
_FEWER = 4 / 5  # clusters, from one trial to the next


class Reach(NamedTuple):
    """Which clusters a query looks at: those within the margin, of these the nearest."""

    margin: float  # by which the score of a centre may lie below the query's bound
    clusters: int  # at most so many

    @property
    def steps(self) -> list[float]:
        """The margins by which it comes to them: a query that has found enough stops after one."""
        return [self.margin - (1 - portion) * abs(self.margin) for portion in _PORTIONS]


def cheapest(
    gaps: "NDArray[np.float32]",
    counts: "NDArray[np.int64]",
    sizes: "NDArray[np.int64]",
    enough: int,
    margin_of: "Callable[[NDArray[np.float32], NDArray[np.int64]], float]",
) -> Reach:
    """Return the reach by which the sample looks at the fewest vectors.

    A margin alone is best where queries know their passage, a number of clusters where they hardly do and every
    cluster is within the margin; so for fewer and fewer clusters the margin is found that goes with them.

    Args:
        gaps: of the sample.
        counts: likewise.
        sizes: (clusters,) of the clusters.
        enough: a query that has found so many looks no further.
        margin_of: gives of gaps and counts the margin that does what is wanted, infinity where none does.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    order = np.argsort(gaps, axis=1, kind="stable")
    gaps = np.take_along_axis(gaps, order, axis=1)
    counts = np.take_along_axis(counts, order, axis=1)
    held = sizes[order]
    tried = []
    most = gaps.shape[1]
    while most:
        within = gaps.copy()
        within[:, most:] = np.inf
        reach = Reach(margin_of(within, counts), most)
        if reach.margin == np.inf:
            break  # with fewer clusters all the more
        tried.append((_looked_at(reach, within, counts, held, enough), -most, reach))
        most = int(most * _FEWER)
    return min(tried)[2]


def _looked_at(
    reach: Reach,
    gaps: "NDArray[np.float32]",
    counts: "NDArray[np.int64]",
    held: "NDArray[np.int64]",
    enough: int,
) -> int:
    """Return how many vectors all queries look at together; the clusters of each in rising order of their gaps."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    found = np.zeros(len(gaps), np.int64)
    looked_at = 0
    before = np.zeros(gaps.shape, bool)
    for margin in reach.steps:
        within = gaps <= margin
        new = within & ~before & (found < enough)[:, None]
        found += np.where(new, counts, 0).sum(axis=1)
        looked_at += int(np.where(new, held, 0).sum())
        before = within
    return looked_at


def for_verdicts(
    gaps: "NDArray[np.float32]", counts: "NDArray[np.int64]", k: int, wrong: float
) -> float:
    """Return the margin within which all but a share of the sample find k vectors, or there are not as many.

    It is 0 where no query needs any, and infinity where none will do.

    >>> import numpy as np
    >>> gaps, counts = np.array([[0.1, 0.2], [0.1, 0.3], [0.4, 0.5]]), np.array([[2, 2], [1, 5], [0, 1]])
    >>> for_verdicts(gaps, counts, 2, 0.0), for_verdicts(gaps, counts, 2, 0.34)
    (0.3, 0.1)
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    many = counts.sum(axis=1) >= k
    gaps, counts, of = gaps[many], counts[many], len(gaps)
    order = np.argsort(gaps, axis=1, kind="stable")
    found = np.take_along_axis(counts, order, axis=1).cumsum(axis=1)
    places = (found >= k).argmax(axis=1)
    needed = np.sort(np.take_along_axis(gaps, order, axis=1)[np.arange(len(places)), places])
    left = len(needed) - int(wrong * of)
    return float(needed[left - 1]) if left > 0 else 0.0


def for_recall(
    gaps: "NDArray[np.float32]", counts: "NDArray[np.int64]", most: int, recall: float
) -> float:
    """Return the margin within which a share of all that scores above the bounds is found, of a query at most `most`.

    It is 0 where nothing scores above them, and infinity where none will do.

    >>> import numpy as np
    >>> for_recall(np.array([[0.1, 0.2, 0.3]]), np.array([[6, 3, 1]]), 20, 0.9)
    0.2
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    weights = (counts * np.minimum(1, most / totals)).ravel()
    some = np.flatnonzero(weights)
    if not len(some):
        return 0.0
    order = some[np.argsort(gaps.ravel()[some], kind="stable")]
    found = weights[order].cumsum()
    return float(gaps.ravel()[order[np.searchsorted(found, recall * found[-1] * (1 - 1e-9))]])
