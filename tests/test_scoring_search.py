"""Exact search: the same as sorting everything."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from synthneg.scoring import search
from synthneg.scoring.search import count_above, top_k

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


@pytest.mark.parametrize(("block_queries", "block_documents"), [(1, 1), (2, 3), (7, 4), (512, 11)])
@given(st.data())
def test_blocks_do_not_change_the_result(block_queries, block_documents, data):
    """However small the blocks, the documents found are those of sorting everything; so too where each is better."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    q = random.integers(-3, 4, (9, 4)).astype(np.float32)
    d = random.integers(-3, 4, (30, 4)).astype(np.float32)
    if data.draw(st.booleans()):
        d = d[np.argsort(d @ q[0])]
    k = data.draw(st.integers(1, 31))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_QUERIES", block_queries)
        patch.setattr(search, "_DOCUMENTS", block_documents)
        indices, scores = top_k(q, d, k)
    order = np.argsort(-(q @ d.T), axis=1, kind="stable")[:, :k]
    assert np.array_equal(indices, order)
    assert np.array_equal(scores, np.take_along_axis(q @ d.T, order, axis=1))


def test_threads_do_not_change_a_bit():
    """Vectors whose products are rounded give the same bytes with one thread and with three."""
    random = np.random.default_rng(0)
    q, d = (random.standard_normal((n, 48)).astype(np.float32) for n in (1500, 5000))
    results = []
    for threads in (1, 3):
        with threadpool_limits(threads, user_api="blas"):
            results.append([*top_k(q, d, 20), count_above(q, d, q[:, 0])])
    for one, three in zip(*results, strict=True):
        assert one.tobytes() == three.tobytes()


def test_an_error_in_a_thread_is_raised():
    """Vectors of other dimensions are refused whether or not threads search."""
    with threadpool_limits(3, user_api="blas"), pytest.raises(ValueError, match="mismatch"):
        top_k(np.zeros((1500, 3), np.float32), np.zeros((5, 4), np.float32), 2)


def test_memory_does_not_grow_with_the_documents():
    """Ten times the documents, each better than all before, take no more memory beyond themselves."""
    peaks = []
    for count in (10_000, 100_000):
        d = np.arange(count, dtype=np.float32)[:, None]
        q = np.ones((600, 1), np.float32)
        tracemalloc.start()
        top_k(q, d, 50)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] < 150e6


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=12), NUMBERS, st.integers(1, 5))
def test_counting_is_comparing(documents, bound, block):
    """For any vectors and bounds, the documents above are those that a comparison with each finds."""
    d = np.array(documents, dtype=np.float32).reshape(-1, 2)
    q = np.array([[1, 0], [1, 1], [-2, 1]], dtype=np.float32)
    bounds = np.array([bound, 0, -1], dtype=np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_DOCUMENTS", block)
        counts = count_above(q, d, bounds)
    assert counts.tolist() == [
        sum(float(row @ x) > b for row in d) for x, b in zip(q, bounds, strict=True)
    ]
