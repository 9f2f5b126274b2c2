"""Words and vectors together: what a search gets from BM25 beside a model, which costs no training.

Both lists have their scores brought to 0 to 1 and added, half and half (a convex combination; Bruch, Gai, Ingber 2023,
arXiv:2210.11934, found it ahead of reciprocal rank fusion, as benchmarks/scoring/fusion.py does here).
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.evaluate.measure import Ranking

SUFFIX = "+bm25"  # of the row of a model together with BM25


def together(first: "Iterable[Ranking]", second: "Iterable[Ranking]") -> "Iterator[Ranking]":
    """Yield each query's documents that either ranking has, best first, and their scores, 0 to 1.

    A document that one of them lacks counts as its last. Of equal scores the lower index comes first.

    Args:
        first: the rankings of all queries.
        second: of the same queries, in the same order.

    >>> import numpy as np
    >>> one = [("q", np.array([4, 2, 7]), np.array([3.0, 2.0, 1.0]))]
    >>> other = [("q", np.array([2, 9]), np.array([8.0, 5.0]))]
    >>> [(id, places.tolist(), scores.tolist()) for id, places, scores in together(one, other)]
    [('q', [2, 4, 7, 9], [0.75, 0.5, 0.0, 0.0])]
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when evaluating

    for (id, places, scores), (other, more, of_more) in zip(first, second, strict=True):
        if id != other:
            raise AssertionError(f"rankings of {id} and {other} side by side")
        found, back = np.unique(np.concatenate([places, more]), return_inverse=True)
        parts = np.concatenate([_scaled(scores), _scaled(of_more)]) / 2
        total = np.bincount(back, parts, len(found)).astype(np.float32)
        order = np.argsort(-total, kind="stable")
        yield id, found[order].astype(np.int64), total[order]


def _scaled(scores: "NDArray[np.float32]") -> "NDArray[np.float64]":
    """Return (n,) scores, best first, brought to 0 for the last and 1 for the first; where all are equal, all 1."""
    import numpy as np  # noqa: PLC0415 - heavy: only when evaluating

    if not len(scores):
        return np.zeros(0)
    exact = scores.astype(np.float64)
    span = exact[0] - exact[-1]
    return (exact - exact[-1]) / span if span > 0 else np.ones(len(exact))
