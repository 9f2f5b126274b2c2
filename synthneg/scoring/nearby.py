"""Search of the nearest clusters alone, for many queries at once.

A score counts for a query from a bound on: for its own passage's rank that passage's score, for near copies a fixed
one. A query looks at the clusters whose centre comes within a margin of its bound, so that one with a high bound looks
at few; and at no more than a number of them, the nearest. Of what is looked at, each score is the exact one.

Clusters are read one after the other, each for all queries of a block that look at it; so memory is that of a block.
The same vectors, queries and reach give the same result, whatever the number of threads.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from synthneg.scoring.centres import Each, clusters_of, threads
from synthneg.scoring.margin import Reach
from synthneg.scoring.pairs import BestPairs, Pairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

R = TypeVar("R")

_BLOCK_VALUES = 2**23  # numbers of the queries of a block: 32 MB
_QUERIES, _VECTORS = 1024, 2048  # of a product, 8 MB
_READ_VALUES = 2**21  # numbers of neighbouring clusters that are read at a time
_NEAREST = 8  # clusters that a near copy of a vector may be in, if not in the same


class Nearby:
    """Vectors in clusters, to be searched by scores above a bound."""

    def __init__(self, vectors: "Rows", folder: Path, label: str) -> None:
        """Put (n, d) unit rows into clusters; see `clusters_of`."""
        self._vectors, self._clusters = vectors, clusters_of(vectors, folder, label)
        self._looked_at = 0  # pairs of query and vector
        self._asked = 0  # queries

    @property
    def looked_at(self) -> float:
        """Which share of the vectors a query has looked at so far, on the average."""
        return self._looked_at / max(1, self._asked * len(self._clusters.order))

    @property
    def sizes(self) -> "NDArray[np.int64]":
        """How many vectors each cluster holds."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        return np.diff(self._clusters.starts)

    def labels(self, rows: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """Return the clusters that the vectors of these numbers are in."""
        return self._clusters.labels(rows)

    def gaps(
        self, queries: "NDArray[np.float32]", bounds: "NDArray[np.float32]"
    ) -> "NDArray[np.float32]":
        """Return (q, clusters): how far below a query's bound each centre scores, the margin that looks at it."""
        return bounds[:, None] - queries @ self._clusters.centres.T

    def counts(
        self, queries: "NDArray[np.float32]", bounds: "NDArray[np.float32]"
    ) -> "NDArray[np.int64]":
        """Return (q, clusters): how many vectors of each cluster score above a query's bound, all being looked at."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        found = np.zeros((len(queries), len(self._clusters.centres)), np.int64)
        everyone, before = np.arange(len(queries)), self._looked_at
        with threads() as each:
            for cluster, some, counted in self._look(
                queries, lambda _: everyone, _counting(bounds), each
            ):
                found[some, cluster] += counted
        self._looked_at = before  # a sample that looks at everything is no query
        return found

    def count_above(
        self,
        queries: "Rows",
        of: "NDArray[np.int64]",
        bounds: "NDArray[np.float32]",
        reach: Reach,
        enough: int,
    ) -> "Iterator[NDArray[np.int64]]":
        """Yield, a block after the other, how many vectors score above each bound: at most as many as there are.

        Args:
            queries: vectors.
            of: (q,) which of them each bound is of.
            bounds: (q,).
            reach: which clusters each query looks at.
            enough: a query that has found so many looks no further, once it is through with the nearer clusters.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        for block in self._blocks(len(bounds), queries.shape[1]):
            asked, least = queries[of[block]], bounds[block]
            counts = np.zeros(len(asked), np.int64)
            with threads() as each:
                for wanted in self._wanted(asked, least, reach.steps, reach.clusters, each):
                    going = counts < enough

                    def open_ones(
                        cluster: int, wanted: _Wanted = wanted, going: "NDArray[np.bool_]" = going
                    ) -> "NDArray[np.int64]":
                        found = wanted.queries(cluster)
                        return found[going[found]]

                    for _, some, counted in self._look(asked, open_ones, _counting(least), each):
                        counts[some] += counted
            self._asked += len(asked)
            yield counts

    def pairs_within(self, bound: float, reach: Reach, k: int) -> Iterator[Pairs]:
        """Yield, a block after the other, for each of the vectors those that score from `bound` on, the k best.

        Args:
            bound: one for all.
            reach: as with `count_above`; the clusters of the 8 nearest centres, a vector's own among them, are always
                looked at.
            k: most that a vector is given, itself included.
        """
        for block in self._blocks(len(self._vectors), self._vectors.shape[1]):
            asked = self._vectors[block]
            best = BestPairs(len(asked), bound, k)

            def use(
                _: int,
                place: int,
                some: "NDArray[np.int64]",
                scores: "NDArray[np.float32]",
                best: BestPairs = best,
            ) -> Pairs:
                above = best.above(some, scores)
                return above._replace(rows=self._clusters.order[above.rows + place])

            with threads() as each:
                of = [reach.margin], reach.clusters
                [wanted] = self._wanted(asked, best.least, *of, each, _NEAREST)
                for pairs in self._look(asked, wanted.queries, use, each):
                    best.take(pairs)
            self._asked += len(asked)
            found = best.found()
            yield found._replace(queries=found.queries + block.start)

    def _blocks(self, queries: int, dimension: int) -> Iterator[slice]:
        size = max(_QUERIES, _BLOCK_VALUES // max(1, dimension) // _QUERIES * _QUERIES)
        return (slice(start, start + size) for start in range(0, queries, size))

    def _wanted(
        self,
        queries: "NDArray[np.float32]",
        bounds: "NDArray[np.float32]",
        margins: Sequence[float],
        clusters: int,
        each: Each,
        nearest: int = 0,
    ) -> "list[_Wanted]":
        """Return for each of the rising margins which queries look at which clusters, and not by an earlier one.

        Each looks at no more than `clusters`; at those with the `nearest` centres in any case.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        shape = len(self._clusters.centres), -(-len(queries) // _QUERIES) * _QUERIES // 8
        halves = np.square(self._clusters.centres).sum(axis=1, keepdims=True) / 2
        nearest = min(nearest, shape[0])
        wanted = [_Wanted(np.zeros(shape, np.uint8), len(queries)) for _ in margins]

        def look(start: int) -> None:
            some = slice(start, start + _QUERIES)
            scores = self._clusters.centres @ queries[some].T
            gaps = bounds[some] - scores
            if clusters < len(gaps):
                last = np.partition(gaps, clusters - 1, axis=0)[clusters - 1]
                gaps[gaps > last] = np.inf
            if nearest:
                near = np.argpartition(halves - scores, nearest - 1, axis=0)[:nearest]
                np.put_along_axis(gaps, near, np.float32(-np.inf), axis=0)
            before = np.zeros(gaps.shape, bool)
            for of, margin in zip(wanted, margins, strict=True):
                within = gaps <= margin
                packed = np.packbits(within & ~before, axis=1)
                of.bits[:, start // 8 : start // 8 + packed.shape[1]] = packed
                before = within

        for _ in each(look, range(0, len(queries), _QUERIES)):
            pass
        return wanted

    def _look(
        self,
        queries: "NDArray[np.float32]",
        wanted: "Callable[[int], NDArray[np.int64]]",
        use: "Callable[[int, int, NDArray[np.int64], NDArray[np.float32]], R]",
        each: Each,
    ) -> Iterator[R]:
        """Yield what `use` makes of the scores of the queries that want a cluster, one cluster after the other.

        It gets the cluster, the place of the first vector, (m,) queries, and their scores, (m, vectors).
        """
        starts = self._clusters.starts

        def look(span: tuple[int, int]) -> tuple[list[R], int]:
            first, end = span
            found, looked_at, place = [], 0, int(starts[first])
            asking = [(cluster, wanted(cluster)) for cluster in range(first, end)]
            if not any(len(some) for _, some in asking):
                return [], 0
            vectors = self._clusters.vectors[place : int(starts[end])]
            for cluster, members in asking:
                rows = vectors[int(starts[cluster]) - place : int(starts[cluster + 1]) - place]
                looked_at += len(members) * len(rows)
                for one in range(0, len(members), _QUERIES):
                    some = members[one : one + _QUERIES]
                    asked = queries[some]
                    for row in range(0, len(rows), _VECTORS):
                        scores = asked @ rows[row : row + _VECTORS].T
                        at = int(starts[cluster]) + row
                        found.append(use(cluster, at, some, scores))
            return found, looked_at

        for part, looked_at in each(look, self._spans()):
            self._looked_at += looked_at
            yield from part

    def _spans(self) -> Iterator[tuple[int, int]]:
        """Yield (first, end) of neighbouring clusters that are read together."""
        starts = self._clusters.starts
        most = max(1, _READ_VALUES // max(1, self._clusters.vectors.shape[1]))
        first = 0
        for end in range(1, len(starts)):
            if end + 1 == len(starts) or starts[end + 1] - starts[first] > most:
                yield first, end
                first = end


class _Wanted(NamedTuple):
    """Which queries look at which clusters."""

    bits: "NDArray[np.uint8]"  # (clusters, queries / 8)
    asked: int  # queries of the block

    def queries(self, cluster: int) -> "NDArray[np.int64]":
        """Return those that look at a cluster, in rising order."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        return np.flatnonzero(np.unpackbits(self.bits[cluster], count=self.asked))


def _counting(
    bounds: "NDArray[np.float32]",
) -> "Callable[[int, int, NDArray[np.int64], NDArray[np.float32]], tuple[int, NDArray[np.int64], NDArray[np.int64]]]":
    """Return what counts the scores above the queries' bounds: it gives cluster, queries and counts."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    def use(
        cluster: int, _: int, some: "NDArray[np.int64]", scores: "NDArray[np.float32]"
    ) -> "tuple[int, NDArray[np.int64], NDArray[np.int64]]":
        above = np.flatnonzero(
            scores > bounds[some, None]
        )  # few: faster than the sum of what is true
        return cluster, some, np.bincount(above // scores.shape[1], minlength=len(some))

    return use
