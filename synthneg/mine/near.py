"""Passages near a passage, for queries over two of them, and near a query, to be made into hard negatives."""

from collections.abc import Callable, Iterator, Sequence
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
from synthneg.scoring.search import top_k

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

    Near = tuple[NDArray[np.int64], NDArray[np.float32]]  # rows, best first, and their cosines
    May = Callable[[int, NDArray[np.int64], NDArray[np.float32]], NDArray[np.bool_]]

_WINDOW = 10  # nearest passages from which the related one is drawn
_DEPTH = 30  # ranks in which a passage is looked for that can become a hard negative
_BLOCK = 1024  # passages whose neighbours are looked for together
_FIRST_DEPTH = 128  # ranks: a tenth of the corpus is of another split
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
    documents = numbered(map(document_of, corpus.ids))
    splits = numbered(passage.split for passage in run.read("passages.jsonl", Passage))

    def may(
        row: int, near: "NDArray[np.int64]", cosines: "NDArray[np.float32]"
    ) -> "NDArray[np.bool_]":
        found: NDArray[np.bool_] = (documents[near] != documents[row]) & (near != row)
        found &= (splits[near] == splits[row]) & (cosines < NEAR_COPY)
        return found

    found = (corpus.ids.row(passage.id) for passage in chosen(run, run.config.corpus.limit))
    wanted = (row for row in found if row is not None)
    while rows := list(islice(wanted, _BLOCK)):
        beside = nearest(corpus.vectors, rows, may, _WINDOW)
        for row, (near, cosines) in zip(rows, beside, strict=True):
            if len(near):
                number = draw("related", run.config.seed, corpus.ids[row]) % len(near)
                other = corpus.ids[int(near[number])]
                yield Related(corpus.ids[row], other, _rounded(cosines[number]))


def _mined(run: Run, encoder: Encoder, corpus: CorpusVectors) -> Iterator[Mined]:
    queries = run.read("verified_queries.jsonl", Query)
    while block := list(islice(queries, BLOCK_TEXTS)):
        vectors = encoder.encode([query.text for query in block], "query")
        found, cosines = top_k(vectors, corpus.vectors, _DEPTH)
        for query, vector, rows, near in zip(block, vectors, found, cosines, strict=True):
            positives = [row_of(corpus, query.id, id) for id in (query.passage_id, *query.also)]
            of_positives = corpus.vectors[positives]
            place = hardest_safe(
                near,
                (corpus.vectors[rows] @ of_positives.T).max(axis=1),
                float(of_positives[0] @ vector),
                run.config.verify.documents,
            )
            if place is not None:
                yield Mined(
                    query.id, corpus.ids[int(rows[place])], place + 1, _rounded(near[place])
                )


def nearest(vectors: "Rows", rows: Sequence[int], may: "May", count: int) -> "list[Near]":
    """Return for each row the `count` nearest ones that `may` lets pass; fewer where there are fewer.

    The search goes deeper for those that lack some, as in a document of many pieces.

    Args:
        vectors: of all passages.
        rows: of those that others are looked for.
        may: says of a row, others and their cosines to it which of them count.
        count: how many are wanted.
    """
    found: dict[int, Near] = {}
    depth, left = _FIRST_DEPTH, list(dict.fromkeys(rows))
    while left:
        for row, near, cosines in zip(left, *top_k(vectors[left], vectors, depth), strict=True):
            passed = may(row, near, cosines)
            found[row] = near[passed][:count], cosines[passed][:count]
        left = [row for row in left if len(found[row][0]) < count and depth < len(vectors)]
        depth *= 4
    return [found[row] for row in rows]


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
