"""Cohen's kappa of weighted items: equal to scikit-learn's, and with an interval that covers the truth."""

import math
from statistics import fmean

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from synthneg.review.agreement import kappa


def tables(a, b, k):
    """Return the table of each item, of which judge `a` says the row and judge `b` the column."""
    found = np.zeros((len(a), k, k))
    found[np.arange(len(a)), a, b] = 1
    return found


@pytest.mark.parametrize(("k", "graded"), [(2, False), (4, True)])
def test_kappa_is_scikit_learns(k: int, graded: bool) -> None:
    """Weighted items and, of grades, squared distances give what scikit-learn gives."""
    chance = np.random.default_rng(5)
    a, b = chance.integers(0, k, (2, 80))
    b = np.where(chance.random(80) < 0.5, a, b)
    weights = chance.uniform(0.5, 40, 80)
    known = cohen_kappa_score(a, b, weights="quadratic" if graded else None, sample_weight=weights)

    assert kappa(tables(a, b, k), weights, 7, graded=graded).value == pytest.approx(known)


def test_who_says_the_same_of_all_has_no_kappa() -> None:
    """Where one side never differs, or nothing was answered, agreement beyond chance has no meaning."""
    same, other = np.zeros(30, dtype=int), np.arange(30) % 2

    for a, b in ((same, other), (other, same), (same, same), (same[:0], same[:0])):
        assert math.isnan(kappa(tables(a, b, 2), np.ones(len(a)), 7).value)


def test_the_interval_of_kappa_covers_the_truth() -> None:
    """Of 120 samples from judges who agree to a known degree at least 90 % have it in their intervals."""
    chance = np.random.default_rng(3)
    truth = 0.6  # both say the same thing with .6, else each by chance
    covered = []
    for seed in range(120):
        a, b = chance.integers(0, 2, (2, 60))
        b = np.where(chance.random(60) < truth, a, b)
        found = kappa(tables(a, b, 2), np.ones(60), seed)
        covered.append(found.low <= truth <= found.high)

    assert fmean(covered) >= 0.9


def test_judges_who_know_nothing_of_each_other_are_not_told_from_chance() -> None:
    """Of 60 pairs of independent judges at most 7 have an interval without 0."""
    chance = np.random.default_rng(4)
    apart = 0
    for seed in range(60):
        a, b = chance.integers(0, 2, (2, 60))
        found = kappa(tables(a, b, 2), np.ones(60), seed)
        apart += not found.low <= 0 <= found.high

    assert apart <= 7
