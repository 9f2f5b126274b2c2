"""The choice by clusters: exact quotas, every topic, no copies, the same each time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from synthneg.scoring.cluster import clusters_for, quotas, sample


def unit(rows: np.ndarray) -> np.ndarray:
    """Return the rows at length 1."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def topics(seed: int) -> np.ndarray:
    """Return 810 vectors of one topic, then 10 of each of nine others."""
    random = np.random.default_rng(seed)
    centres = 4 * np.eye(10, 24)
    of = [0] * 810 + [topic for topic in range(1, 10) for _ in range(10)]
    return unit(centres[of] + random.normal(0, 0.2, (len(of), 24)))


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(0, 300))
def test_quotas_sum_to_the_number_wanted(sizes: list[int], count: int) -> None:
    """For any sizes and number: the sum is exact, or all there is, no quota exceeds its cluster, and each gives."""
    given_each = quotas(sizes, count)
    live = sum(size > 0 for size in sizes)
    assert sum(given_each) == min(count, sum(sizes))
    assert all(0 <= quota <= size for quota, size in zip(given_each, sizes, strict=True))
    assert sum(quota > 0 for quota in given_each) == min(live, count)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=12), st.integers(1, 500))
def test_quotas_follow_the_sizes(sizes: list[int], more: int) -> None:
    """Beyond the one that each gives, no quota is off its share by a whole passage, unless its cluster is empty."""
    count = min(len(sizes) + more, sum(sizes))
    for quota, size in zip(quotas(sizes, count), sizes, strict=True):
        share = 1 + (count - len(sizes)) * size / sum(sizes)
        assert share - 1 < quota
        assert quota < share + 1 or sum(s <= share for s in sizes)


def test_every_topic_gives_and_random_leaves_some_out() -> None:
    """Of one topic with 810 of 900 passages and nine with 10, each gives to 50 chosen by clusters; not so at random."""
    for seed in range(5):
        rows, _ = sample(topics(seed), 50, clusters_for(50), seed)
        at_random = np.random.default_rng(seed).choice(900, 50, replace=False)
        assert len(rows) == len(set(rows.tolist())) == 50
        assert set(np.maximum(rows - 800, 0) // 10) == set(range(10))
        assert set(np.maximum(at_random - 800, 0) // 10) != set(range(10))


@pytest.mark.parametrize(("count", "clusters"), [(1, 1), (7, 7), (30, 4), (60, 60), (200, 9)])
def test_as_many_are_chosen_as_there_are_to_be(count: int, clusters: int) -> None:
    """The number is exact, or all rows where it is larger; rows rise, and each bears a cluster that exists."""
    vectors = unit(np.random.default_rng(1).normal(size=(60, 8)))
    rows, labels = sample(vectors, count, clusters, 3)
    assert len(rows) == len(labels) == min(count, 60)
    assert (np.diff(rows) > 0).all()
    assert 0 <= labels.min() <= labels.max() < clusters


def test_the_seed_decides() -> None:
    """The same seed makes the same choice, whatever the number of threads; another seed makes another."""
    vectors = topics(0)
    once = sample(vectors, 40, 8, 5)
    with threadpool_limits(2):
        again = sample(vectors, 40, 8, 5)
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    assert not np.array_equal(once[0], sample(vectors, 40, 8, 6)[0])


def test_copies_are_not_chosen_while_others_are_left() -> None:
    """Of a cluster of 10 passages that stand 30 times each, 10 are chosen, one of each; of 12, two come again."""
    different = unit(np.random.default_rng(2).normal(size=(10, 32)))
    vectors = np.repeat(different, 30, axis=0)
    assert sorted(sample(vectors, 10, 1, 7)[0] // 30) == list(range(10))
    assert len(set(sample(vectors, 12, 1, 7)[0] // 30)) == 10


def test_what_is_rare_goes_before_a_copy() -> None:
    """Of 200 copies in the centre of a cluster and 8 that lie apart, near each other, one copy and the 8 are chosen."""
    apart = 0.5 * np.eye(8, 10, 2)
    apart[:, 0], apart[:, 1] = 0.5, 1.0
    vectors = unit(np.vstack([np.repeat(np.eye(1, 10), 200, axis=0), apart]))
    for seed in range(5):
        rows = sample(vectors, 9, 1, seed)[0].tolist()
        assert rows[1:] == list(range(200, 208))


def test_nothing_is_chosen_of_nothing() -> None:
    """A corpus without vectors gives no rows."""
    assert [len(found) for found in sample(np.zeros((0, 0), np.float32), 5, 1, 7)] == [0, 0]
