"""Exact search over vectors: shard by shard, block by block; only what may be among the best is looked at twice.

Vectors on disk are read a shard at a time and put to all queries, so a corpus may be larger than memory. Shards consist
of whole blocks: the products are those of a search without shards, to the last bit.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from synthneg.scoring.rows import StoredRows, shard_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

# A block of similarities, 4 MB, which stays in a cache while it is looked at (benchmarks/scoring/topk.py).
_QUERIES = 512
_DOCUMENTS = 2048


def top_k(
    queries: "NDArray[np.float32]", documents: "Rows", k: int
) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """Return the k documents with the largest dot product for each query, best first.

    Documents with the same score stand in the order of their index, so that the result is one and the same each time.
    Beyond the result it takes its size some four times, about 6 MB a thread, and 100 MB where documents are on disk,
    however many there are.

    Args:
        queries: (q, d), finite.
        documents: (n, d), finite; all are compared.
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
    best: dict[int, _Best] = {}  # by the first query of a block

    def look(rows: slice, start: int, shard: "NDArray[np.float32]") -> None:
        for place, block in _similarities(queries[rows], shard):
            best[rows.start].look_at(block, start + place)

    if count:
        for rows in _blocks(len(queries)):
            best[rows.start] = _Best(len(queries[rows]), count)
        _in_threads(look, len(queries), documents)
        for rows in _blocks(len(queries)):
            indices[rows], scores[rows] = best.pop(rows.start).found()
    return indices, scores


def count_above(
    queries: "NDArray[np.float32]", documents: "Rows", bounds: "NDArray[np.float32]"
) -> "NDArray[np.int64]":
    """Return for each query how many documents have a dot product above its bound.

    Args:
        queries: (q, d).
        documents: (n, d).
        bounds: (q,).
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    counts = np.zeros(len(queries), np.int64)

    def look(rows: slice, start: int, shard: "NDArray[np.float32]") -> None:
        for _, block in _similarities(queries[rows], shard):
            counts[rows] += (block > bounds[rows, None]).sum(axis=1)

    _in_threads(look, len(queries), documents)
    return counts


def shards(documents: "Rows") -> "Iterator[tuple[int, NDArray[np.float32]]]":
    """Yield the place of the first of neighbouring documents and their vectors, read one shard after the other."""
    size = len(documents)
    if isinstance(documents, StoredRows):
        size = shard_rows(documents.shape[1], _DOCUMENTS)
    for start in range(0, len(documents), max(1, size)):
        yield start, documents[start : start + size]


def best_first(scores: "NDArray[np.floating]", k: int) -> "NDArray[np.int64]":
    """Return the indices of the k largest of (n,) scores, best first, of equal ones the lower index first."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    least = np.partition(scores, -k)[-k]
    (candidates,) = np.nonzero(scores >= least)
    order = np.argsort(-scores[candidates], kind="stable")
    return candidates[order[:k]].astype(np.int64)


class _Best:
    """The best `count` documents of each query among those that were looked at, in rising order of their index.

    What beats the worst of them is put aside, and merged when a query has enough of it: with documents in no special
    order that is each time as many have been seen again as before.
    """

    def __init__(self, rows: int, count: int) -> None:
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        self._rows, self._count = rows, count
        self._scores = np.empty((rows, 0), np.float32)
        self._indices = np.empty((rows, 0), np.int64)
        self._least = np.full(rows, -np.inf, np.float32)  # only what is above can still be found
        self._aside: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]] = []
        self._waiting = np.zeros(rows, np.int64)  # how many are aside

    def look_at(self, block: "NDArray[np.float32]", start: int) -> None:
        """Take in the similarities to the documents from `start` on: (rows, documents)."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        width = block.shape[1]
        if start == 0 and width >= self._count:
            worst = np.partition(block, width - self._count, axis=1)[:, width - self._count]
            self._least = np.nextafter(worst, np.float32(-np.inf))
        rows, columns = np.divmod(np.flatnonzero(block > self._least[:, None]), width)
        self._aside.append((rows, columns + start, block[rows, columns]))
        self._waiting += np.bincount(rows, minlength=self._rows)
        if self._waiting.max() >= max(2 * self._count, 64):
            self._merge()

    def found(self) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
        """Return (rows, count) indices and scores, best first, of equal scores the lower index first."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        if self._aside:
            self._merge()
        order = np.argsort(-self._scores, axis=1, kind="stable")
        return (
            np.take_along_axis(self._indices, order, axis=1),
            np.take_along_axis(self._scores, order, axis=1),
        )

    def _merge(self) -> None:
        """Keep the best of what was kept and what is aside."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        kept, most = self._scores.shape[1], int(self._waiting.max())
        scores = np.full((self._rows, kept + most), -np.inf, np.float32)
        indices = np.zeros(scores.shape, np.int64)
        scores[:, :kept], indices[:, :kept] = self._scores, self._indices
        rows, found, values = (np.concatenate(part) for part in zip(*self._aside, strict=True))
        order = np.argsort(rows, kind="stable")  # of a row, those with the lower index first
        rows = rows[order]
        before = np.cumsum(self._waiting) - self._waiting
        places = kept + np.arange(len(rows)) - before[rows]
        scores[rows, places], indices[rows, places] = values[order], found[order]
        if scores.shape[1] > self._count:
            scores, indices, self._least = _squeezed(scores, indices, self._count)
        self._scores, self._indices = scores, indices
        self._aside.clear()
        self._waiting[:] = 0


def _squeezed(
    scores: "NDArray[np.float32]", indices: "NDArray[np.int64]", count: int
) -> "tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]":
    """Return the `count` largest of each row and their indices, in their order, and the least of them.

    Of equal ones the first are kept.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    width = scores.shape[1]
    least = np.partition(scores, width - count, axis=1)[:, width - count]
    keep = scores >= least[:, None]
    surplus = keep.sum(axis=1) - count
    for row in np.flatnonzero(surplus):
        keep[row, np.flatnonzero(scores[row] == least[row])[-surplus[row] :]] = False
    return scores[keep].reshape(-1, count), indices[keep].reshape(-1, count), least


def _similarities(
    queries: "NDArray[np.float32]", documents: "NDArray[np.float32]"
) -> "Iterator[tuple[int, NDArray[np.float32]]]":
    """Yield the place of the first document of each block, and the dot products; the next ones overwrite them."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    asked = np.asarray(queries, np.float32)
    memory = np.empty(len(asked) * _DOCUMENTS, np.float32)
    for start in range(0, len(documents), _DOCUMENTS):
        part = np.asarray(documents[start : start + _DOCUMENTS], np.float32)
        block = memory[: len(asked) * len(part)].reshape(len(asked), len(part))
        yield start, np.matmul(asked, part.T, out=block)


def _blocks(queries: int) -> list[slice]:
    return [slice(start, start + _QUERIES) for start in range(0, queries, _QUERIES)]


def _in_threads(
    look: "Callable[[slice, int, NDArray[np.float32]], None]", queries: int, documents: "Rows"
) -> None:
    """Call `look` for each shard and the rows of each block of queries, in as many threads as a product would take."""
    blocks = _blocks(queries)
    with _threads(len(blocks)) as pool:
        for start, shard in shards(documents):
            if pool is None:
                for block in blocks:  # the product itself uses the threads
                    look(block, start, shard)
            else:
                for done in [pool.submit(look, block, start, shard) for block in blocks]:
                    done.result()


@contextmanager
def _threads(blocks: int) -> Iterator[ThreadPoolExecutor | None]:
    """Give a pool in which each product has one thread; None where there is one thread or one block."""
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - heavy: only when searching

    blas = ThreadpoolController().select(user_api="blas")
    threads = max((library["num_threads"] for library in blas.info()), default=1)
    workers = min(threads, blocks)
    if workers < 2:
        yield None
        return
    with blas.limit(limits=1), ThreadPoolExecutor(workers) as pool:
        yield pool
