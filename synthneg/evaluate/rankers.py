"""How a model ranks a collection: by what it is, which its files say.

A bi-encoder by its vectors, a sparse one by weights of terms, a multi-vector one by MaxSim, each over all documents. A
cross-encoder reads every pair, so it reranks what another has found first; what is beyond that depth follows in the
first stage's order.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthneg.config import RerankConfig
from synthneg.evaluate.collection import Collection
from synthneg.evaluate.measure import bm25_rank, dense_rank
from synthneg.progress import Progress
from synthneg.scoring.base import Reranker
from synthneg.scoring.encoder import load_encoder
from synthneg.scoring.kind import kind_of
from synthneg.scoring.late import LateEncoder
from synthneg.scoring.reranker import load_reranker
from synthneg.scoring.search import best_first
from synthneg.scoring.terms import TermEncoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.evaluate.measure import Ranking

Ranker = Callable[[Collection, int], "Iterator[Ranking]"]
BM25 = "bm25"
_QUERIES = 64  # whose scores for all documents are held at a time


@dataclass(frozen=True, slots=True)
class Reading:
    """How models read."""

    batch_size: int  # texts per forward pass
    max_length: int | None = (
        None  # tokens kept of a text, or of a pair; None: what each model itself keeps
    )
    vectors: Path | None = None  # folder of the caches of vectors and scores; None: no cache


def open_ranker(name: str, reading: Reading, rerank: RerankConfig) -> Ranker:
    """Return how the model `name` ranks; it is loaded.

    Args:
        name: a folder or a name on the Hub.
        reading: how it reads.
        rerank: what a cross-encoder reranks.

    Raises:
        ModelError: a model cannot be loaded, or the first stage is a cross-encoder itself.
    """
    kind = kind_of(name)
    batch, most = reading.batch_size, reading.max_length
    if kind == "cross-encoder":
        reranker = load_reranker(name, batch_size=batch, max_length=most, scores=reading.vectors)
        return partial(_reranked, reranker, first_stage(reading, rerank), rerank.depth)
    if kind == "sparse":
        return partial(_ranked, TermEncoder(name, batch_size=batch, max_length=most))
    if kind == "multi-vector":
        return partial(_ranked, LateEncoder(name, batch_size=batch, max_length=most))
    encoder = load_encoder(
        name, batch_size=batch, max_length=most, vectors=reading.vectors, as_trained=True
    )
    return lambda collection, depth: dense_rank(collection, encoder, depth)


def first_stage(reading: Reading, rerank: RerankConfig) -> Ranker:
    """Return who ranks before a cross-encoder does."""
    if rerank.first_stage == BM25:
        return bm25_rank
    return open_ranker(rerank.first_stage, reading, RerankConfig())


def _ranked(
    encoder: TermEncoder | LateEncoder, collection: Collection, depth: int
) -> "Iterator[Ranking]":
    """Yield rankings by a model that scores blocks of queries against all documents."""
    encoder.index(collection.document_texts)
    ids, texts = list(collection.queries), list(collection.queries.values())
    with Progress(f"rank ({Path(encoder.name).name})", len(ids), "queries") as progress:
        for start in range(0, len(ids), _QUERIES):
            part = ids[start : start + _QUERIES]
            for id, scores in zip(
                part, encoder.scores(texts[start : start + _QUERIES]), strict=True
            ):
                best = best_first(scores, min(depth, len(scores)))
                yield id, best, scores[best]
            progress.advance(len(part))


def _reranked(
    reranker: Reranker, first: Ranker, most: int, collection: Collection, depth: int
) -> "Iterator[Ranking]":
    """Yield the first stage's rankings, the best `most` of each in the reranker's order."""
    found = list(first(collection, depth))
    pairs = [
        (collection.queries[id], collection.document_texts[i])
        for id, indices, _ in found
        for i in indices[:most].tolist()
    ]
    scores = reranker.score(pairs)
    start = 0
    for id, indices, _ in found:
        count = min(most, len(indices))
        yield id, *_in_order(indices, scores[start : start + count])
        start += count


def _in_order(
    indices: "NDArray[np.int64]", scores: "NDArray[np.float32]"
) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """Return the indices with the first of them in the order of `scores`, and falling scores for all of them."""
    import numpy as np  # noqa: PLC0415 - heavy: only when evaluating

    order = np.argsort(-scores, kind="stable")
    rest = indices[len(scores) :]
    below = (scores.min() if len(scores) else np.float32(0)) - 1 - np.arange(len(rest))
    return (
        np.concatenate([indices[: len(scores)][order], rest]),
        np.concatenate([scores[order], below]).astype(np.float32),
    )


def names_a_cross_encoder(models: Sequence[Any]) -> bool:
    """Whether any of the models is the name of a cross-encoder."""
    return any(isinstance(model, str) and kind_of(model) == "cross-encoder" for model in models)
