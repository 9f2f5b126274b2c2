"""BM25, the ranking that a dense model has to beat."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from synthneg.scoring.search import best_first

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Anserini's values for BEIR's "flat" index, which the published figures were made with.
_K1, _B = 0.9, 0.4


class Bm25:
    """Lucene's BM25 over a corpus, k1 0.9, b 0.4, with English stopwords and Snowball stems."""

    def __init__(self, documents: Sequence[str]) -> None:
        """Index the texts; each is found by its place among them."""
        import bm25s  # noqa: PLC0415 - heavy: only when searching

        tokens = _words(documents)
        if not any(tokens):
            tokens = [["\0"], *tokens[1:]]  # the library cannot index a corpus without a word
        self._index = bm25s.BM25(method="lucene", k1=_K1, b=_B)
        self._index.index(tokens, show_progress=False)

    def search(
        self, queries: Sequence[str], k: int
    ) -> "list[tuple[NDArray[np.int64], NDArray[np.float32]]]":
        """Return for each query the places of its k best documents, best first, and their scores, all above 0.

        A document that shares no word with the query is not found, so there may be fewer than k.
        """
        return [self._search(words, k) for words in _words(queries)]

    def _search(self, query: list[str], k: int) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        known = [word for word in query if word in self._index.vocab_dict]
        if not known:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        scores = self._index.get_scores(known)
        best = best_first(scores, min(k, len(scores)))
        best = best[scores[best] > 0]
        return best, scores[best]


def _words(texts: Sequence[str]) -> list[list[str]]:
    import bm25s  # noqa: PLC0415 - heavy: only when searching
    import Stemmer  # noqa: PLC0415 - heavy: only when searching

    tokens: list[list[str]] = bm25s.tokenize(
        list(texts),
        stopwords="en",
        stemmer=Stemmer.Stemmer("english"),
        return_ids=False,
        show_progress=False,
    )
    return tokens
