"""Passages near a passage, for queries over two of them, and near a query, to be made into hard negatives."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from synthneg.config import DocumentChecks
from synthneg.corpus.check import draw
from synthneg.files import fingerprint
from synthneg.records import Mined, Passage, Query, Related
from synthneg.run import Run
from synthneg.scoring.base import Encoder
from synthneg.scoring.bound import negative_bound
from synthneg.scoring.choice import chosen
from synthneg.scoring.corpus import BLOCK_TEXTS, CorpusVectors, encode_corpus, row_of
from synthneg.scoring.known import NEAR_COPY, document_of, numbered
from synthneg.scoring.search import best_first, top_k

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WINDOW = 10  # nearest passages from which the related one is drawn
_DEPTH = 30  # ranks in which a passage is looked for that can become a hard negative
_BLOCK_VALUES = 2**24  # similarities held at a time: 64 MB
_DECIMALS = 6  # of a written cosine: float32 holds no more


def write_related(run: Run, encoder: Callable[[], Encoder], model: str) -> None:
    """Write related.jsonl, for each passage that gets queries another one, unless it stands.

    It is one of the 10 nearest of its split, drawn by the passage's id and the run's seed; near copies and pieces of
    the same document do not count. A passage that has none gets no row.

    Args:
        run: its corpus has been read, and its passages chosen.
        encoder: loads it.
        model: a fingerprint of it.
    """
    config = run.config.corpus
    decisive = (config.limit, config.sample, config.clusters, run.config.seed, model)
    inputs = fingerprint(*decisive, run.file("passages.jsonl"))

    def found() -> Iterator[Related]:
        return _related(run, encode_corpus(run, encoder()))

    run.view("related.jsonl", inputs, found)


def write_mined(run: Run, encoder: Callable[[], Encoder], model: str) -> None:
    """Write mined.jsonl, for each verified query a passage that is near it and no answer, unless it stands.

    The nearest that the positive-aware bound lets pass, and that is no near copy of a positive; a query for which none
    of the 30 nearest is one gets no row.

    Args:
        run: its queries have been verified.
        encoder: loads it.
        model: a fingerprint of it.
    """
    run.need("verify.queries")
    checks = run.config.verify.documents
    bounds = (checks.max_negative_share, checks.min_negative_margin)
    files = (run.file("passages.jsonl"), run.file("verified_queries.jsonl"))
    inputs = fingerprint(*bounds, checks.max_similarity_to_positive, model, *files)

    def found() -> Iterator[Mined]:
        loaded = encoder()
        return _mined(run, loaded, encode_corpus(run, loaded))

    run.view("mined.jsonl", inputs, found)


def _related(run: Run, corpus: CorpusVectors) -> Iterator[Related]:
    ids = list(corpus.rows)
    documents = numbered(map(document_of, ids))
    splits = numbered(passage.split for passage in run.read("passages.jsonl", Passage))
    wanted = (corpus.rows[passage.id] for passage in chosen(run, run.config.corpus.limit))
    while rows := list(islice(wanted, max(1, _BLOCK_VALUES // len(ids)))):
        cosines = corpus.vectors[rows] @ corpus.vectors.T
        for row, near in zip(rows, cosines, strict=True):
            allowed = (documents != documents[row]) & (splits == splits[row])
            allowed[row] = False
            candidates = nearest(near, allowed & (near < NEAR_COPY), _WINDOW)
            if len(candidates):
                number = draw("related", run.config.seed, ids[row]) % len(candidates)
                other = int(candidates[number])
                yield Related(ids[row], ids[other], _rounded(near[other]))


def _mined(run: Run, encoder: Encoder, corpus: CorpusVectors) -> Iterator[Mined]:
    ids = list(corpus.rows)
    queries = run.read("verified_queries.jsonl", Query)
    while block := list(islice(queries, BLOCK_TEXTS)):
        vectors = encoder.encode([query.text for query in block], "query")
        found, cosines = top_k(vectors, corpus.vectors, _DEPTH)
        for query, vector, rows, near in zip(block, vectors, found, cosines, strict=True):
            positives = [row_of(corpus, query, id) for id in (query.passage_id, *query.also)]
            of_positives = corpus.vectors[positives]
            place = hardest_safe(
                near,
                (corpus.vectors[rows] @ of_positives.T).max(axis=1),
                float(of_positives[0] @ vector),
                run.config.verify.documents,
            )
            if place is not None:
                yield Mined(query.id, ids[rows[place]], place + 1, _rounded(near[place]))


def nearest(
    cosines: "NDArray[np.float32]", allowed: "NDArray[np.bool_]", count: int
) -> "NDArray[np.int64]":
    """Return the `count` rows with the largest cosines among those allowed, best first; fewer where there are fewer.

    >>> import numpy as np
    >>> nearest(np.array([0.1, 0.9, 0.5]), np.array([True, False, True]), 2).tolist()
    [2, 0]
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    (rows,) = np.nonzero(allowed)
    count = min(count, len(rows))
    return rows[best_first(cosines[rows], count)] if count else rows[:0]


def hardest_safe(
    cosines: "NDArray[np.float32]",
    to_positives: "NDArray[np.float32]",
    positive: float,
    checks: DocumentChecks,
) -> int | None:
    """Return the place of the nearest candidate that may be a negative; None where there is none.

    Args:
        cosines: (k,) of the candidates to the query, best first.
        to_positives: (k,) of each to that of the query's positives which is nearest to it; a positive itself has 1.
        positive: cosine of the query to the passage that it was written from.
        checks: the bounds that a written negative must keep.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    bound = negative_bound(positive, checks.max_negative_share, checks.min_negative_margin)
    limit = min(checks.max_similarity_to_positive, NEAR_COPY)
    (safe,) = np.nonzero((cosines < bound) & (to_positives < limit))
    return int(safe[0]) if len(safe) else None


def _rounded(value: "np.float32") -> float:
    return round(float(value), _DECIMALS)
