"""How far around its bound a query must look: chosen on a sample of which everything is known.

Both take `gaps`, how far below a query's bound each cluster's centre scores, and `counts`, how many vectors of each
cluster score above the bound; (queries, clusters). Both give 0 where the sample needs no margin.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def for_verdicts(
    gaps: "NDArray[np.float32]", counts: "NDArray[np.int64]", k: int, wrong: float
) -> float:
    """Return the margin within which all but a share of the sample find k vectors, or there are not as many.

    >>> import numpy as np
    >>> gaps, counts = np.array([[0.1, 0.2], [0.1, 0.3], [0.4, 0.5]]), np.array([[2, 2], [1, 5], [0, 1]])
    >>> for_verdicts(gaps, counts, 2, 0.0), for_verdicts(gaps, counts, 2, 0.34)
    (0.3, 0.1)
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    order = np.argsort(gaps, axis=1, kind="stable")
    found = np.take_along_axis(counts, order, axis=1).cumsum(axis=1)
    many = found[:, -1] >= k
    places = (found[many] >= k).argmax(axis=1)
    needed = np.take_along_axis(gaps[many], order[many], axis=1)[np.arange(len(places)), places]
    left = len(needed) - int(wrong * len(gaps))
    return float(np.sort(needed)[left - 1]) if left > 0 else 0.0


def for_recall(
    gaps: "NDArray[np.float32]", counts: "NDArray[np.int64]", most: int, recall: float
) -> float:
    """Return the margin within which a share of all that scores above the bounds is found, of a query at most `most`.

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
