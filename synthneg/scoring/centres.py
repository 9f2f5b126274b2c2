"""Vectors in clusters: centres by k-means, and the vectors of each cluster beside one another.

Memory grows by some 16 bytes a vector: vectors on disk are read a part at a time, also those that the centres are made
of, and lie in the order of the clusters in a temporary file. Each product is one thread's, and sums are made in one
order, so the same vectors come into the same clusters whatever the number of threads.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from synthneg.progress import Progress, say
from synthneg.scoring.rows import StoredRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

T = TypeVar("T")
R = TypeVar("R")

_PER_CENTRE = 64  # vectors that a centre is made of
_STEPS = 10  # of k-means
_AT_ONCE = 2048  # vectors put to the centres at a time
_SEED = 0  # of the vectors that centres are made of; a corpus has one set of clusters


class Clusters(NamedTuple):
    """Vectors in the order of their clusters."""

    centres: "NDArray[np.float32]"  # (clusters, d): the mean of each
    starts: "NDArray[np.int64]"  # (clusters + 1,) place of the first vector of each; the last one is their number
    order: (
        "NDArray[np.int64]"  # (n,) which vector lies at a place; those of a cluster in rising order
    )
    vectors: "Rows"  # (n, d) by place

    def labels(self, rows: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """Return the clusters that the vectors of these numbers are in."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        places = np.empty(len(self.order), np.int64)
        places[self.order] = np.arange(len(self.order))
        return np.searchsorted(self.starts, places[rows], side="right") - 1


class Each(Protocol):
    """Applies a function to items in several threads; gives the results in the order of the items."""

    def __call__(self, look: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Yield what `look` returns for each item."""
        ...


def clusters_of(vectors: "Rows", folder: Path, label: str) -> Clusters:
    """Put vectors into 2 √n clusters, so that centres and the vectors of a few clusters take about the same time.

    Args:
        vectors: (n, d) unit rows, at least one.
        folder: takes the temporary file of vectors that lie on disk: n x d x 2 bytes in half precision.
        label: says in the display of progress what they are searched for.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    count = min(len(vectors), int(2 * len(vectors) ** 0.5))
    say(f"{label}: {len(vectors):,} texts are put into {count:,} clusters")
    with threads() as each:
        centres = _centres(vectors, count, each)
        labels = np.empty(len(vectors), np.int32)
        with Progress(label, len(vectors), "texts put into clusters") as progress:
            start = 0
            for found in each(lambda part: _nearest(vectors[part], centres), _parts(len(vectors))):
                labels[start : start + len(found)] = found
                start += len(found)
                progress.advance(len(found))
    order = np.argsort(labels, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(labels, minlength=count))))
    arranged = (
        vectors.arranged(order, folder) if isinstance(vectors, StoredRows) else vectors[order]
    )
    return Clusters(centres, starts, order, arranged)


@contextmanager
def threads() -> Iterator[Each]:
    """Give a way to work in as many threads as a product would take; each product then has one."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only when searching

    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - heavy: only when searching

    blas = ThreadpoolController().select(user_api="blas")
    workers = max((library["num_threads"] for library in blas.info()), default=1)
    with blas.limit(limits=1), ThreadPoolExecutor(workers) as pool:

        def each(look: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
            rest = iter(items)
            while some := list(islice(rest, 4 * workers)):
                yield from pool.map(look, some)

        yield each


def _centres(vectors: "Rows", count: int, each: Each) -> "NDArray[np.float32]":
    """Return the centres of `count` clusters: k-means over up to 64 vectors each, begun with as many of them."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    drawn = np.random.default_rng(_SEED).permutation(len(vectors))[: _PER_CENTRE * count]
    centres, drawn = vectors[drawn[:count]], np.sort(drawn)
    for _ in range(_STEPS):
        sums = np.zeros(centres.shape, np.float64)
        sizes = np.zeros(count, np.int64)

        def look(
            part: slice, centres: "NDArray[np.float32]" = centres
        ) -> "tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]":
            rows = vectors[drawn[part]]
            return _summed(rows, _nearest(rows, centres))

        for labels, counts, added in each(look, _parts(len(drawn))):
            sums[labels] += added
            sizes[labels] += counts
        held = sizes > 0  # a centre that nothing is near to stays where it is
        centres = centres.copy()
        centres[held] = sums[held] / sizes[held, None]
    return centres


def _summed(
    rows: "NDArray[np.float32]", labels: "NDArray[np.int64]"
) -> "tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]":
    """Return the labels that occur, how often each does, and the sums of their rows."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    order = np.argsort(labels, kind="stable")
    found, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    return found, counts, np.add.reduceat(rows[order], starts, axis=0)


def _nearest(rows: "NDArray[np.float32]", centres: "NDArray[np.float32]") -> "NDArray[np.int64]":
    """Return for each row the centre at the smallest distance, of equal ones the first."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    halves = np.square(centres).sum(axis=1) / 2
    nearest: NDArray[np.int64] = (rows @ centres.T - halves).argmax(axis=1)
    return nearest


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + _AT_ONCE) for start in range(0, count, _AT_ONCE))
