"""Which of the passages that were found become a query's negatives: a pure function of scores, rules and seed."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from synthneg.config import DocumentChecks, MineConfig
from synthneg.corpus.check import draw
from synthneg.mine.rank import Asked, Found
from synthneg.records import MinedSource
from synthneg.scoring.bound import negative_bound
from synthneg.scoring.copies import Copies

if TYPE_CHECKING:
    from synthneg.scoring.rows import Rows

DECIMALS = 6  # of a cosine or score: float32 holds no more, and verification compares so many
Refused = Literal["too_near", "copy", "taken"]


class Pick(NamedTuple):
    """A passage that becomes a negative."""

    row: int
    source: MinedSource
    rank: int  # in the order of its source; of random ones, the number of the draw
    score: float  # on the source's own scale
    cosine: float  # to the query


class Picks(NamedTuple):
    """The negatives of a query, the sources taking turns, and of each source what it refused."""

    picks: list[Pick]
    refused: dict[MinedSource, Counter[Refused]]
    looked_at: dict[MinedSource, int]  # passages in its window of ranks


@dataclass(frozen=True, slots=True)
class Rules:
    """How near a query a negative may stand, seen from its positive, and which ranks are looked at."""

    positive_aware: bool
    max_share: float
    min_margin: float
    max_cosine: float
    first_rank: int
    last_rank: int
    draw: Literal["top", "random"]

    @classmethod
    def of(cls, config: MineConfig, checks: DocumentChecks) -> "Rules":
        """Return the rules of the settings; where mining says nothing, the bounds are those of verification."""
        share, margin = config.max_negative_share, config.min_negative_margin
        return cls(
            config.positive_aware,
            checks.max_negative_share if share is None else share,
            checks.min_negative_margin if margin is None else margin,
            float("inf") if config.max_cosine is None else config.max_cosine,
            config.first_rank,
            config.last_rank,
            config.draw,
        )

    def bound(self, positive: float) -> float:
        """Return the cosine that a negative must stay below, from that of the positive."""
        if not self.positive_aware:
            return self.max_cosine
        return min(self.max_cosine, negative_bound(positive, self.max_share, self.min_margin))


def pick(
    found: Mapping[MinedSource, Found],
    wanted: Mapping[MinedSource, int],
    asked: Asked,
    vectors: "Rows",
    rules: Rules,
    copies: Copies,
    seed: int,
) -> Picks:
    """Return the negatives of one query; the sources take turns, so that none has all of the best.

    A passage is refused as `too_near` by the rules (NV-Retriever's TopK-PercPos and TopK-MarginPos on cosines, an
    absolute cap, a reranker's margin on its own scores), as a `copy` of a positive or of what was picked, or as
    `taken` by another source. Of several positives the one that is farthest from the query sets the bound.

    Args:
        found: by source, without what is known to answer the query.
        wanted: how many of each source.
        asked: the query.
        vectors: of the whole corpus.
        rules: which passages may be taken.
        copies: tells copies.
        seed: of the run; with the query's id and the source it decides what is drawn from a window.
    """
    own = vectors[asked.own] @ asked.vector
    bound = rules.bound(round(float(own.min()), DECIMALS))
    picks: list[Pick] = []
    takers = {
        source: _Taker(source, found[source], asked, vectors, bound, rules, seed)
        for source in wanted
    }
    for turn in range(max(wanted.values(), default=0)):
        for source, count in wanted.items():
            if turn < count and (one := takers[source].take(picks, copies)):
                picks.append(one)
    return Picks(
        picks,
        {source: taker.refused for source, taker in takers.items()},
        {source: taker.looked_at for source, taker in takers.items()},
    )


class _Taker:
    """Goes through the window of one source, from one negative to the next."""

    def __init__(
        self,
        source: MinedSource,
        found: Found,
        asked: Asked,
        vectors: "Rows",
        bound: float,
        rules: Rules,
        seed: int,
    ) -> None:
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        self._source, self._known = source, asked.known
        start, end = rules.first_rank - 1, rules.last_rank
        if source == "random":
            start, end = 0, len(found.rows)
        rows, scores = found.rows[start:end], found.scores[start:end]
        cosines = scores if source == "dense" else vectors[rows] @ asked.vector
        cosines = cosines.astype(np.float64).round(DECIMALS)
        (places,) = np.nonzero((cosines < bound) & (scores < found.below))
        self.looked_at = len(rows)
        self.refused: Counter[Refused] = Counter()
        self.refused["too_near"] = len(rows) - len(places)
        if rules.draw == "random" and source != "random":
            chance = random.Random(draw(f"mine.{source}", seed, asked.query.id))
            places = np.array(chance.sample(places.tolist(), len(places)), np.int64)
        self._candidates = zip(
            rows[places].tolist(),
            (places + start + 1).tolist(),
            scores[places].tolist(),
            cosines[places].tolist(),
            strict=True,
        )

    def take(self, picks: list[Pick], copies: Copies) -> Pick | None:
        """Return the next passage that may be taken beside `picks`; None where there is none."""
        rows = [one.row for one in picks]
        for row, rank, score, cosine in self._candidates:
            if row in rows:
                self.refused["taken"] += 1
            elif copies.of_any(row, [*self._known, *rows]):
                self.refused["copy"] += 1
            else:
                return Pick(row, self._source, rank, score, cosine)
        return None
