"""The best of what is found for each of many queries, in whatever order it comes."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ASIDE = 2**20  # pairs that are put aside before they are sorted


class Pairs(NamedTuple):
    """Queries and what was found for them, those of a query together, best first, of equal scores the lower row."""

    queries: "NDArray[np.int64]"
    rows: "NDArray[np.int64]"
    scores: "NDArray[np.float32]"


class BestPairs:
    """The k best of each query among those that score from a bound on; no more than some 16 MB beyond them.

    The result does not depend on the order in which pairs come.
    """

    def __init__(self, queries: int, bound: float, k: int) -> None:
        """Begin with nothing found for any of `queries`."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        self.least = np.full(queries, bound, np.float32)  # what scores below is none of them
        self._k = k
        self._kept = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
        self._aside: list[Pairs] = []
        self._waiting = 0

    def above(self, queries: "NDArray[np.int64]", scores: "NDArray[np.float32]") -> Pairs:
        """Return what may be among the best of the scores (queries, columns), with columns in place of rows."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        places = np.flatnonzero(scores >= self.least[queries, None])
        of, columns = np.divmod(places, scores.shape[1])
        return Pairs(queries[of], columns, scores[of, columns])

    def take(self, found: Pairs) -> None:
        """Take in what was found."""
        self._aside.append(found)
        self._waiting += len(found.rows)
        if self._waiting >= _ASIDE:
            self._sort()

    def found(self) -> Pairs:
        """Return the best of each query, in the order of the queries."""
        self._sort()
        return self._kept

    def _sort(self) -> None:
        """Keep the best of what was kept and what is aside."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        queries, rows, scores = map(np.concatenate, zip(self._kept, *self._aside, strict=True))
        order = np.lexsort((rows, -scores, queries))
        queries = queries[order]
        begins = np.searchsorted(queries, queries)  # where the pairs of the same query begin
        ranks = np.arange(len(queries)) - begins
        keep = ranks < self._k
        self._kept = Pairs(queries[keep], rows[order][keep], scores[order][keep])
        last = ranks == self._k - 1
        self.least[queries[last]] = scores[order][last]
        self._aside.clear()
        self._waiting = 0
