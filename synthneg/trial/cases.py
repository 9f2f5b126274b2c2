"""What judges are tried on: a query's own passage, one that lies near the query, and one drawn at random.

A judge is of use for as much as it tells the own passage from the others. Of the near one nobody knows that it does
not answer, so no judge has to be right everywhere; two judges are compared on the same ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from synthneg.corpus.check import draw
from synthneg.grouped import Grouped
from synthneg.records import Passage, Query
from synthneg.run import Run
from synthneg.scoring.base import Encoder
from synthneg.scoring.corpus import BLOCK_TEXTS, CorpusVectors, encode_corpus, row_of
from synthneg.scoring.known import NEAR_COPY, document_of
from synthneg.scoring.search import top_k

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Which = Literal["own", "near", "random"]

_DEPTH = 30  # ranks among which the near passage is looked for


@dataclass(frozen=True, slots=True)
class Case:
    """A verified query and the passages that a judge is shown; a corpus may be too small for the others."""

    query: Query
    passages: dict[Which, Passage]  # "own" is always there

    @property
    def own(self) -> Passage:
        """The passage that the query was written from."""
        return self.passages["own"]


def cases(run: Run, encoder: Encoder) -> Iterator[Case]:
    """Yield a case for each verified query of the run, in their order.

    Near is the passage nearest to the query that is none of those it was written from, no other piece of their
    document and no near copy of one of them. The random one is drawn by the query's id and the run's seed.

    Raises:
        RunError: the queries were written from another corpus.
    """
    corpus = encode_corpus(run, encoder)
    queries = run.read("verified_queries.jsonl", Query)
    with Grouped(run.file("passages.jsonl"), Passage, "id") as passages:
        while block := list(islice(queries, BLOCK_TEXTS)):
            vectors = encoder.encode([query.text for query in block], "query")
            found, _ = top_k(vectors, corpus.vectors, _DEPTH)
            for query, rows in zip(block, found, strict=True):
                chosen = _chosen(run, corpus, query, rows)
                yield Case(query, {which: passages[id][0] for which, id in chosen.items()})


def _chosen(
    run: Run, corpus: CorpusVectors, query: Query, nearest: "NDArray[np.int64]"
) -> dict[Which, str]:
    ids = corpus.ids
    positives = [row_of(corpus, query.id, id) for id in (query.passage_id, *query.also)]
    documents = {document_of(ids[row]) for row in positives}

    def differs(row: int) -> bool:
        alike = corpus.vectors[positives] @ corpus.vectors[row]
        return document_of(ids[row]) not in documents and bool((alike < NEAR_COPY).all())

    found: dict[Which, str] = {"own": query.passage_id}
    near = next((row for row in map(int, nearest) if differs(row)), None)
    if near is not None:
        found["near"] = ids[near]
        start = draw("judged", run.config.seed, query.id)
        drawn = ((start + step) % len(ids) for step in range(len(ids)))
        far = next((row for row in drawn if row != near and differs(row)), None)
        if far is not None:
            found["random"] = ids[far]
    return found
