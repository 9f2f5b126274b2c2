"""Search of the nearest clusters: what is looked at has its exact score, and a wide reach finds everything."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from synthneg.scoring import centres, nearby, pairs
from synthneg.scoring.half import narrow
from synthneg.scoring.margin import Reach, cheapest, for_recall, for_verdicts
from synthneg.scoring.nearby import Nearby
from synthneg.scoring.pairs import BestPairs, Pairs
from synthneg.scoring.rows import StoredRows
from synthneg.scoring.search import count_above, top_k

NEVER = 10**9  # so many are never found
WIDE = Reach(9.0, NEVER)  # looks at everything


def topics(count: int, of: int, seed: int, spread: float = 0.5) -> np.ndarray:
    """Return unit rows (count, 32) around `of` centres."""
    chance = np.random.default_rng(seed)
    middles = np.random.default_rng(7).standard_normal((of, 32))
    rows = middles[chance.integers(0, of, count)] + spread * chance.standard_normal((count, 32))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def stored(rows: np.ndarray, folder: Path) -> StoredRows:
    """Return the rows as they lie in a cache."""
    file = folder / "rows.f16"
    file.write_bytes(narrow(rows).tobytes())
    return StoredRows(file, np.arange(len(rows)), rows.shape[1], "f16")


def counted(search: Nearby, queries: np.ndarray, bounds: np.ndarray, *how: float) -> np.ndarray:
    """Return what `count_above` yields, in one piece."""
    everyone = np.arange(len(queries))
    return np.concatenate(list(search.count_above(queries, everyone, bounds, *how)))


def bounds_of(queries: np.ndarray, vectors: np.ndarray, rank: int) -> np.ndarray:
    """Return for each query a score that `rank` of the vectors are above, in the middle between two scores."""
    scores = np.sort(queries @ vectors.T, axis=1)[:, ::-1]
    return (scores[:, rank - 1] + scores[:, rank]) / 2


def test_vectors_lie_by_cluster_and_none_is_lost(tmp_path: Path) -> None:
    """Each vector lies once at a place of its nearest centre's cluster, as it was, in memory and on disk alike."""
    rows = narrow(topics(3000, 20, 1)).astype(np.float32)
    for vectors in (rows, stored(rows, tmp_path)):
        found = centres.clusters_of(vectors, tmp_path, "test")
        assert sorted(found.order.tolist()) == list(range(3000))
        assert np.array_equal(found.vectors[:], rows[found.order])
        labels = np.repeat(np.arange(len(found.centres)), np.diff(found.starts))
        assert np.array_equal(found.labels(found.order), labels)
        apart = np.square(found.vectors[:][:, None] - found.centres[None]).sum(axis=2)
        assert apart[np.arange(3000), labels] == pytest.approx(apart.min(axis=1), abs=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == ["rows.f16"]


def test_the_number_of_threads_changes_no_bit(tmp_path: Path) -> None:
    """Centres, order, counts and pairs are the same with one thread and with three."""
    vectors, queries = topics(5000, 30, 1), topics(3000, 30, 2)
    results = []
    for count in (1, 3):
        with threadpool_limits(count, user_api="blas"):
            search = Nearby(vectors, tmp_path, "test")
            bounds = np.full(3000, 0.6, np.float32)
            found = next(iter(search.pairs_within(0.8, Reach(0.2, 20), 5)))
            counts = counted(search, queries, bounds, Reach(0.2, 20), NEVER)
            results.append([*search._clusters[:3], counts, *found, search.looked_at])
    assert all(np.array_equal(one, other) for one, other in zip(*results, strict=True))


def test_a_wide_reach_counts_what_the_exact_search_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all clusters looked at, in small blocks too, every count is the exact one, for each cluster and in all."""
    monkeypatch.setattr(nearby, "_QUERIES", 64)
    monkeypatch.setattr(nearby, "_VECTORS", 16)
    monkeypatch.setattr(nearby, "_BLOCK_VALUES", 32 * 150)
    monkeypatch.setattr(nearby, "_READ_VALUES", 32 * 100)
    vectors, queries = topics(2000, 10, 1), topics(500, 10, 2)
    bounds = bounds_of(queries, vectors, 30)
    search = Nearby(stored(vectors, tmp_path), tmp_path, "test")
    exact = count_above(queries, stored(vectors, tmp_path), bounds)
    assert np.array_equal(counted(search, queries, bounds, WIDE, NEVER), exact)
    assert search.looked_at == 1
    assert np.array_equal(search.counts(queries, bounds).sum(axis=1), exact)
    assert search.looked_at == 1


@pytest.mark.parametrize("by", ["margin", "clusters"])
def test_a_short_reach_never_counts_too_many(tmp_path: Path, by: str) -> None:
    """Counts rise with the reach to the exact ones, and so does what is looked at."""
    vectors, queries = topics(4000, 20, 1), topics(800, 20, 2)
    bounds = bounds_of(queries, vectors, 40)
    before, looked_at = np.zeros(800, np.int64), 0.0
    reaches = [Reach(margin, NEVER) for margin in (-0.1, 0.0, 0.1)]
    reaches = (
        [Reach(9.0, 1), Reach(9.0, 5), Reach(9.0, 30), WIDE]
        if by == "clusters"
        else [*reaches, WIDE]
    )
    for reach in reaches:
        search = Nearby(vectors, tmp_path, "test")
        counts = counted(search, queries, bounds, reach, NEVER)
        assert (counts >= before).all()
        assert search.looked_at > looked_at or search.looked_at == 0
        before, looked_at = counts, search.looked_at
    assert (before == 40).all()


def test_who_has_enough_looks_no_further(tmp_path: Path) -> None:
    """A query that has found enough in nearer clusters looks at fewer vectors, and is still told as many."""
    vectors, queries = topics(4000, 20, 1), topics(800, 20, 2)
    bounds = np.full(800, 0.3, np.float32)
    exact = count_above(queries, vectors, bounds)
    shares = {}
    for enough in (50, NEVER):
        search = Nearby(vectors, tmp_path, "test")
        counts = counted(search, queries, bounds, Reach(0.5, NEVER), enough)
        assert (counts >= np.minimum(exact, 50)).mean() > 0.99
        shares[enough] = search.looked_at
    assert shares[50] < 0.7 * shares[NEVER]


@pytest.mark.parametrize("k", [1, 3, 40])
def test_a_wide_reach_finds_the_pairs_of_the_exact_search(tmp_path: Path, k: int) -> None:
    """Pairs are those of the k nearest that score from the bound on, in their order, many equal ones among them."""
    vectors = np.repeat(topics(60, 5, 1), 12, axis=0)[np.random.default_rng(3).permutation(720)]
    search = Nearby(vectors, tmp_path, "test")
    found = [Pairs(*part) for part in search.pairs_within(0.7, WIDE, k)]
    rows, scores = top_k(vectors, vectors, k)
    expected = [
        (q, r) for q in range(720) for r, s in zip(rows[q], scores[q], strict=True) if s >= 0.7
    ]
    of, others, near = (np.concatenate([part[i] for part in found]) for i in range(3))
    assert len(of) == len(expected)
    # Equal vectors may score apart in the last bit, which decides over their order.
    assert near == pytest.approx([float(vectors[q] @ vectors[r]) for q, r in expected], abs=1e-5)
    assert of.tolist() == [q for q, _ in expected]
    assert (np.abs((vectors[of] * vectors[others]).sum(axis=1) - near) < 1e-5).all()


def test_near_copies_are_found_without_any_margin(tmp_path: Path) -> None:
    """Of vectors without topics, near copies (.9) are found in the clusters beside the vector's own."""
    some = topics(3000, 3000, 1, spread=0.1)
    chance = np.random.default_rng(5).standard_normal(some.shape)
    copies = some + 0.47 * chance / np.linalg.norm(chance, axis=1, keepdims=True)
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    vectors = np.concatenate([some, copies]).astype(np.float32)
    near = (some * copies).sum(axis=1) >= 0.88
    found = np.concatenate(
        [
            np.stack(part[:2])
            for part in Nearby(vectors, tmp_path, "t").pairs_within(0.8, Reach(-9, 1), 17)
        ],
        1,
    )
    pairs_found = {(q, r) for q, r in found.T.tolist() if r == q + 3000}
    assert near.sum() > 1000
    assert (
        len([q for q in np.flatnonzero(near) if (q, q + 3000) in pairs_found]) > 0.97 * near.sum()
    )
    assert {q for q, r in found.T.tolist() if q == r} == set(range(6000))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 5)), max_size=60),
    st.integers(1, 4),
)
def test_the_best_are_those_of_sorting_everything(given_pairs: list, k: int) -> None:
    """In whatever order pairs come and however often they are sorted, the k best of each query are kept."""
    unique = list({(q, r): (q, r, s) for q, r, s in given_pairs}.values())
    expected = []
    for query in range(4):
        own = sorted((-s, r) for q, r, s in unique if q == query and s >= 1)
        expected += [(query, r, -s) for s, r in own[:k]]
    for aside in (1, 7, 1000):
        best = BestPairs(4, 1.0, k)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pairs, "_ASIDE", aside)
            for query, row, score in unique:
                above = best.above(np.array([query]), np.array([[score]], np.float32))
                best.take(above._replace(rows=above.rows + row))
        assert list(zip(*(part.tolist() for part in best.found()), strict=True)) == expected


@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([0.0, 0.1, 0.5]))
def test_the_margins_are_the_smallest_that_do(seed: int, k: int, wrong: float) -> None:
    """No smaller margin of the sample keeps as many verdicts, or finds as much."""
    chance = np.random.default_rng(seed)
    gaps, counts = chance.random((20, 6)).round(2), chance.integers(0, 3, (20, 6))

    def wrong_verdicts(margin: float) -> int:
        found = np.where(gaps <= margin, counts, 0).sum(axis=1)
        return int(((found < k) & (counts.sum(axis=1) >= k)).sum())

    def recall(margin: float) -> float:
        return float(np.where(gaps <= margin, counts, 0).sum() / max(1, counts.sum()))

    margin = for_verdicts(gaps, counts, k, wrong)
    assert wrong_verdicts(margin) <= wrong * 20
    assert margin == 0 or wrong_verdicts(margin - 1e-6) > wrong * 20
    margin = for_recall(gaps, counts, 99, 0.8)
    assert counts.sum() == 0 or recall(margin) >= 0.8 - 1e-6 > recall(margin - 1e-6) - 1e-3


@pytest.mark.parametrize("enough", [20, NEVER])
def test_the_cheapest_reach_does_what_is_wanted_and_looks_at_least(
    tmp_path: Path, enough: int
) -> None:
    """Of all reaches that were tried, the chosen one looks at as few as the search then does, and never at more."""
    vectors, queries = topics(4000, 40, 1), topics(600, 40, 2)
    bounds = np.sort(queries @ vectors.T, axis=1)[np.arange(600), np.arange(600) * 5 + 900].astype(
        "f4"
    )
    search = Nearby(vectors, tmp_path, "test")
    known = search.gaps(queries, bounds), search.counts(queries, bounds)
    reach = cheapest(*known, search.sizes, enough, lambda g, c: for_verdicts(g, c, 10, 0.02))
    wide = Reach(for_verdicts(*known, 10, 0.02), NEVER)
    looked_at = {}
    for how in (reach, wide):
        fresh = Nearby(vectors, tmp_path, "test")
        counts = counted(fresh, queries, bounds, how, enough)
        looked_at[how] = fresh.looked_at
        assert (counts < 10).sum() <= 0.02 * 600 + (known[1].sum(axis=1) < 10).sum()
    assert looked_at[reach] < looked_at[wide]
