"""What can be said of arms that were trained with several seeds: intervals, paired tests, words. Pure arithmetic.

Of a collection, an arm has a matrix of values: a row per seed, a column per query. What is said holds for other
queries and other seeds. The interval has both sources of chance: the queries by the bootstrap over their means over
seeds, and the seeds by Student's t over their means over queries, with one degree of freedom less than seeds; what
differs by query and seed together is in both, so the interval is rather too wide than too narrow. The test flips signs
query by query, on the means over seeds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from synthneg.evaluate.significance import (
    LEVEL,
    Difference,
    Interval,
    Verdict,
    corrected,
    drawn_means,
    percentiles,
    randomisation_p,
    smallest_for,
    standard_error,
    verdict,
    weighted,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]  # (seeds, queries); a model that no seed changes has one row

Against = Literal["base", "first"]


@dataclass(frozen=True, slots=True)
class Row:
    """What a model gets on a collection, or in the mean of several.

    Attributes:
        interval: over queries and seeds; over queries alone where there is one seed.
        seeds: the mean of each seed.
    """

    interval: Interval
    seeds: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Standard deviation of the means of seeds; NaN where there is one."""
        return spread(self.seeds)


@dataclass(frozen=True, slots=True)
class Told:
    """An arm beside another row: the difference, whom it is compared with, and what can be said."""

    against: Against
    difference: Difference

    @property
    def word(self) -> Verdict:
        """The word: one is said where the corrected test and the interval over queries and seeds agree."""
        d = self.difference
        said = verdict(d)
        return (
            said
            if said == "not distinguishable" or d.low > 0 or d.high < 0
            else "not distinguishable"
        )


def spread(means: Sequence[float]) -> float:
    """Return the standard deviation of means of seeds, NaN for one of them.

    >>> spread([0.5]), round(spread([0.5, 0.52]), 4)
    (nan, 0.0141)
    """
    if len(means) < 2:
        return math.nan
    middle = math.fsum(means) / len(means)
    return math.sqrt(math.fsum((m - middle) ** 2 for m in means) / (len(means) - 1))


def row(groups: "Sequence[Values]", seed: int, resamples: int) -> Row:
    """Return the row of a model.

    Args:
        groups: its values on each collection, with the same seeds; one collection, or those of a mean.
        seed: of what is drawn.
        resamples: how often.
    """
    return Row(_interval(groups, seed, resamples), _seed_means(groups))


def difference(
    names: tuple[str, str],
    measure: str,
    groups: "tuple[Sequence[Values], Sequence[Values]]",
    seed: int,
    resamples: int,
) -> Difference:
    """Return how much the first of two models lies above the second, before any correction.

    Args:
        names: of the two.
        measure: its name.
        groups: the values of each on each collection, over the same queries. Rows are paired where both have several.
        seed: of what is drawn.
        resamples: how often.
    """
    gaps = [one - other for one, other in zip(*groups, strict=True)]
    over_seeds = [list(gap.mean(axis=0)) for gap in gaps]
    found = _interval(gaps, seed, resamples)
    p = randomisation_p(weighted(over_seeds), seed, resamples)
    error = standard_error(over_seeds)
    of_seeds = spread(_seed_means(gaps))
    if not math.isnan(of_seeds):
        error = math.hypot(error, of_seeds / math.sqrt(len(gaps[0])) * _heavier(len(gaps[0])))
    smallest = smallest_for(error, 1)
    return Difference(*names, measure, found.mean, found.low, found.high, p, p, smallest=smallest)


def _heavier(seeds: int) -> float:
    """Return how much wider Student's t of so many seeds is than the normal distribution, at the interval's ends."""
    from scipy.stats import norm, t  # noqa: PLC0415 - heavy: only when comparing

    tail = 1 - LEVEL / 2
    return float(t.ppf(tail, seeds - 1) / norm.ppf(tail))


def _interval(groups: "Sequence[Values]", seed: int, resamples: int) -> Interval:
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    random = np.random.default_rng(seed)
    drawn = drawn_means([list(values.mean(axis=0)) for values in groups], random, resamples)
    means = _seed_means(groups)
    if len(means) > 1:
        error = spread(means) / math.sqrt(len(means))
        drawn = drawn + error * random.standard_t(len(means) - 1, resamples)
    return percentiles(float(np.mean(means)), drawn)


def _seed_means(groups: "Sequence[Values]") -> tuple[float, ...]:
    """Return for each seed the mean over collections of its mean over queries."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    return tuple(float(x) for x in np.mean([values.mean(axis=1) for values in groups], axis=0))


def correct(families: Mapping[Against, Sequence[Told]]) -> list[Told]:
    """Return all comparisons, those of one kind corrected together (Holm 1979)."""
    found: list[Told] = []
    for told in families.values():
        after = corrected([one.difference for one in told])
        found += [replace(one, difference=d) for one, d in zip(told, after, strict=True)]
    return found
