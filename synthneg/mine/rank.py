"""Where negatives are looked for: for each query passages in an order, by BM25, an encoder, a reranker, or chance.

What is known to answer a query is taken out first, so that rank 1 is the first passage that may be a negative of it,
wherever its positive stands.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from synthneg.corpus.check import draw
from synthneg.records import Query
from synthneg.scoring.approximate import ApproximateSearch
from synthneg.scoring.base import Reranker
from synthneg.scoring.known import Known
from synthneg.scoring.search import top_k

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

    Hits = tuple[NDArray[np.int64], NDArray[np.float32]]  # rows and scores, best first

_SPARE = 16  # ranks looked at beyond those wanted, for positives among them
_DRAWN = 10  # passages drawn at random for each that is wanted, since some may be refused
_SMALL = 1000  # passages of a corpus that is drawn whole
_PAIRS = 4096  # of query and passage that a reranker gets at a time


class Asked(NamedTuple):
    """A query for which negatives are looked for."""

    query: Query
    vector: "NDArray[np.float32]"
    known: list[int]  # rows of its positives, those that it was written from first

    @property
    def own(self) -> list[int]:
        """Rows of the passages that it was written from."""
        return self.known[: 1 + len(self.query.also)]


class Found(NamedTuple):
    """Passages in the order of their source, without those known to answer the query."""

    rows: "NDArray[np.int64]"
    scores: "NDArray[np.float32]"  # on the source's own scale
    below: float = float("inf")  # the score that a negative must stay below, on that scale


Search = Callable[[Sequence[Asked], int], "Sequence[Hits]"]


def ranked(search: Search, asked: Sequence[Asked], known: Known, count: int) -> list[Found]:
    """Return for each query the first `count` passages of a search that are not known to answer it.

    Args:
        search: gives, for queries, their k best.
        asked: the queries.
        known: what answers them.
        count: fewer are found where the corpus or the search has no more.
    """
    needs = [count + known.pieces(one.known) for one in asked]
    deep = [i for i, need in enumerate(needs) if need > count + _SPARE]
    hits = list(search(asked, count + _SPARE))
    # A few long documents must not make the search deeper for all.
    again = search([asked[i] for i in deep], max(needs)) if deep else []
    for i, found in zip(deep, again, strict=True):
        hits[i] = found
    return [_without_known(*hit, one, known, count) for hit, one in zip(hits, asked, strict=True)]


def _without_known(
    rows: "NDArray[np.int64]",
    scores: "NDArray[np.float32]",
    asked: Asked,
    known: Known,
    count: int,
) -> Found:
    may = ~known.among(rows, asked.known)
    return Found(rows[may][:count], scores[may][:count])


def dense(vectors: "Rows") -> Search:
    """Return the search by cosine among the vectors of the corpus."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    def search(asked: Sequence[Asked], k: int) -> "Sequence[Hits]":
        found, cosines = top_k(np.stack([one.vector for one in asked]), vectors, k)
        return list(zip(found, cosines, strict=True))

    return search


def dense_nearby(vectors: "Rows") -> Search:
    """Return the search by cosine that looks through the nearest clusters; see `ApproximateSearch`."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    index = ApproximateSearch(vectors)
    return lambda asked, k: index.top_k(np.stack([one.vector for one in asked]), k)


def bm25(texts: Iterable[str]) -> Search:
    """Return the search by BM25 among the texts of the corpus; what shares no word with a query is not found."""
    from synthneg.scoring.lexical import Bm25  # noqa: PLC0415 - heavy: only when searching

    index = Bm25(texts)
    return lambda asked, k: index.search([one.query.text for one in asked], k)


def at_random(asked: Asked, known: Known, count: int, seed: int) -> Found:
    """Return passages drawn from the whole corpus without return, some ten times `count` where there are as many.

    Their scores are 0. The draw depends on the run's seed and the query's id alone; more are the same ones, and others.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    corpus = len(known.documents)
    chance = random.Random(draw("mine.random", seed, asked.query.id))
    if corpus <= _SMALL:
        drawn = chance.sample(range(corpus), corpus)
    else:
        drawn = list(dict.fromkeys(chance.randrange(corpus) for _ in range(_DRAWN * (count + 1))))
    rows = np.array(drawn, np.int64)
    return _without_known(rows, np.zeros(len(rows), np.float32), asked, known, len(rows))


def reranked(
    asked: Sequence[Asked],
    candidates: "Sequence[NDArray[np.int64]]",
    reranker: Reranker,
    text: Callable[[int], str],
    margin: float,
) -> Iterator[Found]:
    """Yield for each query its candidates in the order of a reranker, and the score that they must stay below.

    A reranker's scores may be logits: their zero and their unit mean nothing, and a share of one would let pass or
    refuse what it likes, by the sign alone. So its margin counts in standard deviations of the scores of the query's
    candidates, which makes the choice the same under any scale and shift of the scores; shares, margins and caps of
    cosines are applied to cosines.

    Args:
        asked: the queries.
        candidates: rows for each of them.
        reranker: reads each pair of query and passage, and that of query and positive.
        text: gives a passage as the reranker reads it, by its row.
        margin: how far below the lowest positive of the query a negative must stay, in those deviations.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    read = [[*one.own, *rows.tolist()] for one, rows in zip(asked, candidates, strict=True)]
    for start, end in _portions([len(rows) for rows in read]):
        pairs = [(asked[i].query.text, text(row)) for i in range(start, end) for row in read[i]]
        scores = reranker.score(pairs)
        place = 0
        for i in range(start, end):
            own = len(asked[i].own)
            of_own = scores[place : place + own]
            of_rows = scores[place + own : place + len(read[i])]
            place += len(read[i])
            order = np.argsort(-of_rows, kind="stable")
            spread = float(of_rows.std()) if len(of_rows) else 0.0
            below = float(of_own.min()) - margin * spread
            yield Found(candidates[i][order], of_rows[order], below)


def _portions(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of neighbours whose sizes come to about `_PAIRS`."""
    start = total = 0
    for i, size in enumerate(sizes):
        total += size
        if total >= _PAIRS or i + 1 == len(sizes):
            yield start, i + 1
            start, total = i + 1, 0
