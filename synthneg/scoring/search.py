"""Exact search over vectors."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK_VALUES = 2**24  # similarities held at a time: 64 MB


def top_k(
    queries: "NDArray[np.float32]", documents: "NDArray[np.float32]", k: int
) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """Return the k documents with the largest dot product for each query, best first.

    Documents with the same score stand in the order of their index, so that the result is one and the same each time.

    Args:
        queries: (q, d).
        documents: (n, d); all are compared.
        k: at least 0; where it is more than n, n are returned.

    Returns:
        (q, min(k, n)) indices and their scores.

    >>> import numpy as np
    >>> found, scores = top_k(np.array([[1.0, 0.0]]), np.array([[0.5, 0.0], [1.0, 0.0], [0.5, 1.0]]), 2)
    >>> found.tolist(), scores.tolist()
    ([[1, 0]], [[1.0, 0.5]])
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    count = min(k, len(documents))
    indices = np.empty((len(queries), count), dtype=np.int64)
    scores = np.empty((len(queries), count), dtype=np.float32)
    step = max(1, _BLOCK_VALUES // max(1, len(documents)))
    for start in range(0, len(queries) if count else 0, step):
        block = queries[start : start + step] @ documents.T
        for row, similarity in enumerate(block, start):
            best = best_first(similarity, count)
            indices[row], scores[row] = best, similarity[best]
    return indices, scores


def best_first(scores: "NDArray[np.floating]", k: int) -> "NDArray[np.int64]":
    """Return the indices of the k largest of (n,) scores, best first, of equal ones the lower index first."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    least = np.partition(scores, -k)[-k]
    (candidates,) = np.nonzero(scores >= least)
    order = np.argsort(-scores[candidates], kind="stable")
    return candidates[order[:k]].astype(np.int64)
