"""Search of the nearest clusters: how much of the exact result it finds, and that it says so."""

import re

import numpy as np
import pytest

from synthneg.scoring.approximate import ApproximateSearch
from synthneg.scoring.search import top_k

SEED = 7


def topics(count: int, of: int, seed: int) -> np.ndarray:
    """Return unit rows (count, 32) around `of` centres."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(SEED).standard_normal((of, 32))
    rows = centres[chance.integers(0, of, count)] + 0.5 * chance.standard_normal((count, 32))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_nearly_all_of_the_exact_neighbours_are_found_with_their_exact_scores(capsys):
    """94 % and more are found, also of queries that were not measured; of the others the recall is said."""
    vectors, queries = topics(20_000, 50, 1), topics(2_000, 50, 2)
    found = ApproximateSearch(vectors).top_k(queries, 20)
    exact, _ = top_k(queries, vectors, 20)
    shares = [np.isin(right, rows).mean() for right, (rows, _) in zip(exact, found, strict=True)]
    assert np.mean(shares[256:]) >= 0.94
    for query, (rows, cosines) in zip(queries, found, strict=True):
        assert len(rows) == 20
        assert np.allclose(cosines, vectors[rows] @ query, atol=1e-6)
        assert (np.diff(cosines) <= 0).all()
    [said] = re.findall(r"finds (\S+)% of the 20 nearest passages of 256", capsys.readouterr().err)
    assert float(said) == pytest.approx(100 * np.mean(shares[:256]), abs=0.1)


def test_the_same_corpus_and_queries_give_the_same_result():
    """Two searches over the same vectors agree in every row and score."""
    vectors, queries = topics(5_000, 20, 1), topics(100, 20, 2)
    first, second = (ApproximateSearch(vectors).top_k(queries, 5) for _ in range(2))
    for (rows, cosines), (again, as_before) in zip(first, second, strict=True):
        assert rows.tolist() == again.tolist()
        assert cosines.tolist() == as_before.tolist()


@pytest.mark.parametrize(("count", "k"), [(1, 1), (1, 5), (3, 5), (40, 100)])
def test_a_small_corpus_gives_all_that_it_has(count, k):
    """Where k is as much as there is, every passage is found once, equal ones in their order."""
    vectors = np.repeat(topics(1, 1, 1), count, axis=0)
    [(rows, _)] = ApproximateSearch(vectors).top_k(topics(1, 1, 2), k)
    assert rows.tolist() == list(range(count))[:k]
