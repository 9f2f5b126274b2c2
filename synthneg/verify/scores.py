"""The scores that verdicts are made of: cosines, and the rank of a query's own passage in the whole corpus."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, SupportsFloat, TypeVar

from synthneg.grouped import Grouped
from synthneg.progress import Progress
from synthneg.records import Document, Query, Score
from synthneg.run import Run
from synthneg.scoring.base import Reranker, encode_ahead, vectors_of
from synthneg.scoring.corpus import BLOCK_TEXTS, CorpusVectors, row_of
from synthneg.scoring.encoder import Encoder
from synthneg.scoring.search import count_above
from synthneg.verify.nearby import Asked
from synthneg.verify.witnesses import RERANK

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

G = TypeVar("G")

# Two products of the same vectors may differ by rounding; a passage is nearer only by more than that.
_TIE = 1e-6
_DECIMALS = 6  # of a stored score: float32 holds no more


@dataclass(frozen=True, slots=True)
class Candidates:
    """A query and its documents, the positive passage first."""

    query: Query
    documents: list[Document]


def keep_facts(
    run: Run,
    stage: str,
    file: str,
    inputs: str,
    scores: Callable[[], Iterator[Score]],
    facts: Callable[[], Iterator[object]],
) -> None:
    """Write what `stage` adds to scores.jsonl and, after it, the `file` of facts, unless both stand.

    Args:
        run: the run.
        stage: whose scores they are.
        file: name of the facts.
        inputs: fingerprint of all that scores and facts are made of.
        scores: gives the scores.
        facts: gives the facts, when the scores are written.
    """
    if not run.part("scores.jsonl", stage).exists():
        run.file(file).unlink(missing_ok=True)

    def measured() -> Iterator[object]:
        run.write_part(stage, "scores.jsonl", scores())
        return facts()

    run.view(file, inputs, measured)


def asked_of(encoder: Encoder, queries: Grouped[Query], corpus: CorpusVectors) -> Asked:
    """Return the pairs of query and passage that are ranked, in the order in which `score_queries` comes to them.

    Raises:
        RunError: a query's passage is not in the corpus.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    of, own = array("q"), array("q")

    def texts() -> Iterator[list[str]]:
        count = 0
        for block in _blocks((queries[id] for id in queries.keys()), len):
            flat = list(chain.from_iterable(block))
            for i, id in _pairs(flat):
                of.append(count + i)
                own.append(row_of(corpus, flat[i].id, id))
            count += len(flat)
            yield [q.text for q in flat]

    vectors = vectors_of(encoder, texts(), "query")
    numbers, rows = np.frombuffer(of, np.int64), np.frombuffer(own, np.int64)
    bounds = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK_TEXTS):
        some = slice(start, start + BLOCK_TEXTS)
        bounds[some] = (vectors[numbers[some]] * corpus.vectors[rows[some]]).sum(axis=1) + _TIE
    return Asked(vectors, numbers, bounds)


def score_queries(
    encoder: Encoder,
    queries: Grouped[Query],
    corpus: CorpusVectors,
    ranks: "NDArray[np.int64] | None" = None,
) -> Iterator[Score]:
    """Yield the scores of each query, those of one passage together.

    `cosine` and `rank` are of each passage that the query was written from: the rank is 1 + the passages that are
    nearer, counted over the whole corpus. `cosine_to_query` is to each earlier query of the same passage, whose id
    stands as document_id.

    Args:
        encoder: gives the vectors.
        queries: grouped by passage_id.
        corpus: the whole corpus.
        ranks: of the pairs of `asked_of`, where they have been found already.

    Raises:
        RunError: a query's passage is not in the corpus.
    """

    def blocks() -> Iterator[list[list[Query]]]:
        return _blocks((queries[id] for id in queries.keys()), len)

    place = 0
    asked_for = ([q.text for group in block for q in group] for block in blocks())
    encode_ahead(encoder, asked_for, "query")
    with Progress("verify.queries", len(queries), "queries scored") as progress:
        for block in blocks():
            flat = list(chain.from_iterable(block))
            vectors = encoder.encode([q.text for q in flat], "query")
            pairs = _pairs(flat)
            asked = vectors[[i for i, _ in pairs]]
            own = corpus.vectors[[row_of(corpus, flat[i].id, id) for i, id in pairs]]
            cosines = (asked * own).sum(axis=1)
            if ranks is None:
                of_block = 1 + count_above(asked, corpus.vectors, cosines + _TIE)
            else:
                of_block = ranks[place : place + len(pairs)]
            place += len(pairs)
            found = zip(pairs, cosines, of_block, strict=True)
            start = 0
            for group in block:
                among = vectors[start : start + len(group)]
                for number, query in enumerate(group, start):
                    for (_, id), cosine, rank in islice(found, 1 + len(query.also)):
                        yield _score(query.id, id, "cosine", cosine)
                        yield _score(query.id, id, "rank", rank)
                    earlier = number - start
                    cosines_to = among[:earlier] @ vectors[number]
                    for other, cosine in zip(group[:earlier], cosines_to, strict=True):
                        yield _score(query.id, other.id, "cosine_to_query", cosine)
                start += len(group)
            progress.advance(len(flat))


def _pairs(queries: Sequence[Query]) -> list[tuple[int, str]]:
    """Return the place of each query with each passage that it was written from."""
    return [(i, id) for i, query in enumerate(queries) for id in (query.passage_id, *query.also)]


def score_documents(
    encoder: Encoder,
    reranker: Reranker | None,
    candidates: Callable[[], Iterable[Candidates]],
    count: int,
) -> Iterator[Score]:
    """Yield, for each document but the positives, `cosine` (to its query) and `cosine_to_positive`: to the nearest one.

    A further positive has its cosine from the verification of its query, and here that to the first. With a reranker,
    every document has `rerank`, positives included.

    Args:
        encoder: gives the vectors.
        reranker: reads each document with its query; None: there is none.
        candidates: gives the documents of `count` queries.
        count: for the display of progress.
    """

    def blocks() -> Iterator[list[Candidates]]:
        return _blocks(candidates(), lambda c: len(c.documents))

    encode_ahead(encoder, ([c.query.text for c in block] for block in blocks()), "query")
    encode_ahead(encoder, map(_texts, blocks()), "document")
    with Progress("verify.documents", count, "queries scored") as progress:
        for block in blocks():
            asked = encoder.encode([c.query.text for c in block], "query")
            flat = _texts(block)
            found = encoder.encode(flat, "document")
            start = 0
            for query, one in zip(asked, block, strict=True):
                vectors = found[start : start + len(one.documents)]
                start += len(one.documents)
                positives = sum(document.is_passage for document in one.documents)
                cosines, to_positives = vectors @ query, vectors @ vectors[:positives].T
                for i, document in enumerate(one.documents[1:], start=1):
                    ids = (one.query.id, document.id)
                    if i < positives:
                        yield _score(*ids, "cosine_to_positive", to_positives[i, 0])
                    else:
                        yield _score(*ids, "cosine", cosines[i])
                        yield _score(*ids, "cosine_to_positive", to_positives[i].max())
            if reranker is not None:
                yield from _rerank(reranker, block)
            progress.advance(len(block))


def _texts(block: Sequence[Candidates]) -> list[str]:
    return [document.full_text for one in block for document in one.documents]


def _rerank(reranker: Reranker, block: Sequence[Candidates]) -> Iterator[Score]:
    pairs = [(one.query, document) for one in block for document in one.documents]
    said = reranker.score([(query.text, document.full_text) for query, document in pairs])
    for (query, document), score in zip(pairs, said, strict=True):
        yield _score(query.id, document.id, RERANK, score)


def _score(query_id: str, document_id: str, scorer: str, value: SupportsFloat) -> Score:
    return Score(query_id, document_id, scorer, round(float(value), _DECIMALS))


def _blocks(groups: Iterable[G], texts: Callable[[G], int]) -> Iterator[list[G]]:
    """Yield the groups in lists of about `BLOCK_TEXTS` texts; the last list is shorter, none is empty."""
    block: list[G] = []
    size = 0
    for group in groups:
        block.append(group)
        size += texts(group)
        if size >= BLOCK_TEXTS:
            yield block
            block, size = [], 0
    if block:
        yield block
