"""The arithmetic of a comparison: intervals over queries and seeds, families of tests, words, learning curves."""

import math

import numpy as np
import pytest

from synthneg.compare.figures import Told, difference, row, spread
from synthneg.compare.result import BM25_ROW, Entry, Measured, below, compare_entries, curve_of
from synthneg.compare.table import lines_of
from synthneg.evaluate.significance import Difference, compare, interval

MEASURE = "nDCG@10"


def measured(name: str = "people", **models: list[list[float]]) -> Measured:
    """Return values of models, a list per seed."""
    of = {
        {"base": "(base)", "bm25": BM25_ROW}.get(model, model): [
            {MEASURE: {f"q{i}": value for i, value in enumerate(values)}} for values in seeds
        ]
        for model, seeds in models.items()
    }
    return Measured(name, "dev", of)


def drawn(level: float, seeds: int, queries: int = 200, chance: int = 0) -> np.ndarray:
    """Return (seeds, queries) values about a level, with noise of query, of seed, and of both."""
    random = np.random.default_rng(chance)
    of_query, of_seed = random.normal(0, 0.1, queries), random.normal(0, 0.01, (seeds, 1))
    return level + of_query + of_seed + random.normal(0, 0.02, (seeds, queries))


def test_with_one_seed_the_figures_are_those_of_one_model() -> None:
    """A row and a difference of one seed are to the bit what evaluation says of single models."""
    a, b = drawn(0.5, 1, chance=1), drawn(0.48, 1, chance=2)
    assert row([a], 7, 500).interval == interval(a[0].tolist(), 7, 500)
    found = difference(("a", "b"), MEASURE, ([a], [b]), 7, 500)
    assert found == compare("a", "b", MEASURE, (a - b)[0].tolist(), 7, 500)
    assert math.isnan(row([a], 7, 500).spread)


def test_seeds_that_differ_widen_the_interval() -> None:
    """By hand: seeds at .4 and .6 of equal queries give t with one degree of freedom, 12.7 standard errors of .1."""
    values = np.array([[0.4] * 50, [0.6] * 50])
    found = row([values], 7, 100_000).interval
    assert found.mean == pytest.approx(0.5)
    assert found.high - 0.5 == pytest.approx(12.706 * 0.1, rel=0.05)
    assert spread((0.4, 0.6)) == pytest.approx(0.1 * math.sqrt(2))


def test_few_seeds_see_less() -> None:
    """Over the same queries, the smallest difference that is seen is larger with two seeds than with eight."""
    zero = np.zeros((1, 200))
    seen = [
        difference(("a", "b"), MEASURE, ([drawn(0, n, chance=4)], [zero]), 7, 200).smallest
        for n in (2, 8)
    ]
    assert seen[0] > 1.5 * seen[1]


def test_the_interval_covers_the_truth() -> None:
    """Of 300 simulated differences with noise of query, seed and both, 92 to 99 of 100 intervals hold the true one."""
    held = 0
    for chance in range(300):
        a = drawn(0.02, 3, chance=chance)
        found = difference(("a", "b"), MEASURE, ([a], [np.zeros((1, 200))]), chance, 400)
        held += found.low <= 0.02 <= found.high
    assert 0.92 <= held / 300 <= 0.99


@pytest.mark.parametrize(
    ("mean", "low", "high", "p", "word"),
    [
        (0.1, 0.05, 0.15, 0.01, "better"),
        (-0.1, -0.15, -0.05, 0.01, "worse"),
        (0.1, -0.01, 0.2, 0.01, "not distinguishable"),
        (0.1, 0.05, 0.15, 0.06, "not distinguishable"),
    ],
)
def test_a_word_needs_the_test_and_the_interval(
    mean: float, low: float, high: float, p: float, word: str
) -> None:
    """Better or worse is said where the corrected p is small and the interval over queries and seeds leaves out 0."""
    told = Told("base", Difference("a", "b", MEASURE, mean, low, high, p=0.01, p_holm=p))
    assert told.word == word


def test_arms_are_compared_with_their_base_and_with_the_first() -> None:
    """Three arms of two students: three comparisons with bases, two with the first, corrected by their numbers."""
    base, other = drawn(0.5, 1, chance=5), drawn(0.3, 1, chance=6)
    found = compare_entries(
        [Entry("a", "(base)"), Entry("b", "(base)"), Entry("c", "other")],
        [
            measured(
                base=base.tolist(), other=other.tolist(), bm25=base.tolist(),
                a=(base + 0.2).tolist(), b=base.tolist(), c=(other - 0.2).tolist(),
            )
        ],
        7, 500,
    )  # fmt: skip
    [of] = found
    words = {(t.against, t.difference.a, t.difference.b): t.word for t in of.told}
    assert words == {
        ("base", "a", "(base)"): "better",
        ("base", "b", "(base)"): "not distinguishable",
        ("base", "c", "other"): "worse",
        ("first", "b", "a"): "worse",
        ("first", "c", "a"): "worse",
    }
    counts = {t.against: t.difference.comparisons for t in of.told}
    assert counts == {"base": 3, "first": 2}
    lower = below([Entry("a", "(base)"), Entry("c", "other")], found)
    assert list(lower) == ["c"]


def test_the_mean_over_collections_weighs_them_alike() -> None:
    """Of collections with 200 and 50 queries the mean of a row is the mean of their means, seed by seed."""
    one, two = drawn(0.6, 2, 200, 1), drawn(0.2, 2, 50, 2)
    entries = [Entry("a", "(base)")]
    found = compare_entries(
        entries,
        [
            measured("one", base=one[:1].tolist(), bm25=one[:1].tolist(), a=one.tolist()),
            measured("two", base=two[:1].tolist(), bm25=two[:1].tolist(), a=two.tolist()),
        ],
        7,
        200,
    )
    assert [f.name for f in found] == ["one", "two", "mean"]
    of = found[-1].rows["a"][MEASURE]
    assert of.seeds == pytest.approx([(one[s].mean() + two[s].mean()) / 2 for s in (0, 1)])
    assert of.interval.mean == pytest.approx((one.mean() + two.mean()) / 2)


@pytest.mark.parametrize(
    ("levels", "enough"),
    [((0.3, 0.4, 0.5), 2), ((0.3, 0.5, 0.5), 1), ((0.5, 0.5, 0.5), 0), ((0.5, 0.4, 0.3), 0)],
)
def test_a_curve_says_where_more_stopped_paying(levels: tuple[float, ...], enough: int) -> None:
    """Planted levels: found is the smallest amount that no larger one betters; a falling curve stops at once."""
    arms = ("small", "half", "whole")
    models = {
        arm: (drawn(0, 2, chance=9) + level).tolist()
        for arm, level in zip(arms, levels, strict=True)
    }
    found = curve_of(arms, (0.25, 0.5, 1.0), [measured(**models)], 7, 500)
    assert found.enough == enough


def test_a_table_says_what_its_intervals_cover() -> None:
    """With one seed the lines say queries alone, with two queries and seeds, and none is longer than 100 characters."""
    for seeds, words in (
        (1, "queries alone, for there is one seed"),
        (2, "cover queries and seeds"),
    ):
        base, a = drawn(0.5, 1, chance=1).tolist(), drawn(0.5, seeds, chance=2).tolist()
        entries = [Entry("a" * 20, "(base)"), Entry("b" * 20, "(base)")]
        both = {"a" * 20: a, "b" * 20: a}
        collections = [measured(n * 20, base=base, bm25=base, **both) for n in "xyz"]
        lines = list(lines_of(entries, compare_entries(entries, collections, 7, 200)))
        assert words in " ".join(lines)
        assert max(map(len, lines)) <= 100


def test_less_than_is_shown_is_not_below() -> None:
    """An arm that is .0004 below its base is not called below, one that is .0006 below is."""
    base = drawn(0.5, 1)
    for less, told in ((0.0004, []), (0.0006, ["a"])):
        entries = [Entry("a", "(base)")]
        values = measured(base=base.tolist(), bm25=base.tolist(), a=(base - less).tolist())
        assert list(below(entries, compare_entries(entries, [values], 7, 200))) == told
