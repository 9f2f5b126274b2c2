"""Ranks and near duplicates of many texts by their nearest clusters, and what that misses, told with the run's books.

The nearest clusters hold fewer nearer passages than the corpus does, so a rank found there is a lower bound: a query
may pass that an exact search drops, never the other way round. How many, is measured in each run. Two samples are drawn
with the run's seed and searched exactly as well. The first says how far to look; the second, of 1,000 other queries,
how often verdicts differ, whatever `round_trip_k` is by the time they are given. Its own queries get the exact ranks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from synthneg.files import write_whole
from synthneg.interval import wilson
from synthneg.progress import Progress
from synthneg.run import Run
from synthneg.scoring.corpus import BLOCK_TEXTS
from synthneg.scoring.margin import Reach, cheapest, for_recall, for_verdicts
from synthneg.scoring.nearby import Nearby
from synthneg.scoring.search import count_above, top_k

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

    # Place, rows that are near enough, the best first, and their cosines.
    Near = Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]

RANKS, QUERIES = "nearby_ranks.json", "nearby_queries.json"  # what the samples say
CHECKED = 1000  # queries of a sample
_LABEL = "verify.queries"
_WRONG = 0.005  # of the verdicts of the first sample may differ
_RECALL = 0.8  # of the nearer passages must be counted, of each query as many as decide over it
_RECALL_OF_PAIRS = 0.95
_ENOUGH = 100  # nearer passages: who has as many looks no further; the rank is then at least that


class Asked(NamedTuple):
    """What is ranked: pairs of a query and a passage that it was written from, those of a query together."""

    vectors: "Rows"  # of the queries
    of: "NDArray[np.int64]"  # the query of each pair
    bounds: "NDArray[np.float32]"  # above which cosine a passage is nearer


def searches_nearby(run: Run, texts: int) -> bool:
    """Whether the settings want so many texts to be searched approximately."""
    above = run.config.verify.approximate_above
    return above is not None and texts > above


def state(run: Run, texts: int) -> list[Any]:
    """Return what decides over ranks beside texts and models: nothing where the search is exact."""
    if not searches_nearby(run, texts):
        return []
    return ["nearby", run.config.seed, _enough(run)]


def nearby_ranks(run: Run, asked: Asked, passages: "Rows") -> "NDArray[np.int64]":
    """Return the rank of each pair's passage, and write nearby_ranks.json.

    A query looks as far as it takes for the first sample to have 99.5 % of its verdicts, and four fifths of its nearer
    passages, of each query at most `round_trip_k`. Up to 2,000 queries are ranked exactly, and nothing is written.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    if len(asked.vectors) <= 2 * CHECKED:
        return 1 + count_above(asked.vectors[asked.of], passages, asked.bounds)
    first, second = (
        np.flatnonzero(np.isin(asked.of, some))
        for some in _samples(len(asked.vectors), run.config.seed)
    )
    search = Nearby(passages, run.folder, _LABEL)
    tried = asked.vectors[asked.of[first]], asked.bounds[first]
    k = run.config.verify.queries.round_trip_k
    reach = reach_of_ranks(search, tried, k, _enough(run))
    parts = []
    with Progress(_LABEL, len(asked.of), "ranks counted") as progress:
        for part in search.count_above(asked.vectors, asked.of, asked.bounds, reach, _enough(run)):
            parts.append(part)
            progress.advance(len(part))
    ranks = 1 + np.concatenate(parts)
    exact = 1 + count_above(asked.vectors[asked.of[second]], passages, asked.bounds[second])
    # Of a query of several passages the worst rank decides.
    begins = np.flatnonzero(np.diff(asked.of[second], prepend=-1))
    worst = (np.maximum.reduceat(found, begins).tolist() for found in (exact, ranks[second]))
    told = {
        "searched": len(passages),
        "looked_at": round(search.looked_at, 6),
        "reach": reach._asdict(),
        "ranks": list(zip(*worst, strict=True)),  # of each query: exact, approximate
    }
    write_whole(run.file(RANKS), orjson.dumps(told))
    ranks[second] = exact
    return ranks


def nearby_queries(run: Run, vectors: "Rows", bound: float, k: int) -> "Near":
    """Yield for each text those whose cosine to it is at least `bound`, its k best, and write nearby_queries.json.

    A text looks at the clusters beside its own, and as far as it takes for the first sample to have 95 % of what it has
    from the bound on. Up to 2,000 texts are compared exactly, and nothing is written.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    run.file(QUERIES).unlink(missing_ok=True)
    if len(vectors) <= 2 * CHECKED:
        yield from exact_queries(vectors, bound, k)
        return
    first, second = _samples(len(vectors), run.config.seed)
    search = Nearby(vectors, run.folder, _LABEL)
    reach = reach_of_pairs(search, vectors[first], first, bound, k)
    found = 0
    for pairs in search.pairs_within(bound, reach, k):
        others = pairs.rows != pairs.queries
        found += int((others & np.isin(pairs.queries, second)).sum())
        for place, some in _by_query(pairs.queries):
            yield place, pairs.rows[some], pairs.scores[some]
    rows, cosines = top_k(vectors[second], vectors, k)
    told = {
        "searched": len(vectors),
        "looked_at": round(search.looked_at, 6),
        "reach": reach._asdict(),
        "checked": CHECKED,
        "pairs": int(((cosines >= bound) & (rows != second[:, None])).sum()),
        "found": found,
    }
    write_whole(run.file(QUERIES), orjson.dumps(told))


def reach_of_ranks(
    search: Nearby,
    tried: "tuple[NDArray[np.float32], NDArray[np.float32]]",
    k: int,
    enough: int,
) -> Reach:
    """Return how far queries look for their ranks, by a sample of them and their bounds; see `nearby_ranks`."""

    def margin(gaps: "NDArray[np.float32]", counts: "NDArray[np.int64]") -> float:
        return max(for_verdicts(gaps, counts, k, _WRONG), for_recall(gaps, counts, k, _RECALL))

    return cheapest(search.gaps(*tried), search.counts(*tried), search.sizes, enough, margin)


def reach_of_pairs(
    search: Nearby, tried: "NDArray[np.float32]", rows: "NDArray[np.int64]", bound: float, k: int
) -> Reach:
    """Return how far texts look for near duplicates, by a sample of them, which stand in these rows."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    bounds = np.full(len(tried), bound, np.float32)
    counts = search.counts(tried, bounds)
    counts[np.arange(len(tried)), search.labels(rows)] -= 1  # itself

    def margin(gaps: "NDArray[np.float32]", counts: "NDArray[np.int64]") -> float:
        return for_recall(gaps, counts, k - 1, _RECALL_OF_PAIRS)

    never = int(search.sizes.sum())
    return cheapest(search.gaps(tried, bounds), counts, search.sizes, never, margin)


def exact_queries(vectors: "Rows", bound: float, k: int) -> "Near":
    """Yield for each text those whose cosine to it is at least `bound`, its k best, of all."""
    for start in range(0, len(vectors), BLOCK_TEXTS):
        found = zip(*top_k(vectors[start : start + BLOCK_TEXTS], vectors, k), strict=True)
        for place, (rows, cosines) in enumerate(found, start):
            near = cosines >= bound
            yield place, rows[near], cosines[near]


def notes(run: Run, round_trip_k: int) -> Iterator[str]:
    """Yield what is to be told of approximate searches, in a sentence each; nothing where they were exact."""
    if told := _read(run.file(RANKS)):
        differ = sum(found <= round_trip_k < exact for exact, found in told["ranks"])
        low, high = wilson(differ, len(told["ranks"]))
        yield (
            f"approximate search, {told['looked_at']:.1%} of {told['searched']:,} passages looked at for a query: of"
            f" {len(told['ranks']):,} queries checked exactly, {differ} would pass that an exact search drops"
            f" ({low:.1%} to {high:.1%})"
        )
    if told := _read(run.file(QUERIES)):
        low, high = wilson(told["found"], told["pairs"])
        of_pairs = (
            f"{told['found']:,} of {told['pairs']:,} like ones are found ({low:.1%} to {high:.1%})"
            if told["pairs"]
            else "none has a like one"
        )
        yield (
            f"approximate search, {told['looked_at']:.1%} of {told['searched']:,} queries looked at for a query: of"
            f" {told['checked']:,} checked exactly, {of_pairs}"
        )


def _read(file: Path) -> dict[str, Any] | None:
    return orjson.loads(file.read_bytes()) if file.exists() else None


def _enough(run: Run) -> int:
    """Return the number of nearer passages from which the rank is of no interest, well beyond the threshold."""
    return max(_ENOUGH, 2 * run.config.verify.queries.round_trip_k)


def _samples(count: int, seed: int) -> "list[NDArray[np.int64]]":
    """Return two samples of places, each in rising order, that have none in common."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    drawn = np.random.default_rng(seed).permutation(count)[: 2 * CHECKED]
    return [np.sort(drawn[:CHECKED]), np.sort(drawn[CHECKED:])]


def _by_query(queries: "NDArray[np.int64]") -> Iterator[tuple[int, slice]]:
    """Yield each query and where its pairs lie; those of a query are neighbours."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    begins = np.flatnonzero(np.diff(queries, prepend=-1))
    for start, end in zip(begins.tolist(), [*begins[1:].tolist(), len(queries)], strict=True):
        yield int(queries[start]), slice(start, end)
