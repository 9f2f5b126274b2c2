"""A run's passages, ready to be mined: for any queries and any mixture of sources."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from synthneg.config import RunConfig
from synthneg.errors import SettingsError
from synthneg.grouped import Grouped
from synthneg.mine.pick import Picks, Rules, pick
from synthneg.mine.rank import (
    Asked,
    Found,
    Search,
    at_random,
    bm25,
    dense,
    dense_nearby,
    ranked,
    reranked,
)
from synthneg.records import MinedSource, Passage, Query
from synthneg.run import Run
from synthneg.scoring.base import Encoder, Reranker
from synthneg.scoring.copies import Copies
from synthneg.scoring.corpus import encode_corpus
from synthneg.scoring.known import NEAR_COPY, Known, known_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

_BLOCK = 2048  # queries that are looked at together

Wanted = Mapping[MinedSource, int]


class Miner:
    """Finds negatives for queries of one run."""

    def __init__(
        self,
        config: RunConfig,
        encoder: Encoder,
        vectors: "Rows",
        passage: Callable[[int], Passage],
        known: Known,
        searches: Mapping[MinedSource, Search],
        reranker: Reranker | None = None,
    ) -> None:
        """Take in the corpus and the ways to search it.

        Args:
            config: of the run.
            encoder: gives the queries' vectors.
            vectors: of all passages.
            passage: gives one by its row.
            known: what answers each query.
            searches: those of BM25 and the encoder that are needed.
            reranker: where its order is needed.
        """
        checks = config.verify.documents
        self.passage = passage
        self._config, self._seed = config.mine, config.seed
        self._encoder, self._vectors = encoder, vectors
        self._known, self._searches, self._reranker = known, searches, reranker
        self._rules = Rules.of(config.mine, checks)
        max_cosine = min(checks.max_similarity_to_positive, NEAR_COPY)
        self._copies = Copies(vectors, passage, max_cosine, checks.near_duplicate_jaccard)

    def positive(self, query: Query) -> Passage:
        """Return the passage that the query was written from."""
        return self.passage(self._known.rows(query)[0])

    def mine(
        self, queries: Iterator[Query], mixtures: Sequence[Wanted]
    ) -> Iterator[tuple[Query, list[Picks]]]:
        """Yield each query with its negatives for each of the mixtures, which do not see each other's."""
        sources = {source for wanted in mixtures for source in wanted}
        most = max((wanted.get("random", 0) for wanted in mixtures), default=0)
        while block := list(islice(queries, _BLOCK)):
            vectors = self._encoder.encode([query.text for query in block], "query")
            asked = [
                Asked(query, vector, self._known.rows(query))
                for query, vector in zip(block, vectors, strict=True)
            ]
            found = self._find(asked, sources, most)
            for i, one in enumerate(asked):
                of_query = {source: of_source[i] for source, of_source in found.items()}
                yield one.query, [self._pick(of_query, wanted, one) for wanted in mixtures]

    def _pick(self, found: Mapping[MinedSource, Found], wanted: Wanted, asked: Asked) -> Picks:
        return pick(found, wanted, asked, self._vectors, self._rules, self._copies, self._seed)

    def _find(
        self, asked: Sequence[Asked], sources: set[MinedSource], most: int
    ) -> dict[MinedSource, Sequence[Found]]:
        depth = self._config.last_rank
        if "reranked" in sources:
            depth = max(depth, self._config.rerank_depth)
        found: dict[MinedSource, Sequence[Found]] = {
            source: ranked(search, asked, self._known, depth)
            for source, search in self._searches.items()
        }
        if "reranked" in sources and self._reranker is not None:
            found["reranked"] = list(
                reranked(
                    asked,
                    [self._union([of[i] for of in found.values()]) for i in range(len(asked))],
                    self._reranker,
                    lambda row: self.passage(row).full_text,
                    self._config.min_reranker_margin,
                )
            )
        if "random" in sources:
            found["random"] = [at_random(one, self._known, most, self._seed) for one in asked]
        return found

    def _union(self, found: Sequence[Found]) -> "NDArray[np.int64]":
        """Return the rows that the searches give for the reranker, each once, in the order of the corpus."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        return np.unique(np.concatenate([of.rows[: self._config.rerank_depth] for of in found]))


@contextmanager
def opened(
    run: Run,
    encoder: Encoder,
    reranker: Reranker | None,
    sources: set[MinedSource],
) -> Iterator[Miner]:
    """Give the miner of a run for these sources; of what they do not need, nothing is loaded or indexed.

    Raises:
        RunError: the corpus has not been read.
        SettingsError: negatives of a reranker, and no reranker.
    """
    if "reranked" in sources and reranker is None:
        raise SettingsError(
            "negatives of the source reranked need a reranker, and verify.reranker names none; set it to a"
            " cross-encoder's folder or Hub name"
        )
    corpus = encode_corpus(run, encoder)
    ids = corpus.ids
    searches: dict[MinedSource, Search] = {}
    if sources & {"bm25", "reranked"}:
        searches["bm25"] = bm25(p.full_text for p in run.read("passages.jsonl", Passage))
    if sources & {"dense", "reranked"}:
        above = run.config.mine.approximate_above
        nearby = above is not None and len(ids) > above
        searches["dense"] = (dense_nearby if nearby else dense)(corpus.vectors)
    with Grouped(run.file("passages.jsonl"), Passage, "id") as passages:
        yield Miner(
            run.config,
            encoder,
            corpus.vectors,
            lambda row: passages[ids[row]][0],
            known_of(run, corpus),
            searches,
            reranker,
        )
