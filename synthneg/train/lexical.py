"""BM25 as a part of a teacher: it knows the names and numbers that an encoder of whole texts blurs."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from synthneg.records import Passage
from synthneg.scoring.lexical import Bm25, Pairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Lexical:
    """BM25 on the scale of cosines: `weight` for a query's best passage, less in proportion for any other text.

    Added to an encoder's cosines it ranks as neither does alone (`benchmarks/quality/teacher.py`).
    """

    def __init__(self, passages: Iterable[Passage], weight: float) -> None:
        """Index the passages, each found by its place; `weight` is above 0."""
        self._index = Bm25(passage.full_text for passage in passages)
        self._weight = weight

    def nearest(self, queries: Sequence[str], depth: int) -> "list[NDArray[np.int64]]":
        """Return the places of each query's first `depth` passages; fewer where fewer share a word with it."""
        return [places for places, _ in self._index.search(queries, depth)]

    def scores(self, queries: Sequence[str], documents: Sequence[str] | None = None) -> "Scores":
        """Return the scores of these queries with these texts, or with all passages, for parts of them."""
        import numpy as np  # noqa: PLC0415 - heavy: only when training

        best = [scores[0] if len(scores) else 1.0 for _, scores in self._index.search(queries, 1)]
        scale = self._weight / np.array(best, np.float32)
        return Scores(self._index.pairs(queries, documents), scale)


class Scores:
    """What is added to cosines, made where it is asked for."""

    def __init__(self, pairs: Pairs, scale: "NDArray[np.float32]") -> None:
        """Take in BM25's own scores, and what each query's are multiplied by, (queries,)."""
        self._pairs, self._scale = pairs, scale

    def __call__(
        self, queries: Sequence[int], documents: "Sequence[int] | NDArray[np.int64]"
    ) -> "NDArray[np.float32]":
        """Return (q, d) scores of queries and texts, both by their places."""
        found: NDArray[np.float32] = (
            self._pairs(queries, documents) * self._scale[list(queries), None]
        )
        return found
