"""How this encoder scores this corpus: the spread of its cosines, of which thresholds can be made."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthneg.records import Query
from synthneg.run import Run
from synthneg.scoring.base import Encoder
from synthneg.scoring.corpus import CorpusVectors, row_of
from synthneg.scoring.search import top_k

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

STEPS = 100  # quantiles are told at 0, 1/100, 2/100 ... 1
_SAMPLE = 2_000  # queries
_DECIMALS = 6  # of a stored cosine: float32 holds no more


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of one kind of cosine, from the least to the greatest, of n pairs."""

    of: str
    n: int
    quantiles: list[float]  # STEPS + 1

    def at(self, share: float) -> float:
        """Return the cosine below which about this share of the pairs lies."""
        return self.quantiles[round(share * STEPS)]


def distribution(run: Run, encoder: Encoder, corpus: CorpusVectors) -> Iterator[Spread]:
    """Yield the spreads of cosines over at most 2,000 queries of the run, drawn by its seed.

    `own`: query to the passage that it was written from. `near`: query to the passage nearest to that one; some of
    these answer it, too. `random`: query to a passage drawn at random. `queries` and `passages`: pairs drawn at random.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when scoring

    chance = np.random.default_rng(run.config.seed)
    queries = _drawn(run, chance)
    if not queries:
        return
    asked = encoder.encode([query.text for query in queries], "query")
    own = np.array([row_of(corpus, query.id, query.passage_id) for query in queries])
    strangers = chance.integers(0, len(corpus.vectors), len(queries))
    turned = np.roll(np.arange(len(queries)), 1)
    rows = {
        "own": (asked, corpus.vectors[own]),
        "near": (asked, corpus.vectors[_nearest(corpus.vectors, own)]),
        "random": (asked, corpus.vectors[strangers]),
        "queries": (asked, asked[turned]),
        "passages": (corpus.vectors[own], corpus.vectors[strangers]),
    }
    for of, (left, right) in rows.items():
        cosines = np.quantile((left * right).sum(axis=1), np.linspace(0, 1, STEPS + 1))
        yield Spread(of, len(left), [round(float(value), _DECIMALS) for value in cosines])


def _drawn(run: Run, chance: "np.random.Generator") -> list[Query]:
    """Return queries drawn at random, in their order."""
    count = sum(1 for _ in run.read("queries.jsonl", Query))
    wanted = set(chance.choice(count, min(_SAMPLE, count), replace=False).tolist())
    queries = run.read("queries.jsonl", Query)
    return [query for place, query in enumerate(queries) if place in wanted]


def _nearest(vectors: "Rows", own: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """Return the row of the passage that is nearest to each of some, not counting itself."""
    import numpy as np  # noqa: PLC0415 - heavy: only when scoring

    near, _ = top_k(vectors[own], vectors, 2)
    first, second = near[:, 0], near[:, -1]
    return np.where(first == own, second, first)
