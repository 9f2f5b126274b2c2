"""Intervals and tests: exact where it can be worked out, calibrated where chance decides."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthneg.evaluate import significance
from synthneg.evaluate.significance import (
    Difference,
    compare,
    compare_over,
    corrected,
    holm,
    interval,
    interval_over,
    randomisation_p,
    smallest_shown,
    verdict,
)

VALUES = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=20)


@settings(deadline=None)  # a busy machine is not a wrong number
@given(VALUES, st.integers(0, 9))
def test_identical_scores_are_not_distinguishable(values, seed):
    """A model against itself: difference 0, interval 0 to 0, p = 1, and the words."""
    zeros = [a - b for a, b in zip(values, values, strict=True)]
    found = compare("a", "b", "P@10", zeros, seed, 100)
    assert found == Difference("a", "b", "P@10", 0.0, 0.0, 0.0, 1.0, 1.0)
    assert verdict(found) == "not distinguishable"


@settings(deadline=None)  # a busy machine is not a wrong number
@given(VALUES, st.integers(0, 9))
def test_an_interval_lies_within_the_values_around_the_mean(values, seed):
    """An interval has low <= high, between the smallest and the largest value, and is the same for a seed."""
    found = interval(values, seed, 200)
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
    assert found.mean == pytest.approx(np.mean(values))
    assert found == interval(values, seed, 200)


def test_a_bootstrap_interval_of_known_spread():
    """Of 400 coin throws with 200 heads the 95 % interval is 0.5 ± 1.96 * 0.5 / 20."""
    found = interval([0.0, 1.0] * 200, 7, 10_000)
    assert found.mean == 0.5
    assert found.low == pytest.approx(0.451, abs=0.005)
    assert found.high == pytest.approx(0.549, abs=0.005)


@settings(deadline=None)  # a busy machine is not a wrong number
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_the_p_value_is_that_of_all_sign_flips(differences):
    """With few pairs all 2^n flips can be tried: the drawn p-value comes within sampling error of theirs."""
    seen = abs(sum(differences))
    flips = itertools.product((-1, 1), repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in flips]
    exact = sum(s >= seen for s in sums) / len(sums)
    assert randomisation_p([d / 10 for d in differences], 7, 4000) == pytest.approx(exact, abs=0.04)


def test_the_p_value_is_never_zero():
    """However clear the difference, p is at least 1 / (m + 1)."""
    assert randomisation_p([1.0] * 100, 7, 999) == 1 / 1000


def test_p_values_are_uniform_when_nothing_differs():
    """Over 400 pairs of equal models, p < x in a share x of the cases, within three standard errors."""
    random = np.random.default_rng(3)
    p = np.array([randomisation_p(random.normal(0, 1, 40), seed, 400) for seed in range(400)])
    for x in (0.05, 0.25, 0.5, 0.75):
        assert abs((p <= x).mean() - x) < 3 * np.sqrt(x * (1 - x) / 400)


def test_a_planted_shift_is_found_in_both_directions():
    """A shift of half a standard deviation over 200 queries is better one way and worse the other."""
    shifted = np.random.default_rng(5).normal(0.5, 1, 200)
    assert verdict(compare("a", "b", "P@10", shifted, 7, 2000)) == "better"
    assert verdict(compare("b", "a", "P@10", -shifted, 7, 2000)) == "worse"


def test_at_the_level_itself_nothing_is_claimed():
    """A corrected p-value of 0.05 is not below 0.05, however small the uncorrected one."""
    at = Difference("a", "b", "P@10", 0.1, 0.0, 0.2, p=0.01, p_holm=0.05)
    assert verdict(at) == "not distinguishable"
    assert verdict(replace(at, p_holm=0.0499)) == "better"


def test_holm_by_hand():
    """.01 of three counts three times, .04 then once, .03 twice: neither is below what came before it."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_never_below_the_p_value_nor_above_bonferronis(p_values):
    """Holm's p-values lie between the p-values and Bonferroni's min(1, n p), and are in the order of the p-values."""
    found = holm(p_values)
    for p, q in zip(p_values, found, strict=True):
        assert p <= q <= min(1, len(p_values) * p)
    ordered = sorted(zip(p_values, found, strict=True))
    assert [q for _, q in ordered] == sorted(found)


def test_the_smallest_difference_by_hand():
    """Differences of sd .2 over 100 queries: (1.95996 + .84162) * .02; of six comparisons (2.63826 + .84162) * .02."""
    differences = [0.2 * (99 / 100) ** 0.5, -0.2 * (99 / 100) ** 0.5] * 50
    assert smallest_shown(differences) == pytest.approx(0.0560316, abs=1e-6)
    assert smallest_shown(differences, comparisons=6) == pytest.approx(0.0695976, abs=1e-6)
    assert math.isnan(smallest_shown([0.1]))
    assert math.isnan(smallest_shown([0.0, 0.0]))


def test_the_smallest_difference_is_found_four_times_in_five():
    """Of 300 pairs of models that differ by what `smallest_shown` names, the test finds 80 %, give or take 7."""
    drawn = np.random.default_rng(11).choice([0, 0, 0, 0, 0.4, -0.4, 1, -1], size=(300, 150))
    p = [
        randomisation_p(noise + smallest_shown(noise), seed, 400)
        for seed, noise in enumerate(drawn)
    ]
    assert abs(np.mean(np.array(p) < 0.05) - 0.8) < 0.07


def test_a_family_is_corrected_together():
    """Three comparisons: Holm's p-values, their number, a larger smallest difference; once more changes nothing."""
    shifted = np.random.default_rng(5).normal(0.15, 1, 200)
    family = [
        compare("a", "b", name, shifted * s, 7, 500) for name, s in (("P@10", 1), ("R@5", -1))
    ]
    family.append(compare("c", "b", "P@10", np.zeros(200), 7, 500))
    once = corrected(family)
    assert [d.p_holm for d in once] == holm([d.p for d in family])
    assert {d.comparisons for d in once} == {3}
    assert once[0].smallest == pytest.approx(smallest_shown(shifted, 3))
    again = corrected(once)
    assert [d.p_holm for d in again] == [d.p_holm for d in once]
    assert again[0].smallest == pytest.approx(once[0].smallest)


def test_a_mean_over_groups_weighs_groups_alike():
    """Of 2 queries with 1 and 200 with 0 the mean over groups is .5, and pairing stays within each group."""
    groups = [[1.0, 1.0], [0.0] * 200]
    assert interval_over(groups, 7, 200).mean == 0.5
    found = compare_over("a", "b", "P@10", [[0.3] * 40, [-0.1] * 400], 7, 2000)
    assert found.mean == pytest.approx(0.1)
    assert found.p < 0.01
    lone = np.random.default_rng(2).normal(0.1, 1, 60).tolist()
    assert compare_over("a", "b", "P@10", [lone], 7, 500) == compare("a", "b", "P@10", lone, 7, 500)


def test_p_values_over_groups_are_uniform_when_nothing_differs():
    """Two groups of unequal size and spread without a difference: p < .05 in 5 % of 400 cases, within three errors."""
    random = np.random.default_rng(3)
    p = [
        compare_over(
            "a", "b", "P@10", [random.normal(0, 1, 15), random.normal(0, 0.2, 90)], seed, 300
        ).p
        for seed in range(400)
    ]
    assert abs(np.mean(np.array(p) < 0.05) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 400)


def test_blocks_do_not_change_the_arithmetic(monkeypatch):
    """Drawn one at a time, the result stays within sampling error of the one drawn at once."""
    values = np.random.default_rng(1).normal(0.1, 1, 50)
    whole = compare("a", "b", "P@10", values, 7, 4000)
    monkeypatch.setattr(significance, "_BLOCK_VALUES", 1)
    single = compare("a", "b", "P@10", values, 7, 4000)
    assert single.p == pytest.approx(whole.p, abs=0.04)
    assert single.low == pytest.approx(whole.low, abs=0.03)
