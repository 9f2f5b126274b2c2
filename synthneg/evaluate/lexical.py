"""BM25, the ranking that a dense model has to beat."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from synthneg.evaluate.collection import Collection
from synthneg.progress import track
from synthneg.scoring.search import best_first

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Anserini's values for BEIR's "flat" index, which the published figures were made with.
_K1, _B = 0.9, 0.4


def bm25_rank(
    collection: Collection, depth: int
) -> "Iterator[tuple[str, NDArray[np.int64], NDArray[np.float32]]]":
    """Yield each query's id and its best `depth` documents: their indices, best first, and scores above 0.

    Lucene's BM25 over title and text, k1 0.9, b 0.4, English stopwords and Snowball stems; a document that shares
    no word with the query is not found.
    """
    import bm25s  # noqa: PLC0415 - heavy: only when evaluating
    import Stemmer  # noqa: PLC0415 - heavy: only when evaluating

    def words(texts: list[str]) -> list[list[str]]:
        tokens: list[list[str]] = bm25s.tokenize(
            texts,
            stopwords="en",
            stemmer=Stemmer.Stemmer("english"),
            return_ids=False,
            show_progress=False,
        )
        return tokens

    documents = words(list(collection.document_texts))
    queries = words(list(collection.queries.values()))
    if not any(documents):
        documents = [["\0"], *documents[1:]]  # the library cannot index a corpus without a word
    index = bm25s.BM25(method="lucene", k1=_K1, b=_B)
    index.index(documents, show_progress=False)
    for id, query in track(
        zip(collection.queries, queries, strict=True), "rank (bm25)", "queries", len(queries)
    ):
        known = [word for word in query if word in index.vocab_dict]
        scores = index.get_scores(known) if known else None
        yield (id, *_found(scores, depth))


def _found(
    scores: "NDArray[np.float32] | None", depth: int
) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    import numpy as np  # noqa: PLC0415 - heavy: only when evaluating

    if scores is None:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    best = best_first(scores, min(depth, len(scores)))
    best = best[scores[best] > 0]
    return best, scores[best]
