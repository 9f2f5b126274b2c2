"""The scores that verdicts are made of: cosines, and the rank of a query's own passage in the whole corpus."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, SupportsFloat, TypeVar

from synthneg.errors import RunError
from synthneg.progress import Progress
from synthneg.records import Document, Passage, Query, Score
from synthneg.scoring.encoder import Encoder
from synthneg.verify.grouped import Grouped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

G = TypeVar("G")

# Texts per call of the encoder, which batches them further and keeps what it has encoded of them after a kill.
_BLOCK_TEXTS = 8192
_BLOCK_VALUES = 2**24  # similarities held at a time: 64 MB
# Two products of the same vectors may differ by rounding; a passage is nearer only by more than that.
_TIE = 1e-6
_DECIMALS = 6  # of a stored score: float32 holds no more


@dataclass(frozen=True, slots=True)
class CorpusVectors:
    """All passages as unit vectors; `rows` gives the place of each id."""

    rows: dict[str, int]
    vectors: "NDArray[np.float32]"  # (passages, dimensions)


@dataclass(frozen=True, slots=True)
class Candidates:
    """A query and its documents, the positive passage first."""

    query: Query
    documents: list[Document]


def encode_corpus(encoder: Encoder, passages: Iterable[Passage], count: int) -> CorpusVectors:
    """Return the vectors of the `count` passages, title and text together."""
    import numpy as np  # noqa: PLC0415 - heavy: only when encoding

    rows: dict[str, int] = {}
    vectors = np.zeros((count, 0), np.float32)
    with Progress("verify.queries", count, "passages encoded") as progress:
        for batch in _blocks(passages, lambda _: 1):
            encoded = encoder.encode([p.full_text for p in batch], "document")
            if not rows:
                vectors = np.zeros((count, encoded.shape[1]), np.float32)
            vectors[len(rows) : len(rows) + len(batch)] = encoded
            rows.update({p.id: len(rows) + i for i, p in enumerate(batch)})
            progress.advance(len(batch))
    return CorpusVectors(rows, vectors)


def score_queries(
    encoder: Encoder, queries: Grouped[Query], corpus: CorpusVectors
) -> Iterator[Score]:
    """Yield the scores of each query, those of one passage together.

    `cosine` and `rank` are of the query's own passage: the rank is 1 + the passages that are nearer, counted over the
    whole corpus. `cosine_to_query` is to each earlier query of the same passage, whose id stands as document_id.

    Args:
        encoder: gives the vectors.
        queries: grouped by passage_id.
        corpus: the whole corpus.

    Raises:
        RunError: a query's passage is not in the corpus.
    """
    with Progress("verify.queries", len(queries), "queries scored") as progress:
        for block in _blocks((queries[id] for id in queries.keys()), len):
            flat = list(chain.from_iterable(block))
            vectors = encoder.encode([q.text for q in flat], "query")
            own = corpus.vectors[[_row(corpus, q) for q in flat]]
            cosines = (vectors * own).sum(axis=1)
            ranks = 1 + _nearer(vectors, corpus.vectors, cosines)
            start = 0
            for group in block:
                among = vectors[start : start + len(group)]
                for place, query in enumerate(group, start):
                    yield _score(query.id, query.passage_id, "cosine", cosines[place])
                    yield _score(query.id, query.passage_id, "rank", ranks[place])
                    earlier = place - start
                    cosines_to = among[:earlier] @ vectors[place]
                    for other, cosine in zip(group[:earlier], cosines_to, strict=True):
                        yield _score(query.id, other.id, "cosine_to_query", cosine)
                start += len(group)
            progress.advance(len(flat))


def score_documents(
    encoder: Encoder, candidates: Iterable[Candidates], count: int
) -> Iterator[Score]:
    """Yield, for each written document, `cosine` (to its query) and `cosine_to_positive`.

    Args:
        encoder: gives the vectors.
        candidates: the documents of `count` queries.
        count: for the display of progress.
    """
    with Progress("verify.documents", count, "queries scored") as progress:
        for block in _blocks(candidates, lambda c: len(c.documents)):
            asked = encoder.encode([c.query.text for c in block], "query")
            flat = [d.full_text for c in block for d in c.documents]
            found = encoder.encode(flat, "document")
            start = 0
            for query, one in zip(asked, block, strict=True):
                vectors = found[start : start + len(one.documents)]
                start += len(one.documents)
                cosines, to_positive = vectors @ query, vectors @ vectors[0]
                for i, document in enumerate(one.documents[1:], start=1):
                    ids = (one.query.id, document.id)
                    yield _score(*ids, "cosine", cosines[i])
                    yield _score(*ids, "cosine_to_positive", to_positive[i])
            progress.advance(len(block))


def _score(query_id: str, document_id: str, scorer: str, value: SupportsFloat) -> Score:
    return Score(query_id, document_id, scorer, round(float(value), _DECIMALS))


def _row(corpus: CorpusVectors, query: Query) -> int:
    try:
        return corpus.rows[query.passage_id]
    except KeyError as error:
        raise RunError(
            f"query {query.id} was written from passage {query.passage_id}, which the corpus does not hold any more;"
            " generate the queries again"
        ) from error


def _nearer(
    queries: "NDArray[np.float32]",
    passages: "NDArray[np.float32]",
    own: "NDArray[np.float32]",
) -> "NDArray[np.int64]":
    """Return how many passages are nearer to each query than its own, whose cosine is in `own`."""
    import numpy as np  # noqa: PLC0415 - heavy: only when scoring

    nearer = np.zeros(len(queries), np.int64)
    bounds = own[:, None] + _TIE
    step = max(1, _BLOCK_VALUES // len(queries))
    for start in range(0, len(passages), step):
        nearer += (queries @ passages[start : start + step].T > bounds).sum(axis=1)
    return nearer


def _blocks(groups: Iterable[G], texts: Callable[[G], int]) -> Iterator[list[G]]:
    """Yield the groups in lists of about `_BLOCK_TEXTS` texts; the last list is shorter, none is empty."""
    block: list[G] = []
    size = 0
    for group in groups:
        block.append(group)
        size += texts(group)
        if size >= _BLOCK_TEXTS:
            yield block
            block, size = [], 0
    if block:
        yield block
