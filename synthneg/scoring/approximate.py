"""Search that looks at the nearest clusters of a large corpus alone, and says what it misses."""

from typing import TYPE_CHECKING, Any

from synthneg.errors import require
from synthneg.progress import say
from synthneg.scoring.search import shards, top_k

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

_RECALL = 0.95  # of the exact neighbours, on the queries that are asked first
_MEASURED = 256  # of them
_PER_CENTRE = 64  # vectors that a cluster's centre is made of
_SPARE = 2  # times as many found as wanted, since a vector is stored in a byte a dimension


def check_approximate() -> None:
    """Raise MissingExtra unless the library is installed."""
    require("faiss", "faiss", "mine.approximate_above")


class ApproximateSearch:
    """The k nearest of many vectors, by faiss: an inverted file of 2 √n clusters (Jégou et al., 2011).

    How many clusters are looked through is measured on the first queries: twice as many until 95 % of their exact
    neighbours are found. Scores are exact. The same vectors and first queries give the same result.
    """

    def __init__(self, vectors: "Rows") -> None:
        """Index (n, d) unit rows; the index takes n x d bytes.

        Raises:
            MissingExtra: faiss is not installed.
        """
        check_approximate()
        import faiss  # noqa: PLC0415 - an extra

        dimension, self._clusters = (
            vectors.shape[1],
            min(len(vectors), int(2 * len(vectors) ** 0.5)),
        )
        say(f"mine: {len(vectors):,} passages are put into {self._clusters:,} clusters")
        kind = faiss.ScalarQuantizer.QT_8bit
        centres = faiss.IndexFlatIP(dimension)
        index = faiss.IndexIVFScalarQuantizer(
            centres, dimension, self._clusters, kind, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.max_points_per_centroid = _PER_CENTRE
        index.cp.min_points_per_centroid = 1
        index.train(vectors[_drawn(len(vectors), _PER_CENTRE * self._clusters)])
        for _, shard in shards(vectors):
            index.add(shard)
        self._vectors, self._index = vectors, index
        self._measured = False

    def top_k(
        self, queries: "NDArray[np.float32]", k: int
    ) -> "list[tuple[NDArray[np.int64], NDArray[np.float32]]]":
        """Return for each query the rows of up to k vectors, best first, and their cosines; of equal ones the first."""
        if not self._measured:
            self._look_far_enough(queries[:_MEASURED], k)
        return [
            self._best(*found, k) for found in zip(queries, self._nearby(queries, k), strict=True)
        ]

    def _nearby(self, queries: "NDArray[np.float32]", k: int) -> Any:
        return self._index.search(queries, min(_SPARE * k, len(self._vectors)))[1]

    def _best(
        self, query: "NDArray[np.float32]", near: "NDArray[np.int64]", k: int
    ) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        rows = np.sort(near[near >= 0])
        cosines = self._vectors[rows] @ query
        order = np.argsort(-cosines, kind="stable")[:k]
        return rows[order], cosines[order]

    def _look_far_enough(self, queries: "NDArray[np.float32]", k: int) -> None:
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        exact, _ = top_k(queries, self._vectors, k)
        probed = 1
        while True:
            self._index.nprobe = probed
            found = [
                self._best(*one, k)[0]
                for one in zip(queries, self._nearby(queries, k), strict=True)
            ]
            recall = float(
                np.mean([np.isin(right, of) for right, of in zip(exact, found, strict=True)])
            )
            if recall >= _RECALL or probed == self._clusters:
                break
            probed = min(2 * probed, self._clusters)
        self._measured = True
        say(
            f"mine: {probed:,} of {self._clusters:,} clusters are looked through for each query, which finds"
            f" {recall:.1%} of the {exact.shape[1]} nearest passages of {len(queries)} queries"
        )


def _drawn(count: int, most: int) -> "NDArray[np.int64]":
    """Return up to `most` of `count` rows, drawn with a seed that never changes, in rising order."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    return np.sort(np.random.default_rng(0).permutation(count)[:most])
