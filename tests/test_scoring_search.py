"""Exact search: the same as sorting everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.scoring import search
from synthneg.scoring.search import top_k

# Small whole numbers: products are exact, and ties are the rule.
NUMBERS = st.integers(-2, 2)


@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5),
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=12),
    st.integers(0, 15),
)
def test_the_result_is_that_of_sorting_everything(queries, documents, k):
    """For any vectors and k, indices and scores are the first k by (-score, index)."""
    q = np.array(queries, dtype=np.float32).reshape(-1, 2)
    d = np.array(documents, dtype=np.float32).reshape(-1, 2)
    indices, scores = top_k(q, d, k)
    assert indices.shape == scores.shape == (len(q), min(k, len(d)))
    assert (indices.dtype, scores.dtype) == (np.int64, np.float32)
    for row, query in enumerate(q):
        expected = sorted(range(len(d)), key=lambda i: (-float(d[i] @ query), i))[:k]
        assert indices[row].tolist() == expected
        assert scores[row].tolist() == [float(d[i] @ query) for i in expected]


@pytest.mark.parametrize("values", [1, 7, 100])
def test_blocks_do_not_change_the_result(monkeypatch, values):
    """One query at a time, or many, the same documents are found."""
    random = np.random.default_rng(0)
    q, d = random.integers(-3, 4, (9, 4)) * 1.0, random.integers(-3, 4, (30, 4)) * 1.0
    whole = top_k(q, d, 5)
    monkeypatch.setattr(search, "_BLOCK_VALUES", values)
    for a, b in zip(whole, top_k(q, d, 5), strict=True):
        assert np.array_equal(a, b)
