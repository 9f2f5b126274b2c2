"""Estimates from a sample: unbiased, and with intervals that cover the truth as often as they say."""

import math
import random
from collections import Counter
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.interval import wilson
from synthneg.review.estimate import Cell, differ, estimate
from synthneg.review.sample import Stratum, turns

TRIALS = 1000
# Sizes and true shares of strata. Some are rare and bad, some large and good; the last ones have many strata of few
# answers each.
WORLDS = {
    "one stratum": ([1000], [0.9]),
    "rare and bad": ([1000, 100, 10], [0.9, 0.5, 0.1]),
    "ten": (
        [900, 80, 60, 40, 30, 20, 10, 5, 5, 3],
        [0.9, 0.8, 0.5, 0.95, 0.6, 0.3, 0.2, 0.6, 0.8, 1],
    ),
    "one large": ([5000, 50, 50, 50], [0.97, 0.1, 0.1, 0.1]),
    "twenty alike": ([300] * 20, [0.97] * 20),
    "twenty of two kinds": ([300] * 20, [0.95] * 10 + [0.6] * 10),
    "all or nothing": ([300] * 20, [1.0] * 10 + [0.0] * 10),
}


def reviews(sizes: list[int], shares: list[float], n: int) -> tuple[float, list[list[Cell]]]:
    """Return the true share, and what each of many reviews of `n` items has seen."""
    strata = {Stratum("negative", str(k), "", 1, "kept"): size for k, size in enumerate(sizes)}
    drawn = Counter(turns(strata, n))
    good = [round(size * share) for size, share in zip(sizes, shares, strict=True)]
    chance = np.random.default_rng(11)
    seen = [
        chance.hypergeometric(right, size - right, drawn[stratum], size=TRIALS).tolist()
        for (stratum, size), right in zip(strata.items(), good, strict=True)
    ]
    return sum(good) / sum(sizes), [
        [Cell(f, drawn[s], size) for f, (s, size) in zip(row, strata.items(), strict=True)]
        for row in zip(*seen, strict=True)
    ]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("n", [20, 60, 120])
def test_intervals_cover_the_truth_at_the_stated_rate(world: str, n: int) -> None:
    """Of 1,000 reviews of a run whose truth is known at least 92 % of the intervals hold it.

    Wilson's own interval covers between .92 and .98 by size and share, because counts are whole numbers.
    """
    truth, found = reviews(*WORLDS[world], n)
    covered = [e.low <= truth <= e.high for e in map(estimate, found)]

    assert fmean(covered) >= 0.92


def test_intervals_cover_the_truth_at_the_stated_rate_on_average() -> None:
    """Over all the worlds and sizes of reviews together the rate is 95 % or more, and no more than 99 %."""
    rates = []
    for sizes, shares in WORLDS.values():
        for n in (20, 40, 60, 90, 120):
            truth, found = reviews(sizes, shares, n)
            rates.append(fmean(e.low <= truth <= e.high for e in map(estimate, found)))

    assert 0.95 <= fmean(rates) <= 0.99


@pytest.mark.parametrize("world", WORLDS)
def test_weighting_is_unbiased_where_the_plain_share_is_not(world: str) -> None:
    """The mean of 1,000 estimates is the truth within four standard errors, however unevenly was drawn."""
    truth, found = reviews(*WORLDS[world], 60)
    shares = [estimate(cells).share for cells in found]

    assert abs(fmean(shares) - truth) < 4 * np.std(shares) / math.sqrt(TRIALS) + 1e-9


def test_the_plain_share_of_such_a_sample_is_biased() -> None:
    """Where rare strata are bad, the share of all answers together lies far below the truth: weighting is needed."""
    truth, found = reviews(*WORLDS["one large"], 60)
    plain = fmean(sum(c.favour for c in cells) / sum(c.answers for c in cells) for cells in found)

    assert truth - plain > 0.1


@given(st.integers(1, 60), st.integers(0, 60))
def test_a_single_large_stratum_has_wilsons_interval(answers: int, favour: int) -> None:
    """In one stratum of which little was drawn the interval is Wilson's, to three decimals."""
    favour = min(favour, answers)
    found = estimate([Cell(favour, answers, 10**7)])

    assert (found.low, found.high) == pytest.approx(wilson(favour, answers), abs=1e-3)


cells = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 30)).map(
        lambda t: Cell(min(t[0], t[1]), t[1], t[1] + t[2])
    ),
    min_size=1,
    max_size=8,
)


@given(cells)
def test_an_estimate_lies_in_its_interval(found: list[Cell]) -> None:
    """0 ≤ low ≤ share ≤ high ≤ 1 whatever was answered, and where nothing was, anything is possible."""
    made = estimate(found)

    assert made.answers == sum(c.answers for c in found)
    assert made.reached == sum(c.size for c in found if c.answers)
    if made.answers:
        assert 0 <= made.low <= made.share <= made.high <= 1
    else:
        assert (made.low, made.high) == (0, 1)
        assert math.isnan(made.share)


@given(cells)
def test_what_was_reviewed_as_a_whole_is_known(found: list[Cell]) -> None:
    """Where every record has an answer, the share is that of the run, and its interval has no width."""
    whole = [Cell(c.favour, c.answers, c.answers) for c in found if c.answers]
    if whole:
        made = estimate(whole)
        truth = sum(c.favour for c in whole) / sum(c.size for c in whole)
        assert (made.low, made.share, made.high) == pytest.approx((truth, truth, truth))


def test_equal_shares_are_seldom_called_different() -> None:
    """Of 1,000 pairs of samples from two strata of the same share at most 6 % are called different."""
    chance = random.Random(3)

    def seen(share: float) -> list[Cell]:
        return [Cell(sum(chance.random() < share for _ in range(30)), 30, 10**6)]

    wrong = sum(differ(seen(0.8), seen(0.8), 1) is not None for _ in range(TRIALS))
    right = sum(differ(seen(0.9), seen(0.4), 1) is True for _ in range(TRIALS))
    assert wrong <= 0.06 * TRIALS
    assert right >= 0.95 * TRIALS


def test_several_comparisons_need_more() -> None:
    """What is a difference alone is none among twenty comparisons, and nothing differs from what was not asked."""
    one, other = [Cell(27, 30, 10**6)], [Cell(19, 30, 10**6)]

    assert differ(one, other, 1) is True
    assert differ(other, one, 1) is False
    assert differ(one, other, 20) is None
    assert differ(one, [Cell(0, 0, 5)], 1) is None
