"""Where a reranker puts a query's own passage among the nearest of the corpus (CADET: it must come first)."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from synthneg.progress import Progress
from synthneg.records import Query, Score
from synthneg.scoring.base import Encoder, Reranker
from synthneg.scoring.corpus import CorpusVectors
from synthneg.scoring.search import top_k

RERANK_RANK = "rerank_rank"
_BLOCK = 256  # queries


def rerank_queries(
    models: tuple[Encoder, Reranker],
    queries: Iterable[Query],
    corpus: CorpusVectors,
    text_of: Callable[[str], str],
    depth: int,
) -> Iterator[Score]:
    """Yield, for each passage that a query was written from, `rerank_rank`: 1 + the others that the reranker prefers.

    The others are those of the query's `depth` nearest that it was not written from. What scores the same, as a copy
    does, is not preferred.

    Args:
        models: encoder and reranker.
        queries: of passages that the corpus holds.
        corpus: the whole corpus.
        text_of: gives a passage's text by its id.
        depth: nearest passages that are read.
    """
    encoder, reranker = models
    rest = iter(queries)
    with Progress("verify.queries", None, "queries reranked") as progress:
        while block := list(islice(rest, _BLOCK)):
            vectors = encoder.encode([query.text for query in block], "query")
            found, _ = top_k(vectors, corpus.vectors, depth)
            read = [
                _candidates(q, [corpus.ids[row] for row in rows.tolist()])
                for q, rows in zip(block, found, strict=True)
            ]
            pairs = (
                (q.text, text_of(id)) for q, some in zip(block, read, strict=True) for id in some
            )
            scores = iter(reranker.score(list(pairs)).tolist())
            for query, some in zip(block, read, strict=True):
                said = dict(zip(some, scores, strict=False))
                own = (query.passage_id, *query.also)
                others = [score for id, score in said.items() if id not in own]
                for id in own:
                    rank = 1 + sum(score > said[id] for score in others)
                    yield Score(query.id, id, RERANK_RANK, float(rank))
            progress.advance(len(block))


def _candidates(query: Query, nearest: list[str]) -> list[str]:
    """Return the query's own passages and its nearest, each once."""
    return list(dict.fromkeys(chain((query.passage_id, *query.also), nearest)))
