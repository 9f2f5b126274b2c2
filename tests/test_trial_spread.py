"""Measures of sets of texts, against numbers worked out by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthneg.trial.resample import pseudo_values
from synthneg.trial.spread import MeanCosine, Rarefied

A, B = np.array([[1.0, 1, 0, 0]]), np.array([[0.0, 0, 1, 1]])  # two units


def test_distinct_items_at_equal_amounts_are_those_of_distinct_n():
    """Four words of which three are distinct are 3/4; the same word four times is 1/4."""
    a, b = Rarefied(["xy", "xz", "ww", "ww"], repeats=False).values(A, B)
    assert (a[0], b[0]) == pytest.approx((3 / 4, 1 / 4))


def test_the_prompt_that_writes_more_is_measured_at_the_others_amount():
    """Of x x y z, two are drawn without replacement; only the pair x x, 1 of 6, has one distinct item."""
    a, b = Rarefied(["xy", "xz", "p", "q"], repeats=False).values(A, B)
    assert a[0] == pytest.approx((5 / 6 * 2 + 1 / 6 * 1) / 2)
    assert b[0] == pytest.approx(1)


@settings(deadline=None)  # a busy machine is not a wrong number
@given(st.text("abc", min_size=1, max_size=7), st.integers(1, 7))
def test_rarefied_items_are_the_mean_over_all_draws(items, drawn):
    """The measure is the mean share of distinct items over every way to draw m of them."""
    drawn = min(drawn, len(items))
    a, _ = Rarefied([items, "z" * drawn], repeats=False).values(np.eye(2)[:1], np.eye(2)[1:])
    every = [len(set(chosen)) / drawn for chosen in itertools.combinations(items, drawn)]
    assert a[0] == pytest.approx(np.mean(every))


def test_units_that_one_prompt_has_no_items_of_are_left_out():
    """The second unit, of which B wrote nothing, does not count for A; with no unit left nothing is measured."""
    a, b = Rarefied(["xx", "yyyy", "vw", ""], repeats=False).values(A, B)
    assert (a[0], b[0]) == pytest.approx((1 / 2, 1))
    assert np.isnan(Rarefied(["xx", "", "", "v"], repeats=False).values(A, B)).all()


def test_repeats_are_the_texts_that_were_there_before():
    """Of three texts two are alike: one of three says an earlier one again."""
    cells = [["x"], ["x"], ["y"], ["p"], ["q"], ["r"]]
    first, second = np.array([[1.0, 1, 1, 0, 0, 0]]), np.array([[0.0, 0, 0, 1, 1, 1]])
    a, b = Rarefied(cells, repeats=True).values(first, second)
    assert (a[0], b[0]) == pytest.approx((1 / 3, 0))


def test_mean_cosine_of_pairs():
    """Three vectors at 0, 60 and 90 degrees have pairs of cosine 1/2, 0 and sqrt(3)/2; one alone has no pair."""
    x, y, z = np.array([1, 0]), np.array([1 / 2, np.sqrt(3) / 2]), np.array([0, 1])
    a, b = MeanCosine([[x, y], [z], [x], []]).values(A, B)
    assert a[0] == pytest.approx((1 / 2 + 0 + np.sqrt(3) / 2) / 3)
    assert np.isnan(b[0])


def test_pseudo_values_count_what_a_unit_changes():
    """Of the texts x, x, y the repeated share is 1/3; without either x it is 0, without y 1/2."""
    cells = [["x"], ["x"], ["y"], ["p"], ["q"], ["r"]]
    found = pseudo_values(Rarefied(cells, repeats=True), 3)
    assert found[:3].mean() == pytest.approx(1 / 3)
    assert found[0] - found[2] == pytest.approx(2 * (1 / 2 - 0))
    assert found[3:] == pytest.approx(0)


def test_copies_of_a_unit_are_neither_repeats_nor_near():
    """A resample of unlike texts holds copies, yet its mean repeats are 0, and orthogonal vectors stay at cosine 0."""
    n = 6
    unlike = [[i] for i in range(2 * n)]
    vectors = [[v] for v in np.eye(2 * n)]
    twice = np.array([2.0, 2, 2, 0, 0, 0])
    for spread in (Rarefied(unlike, repeats=True), MeanCosine(vectors)):
        assert (twice @ pseudo_values(spread, n)[:n]) / n == pytest.approx(0)
