"""How sure a measured mean or difference is: bootstrap intervals, a paired randomisation test, what can be seen.

Pure arithmetic. What is said "over groups" is a mean over test collections: each group is the queries of one, they are
resampled and paired within it, and every group weighs the same.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Verdict = Literal["better", "worse", "not distinguishable"]

LEVEL = 0.05  # p-values below it are called a difference; intervals cover 1 - LEVEL
POWER = 0.8  # how often a difference is to be found, by the usual convention
_BLOCK_VALUES = 2**22  # drawn at a time: 32 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much `a` lies above `b` in a measure, over the same queries.

    Attributes:
        p: two-sided, of this comparison alone.
        p_holm: corrected for `comparisons` of which this is one (Holm 1979); what is said goes by it.
        smallest: about the smallest difference that these queries would have shown (`smallest_shown`).
    """

    a: str
    b: str
    measure: str
    mean: float
    low: float
    high: float
    p: float
    p_holm: float
    comparisons: int = 1
    smallest: float = math.nan


def interval(values: Sequence[float], seed: int, resamples: int) -> Interval:
    """Return the mean of (n,) values and its percentile bootstrap interval (Efron 1979); n at least 1."""
    return interval_over([values], seed, resamples)


def interval_over(groups: Sequence[Sequence[float]], seed: int, resamples: int) -> Interval:
    """Return the mean over groups of their means, with its percentile bootstrap interval; no group is empty."""
    import numpy as np  # noqa: PLC0415 - heavy: only when evaluating

    drawn = drawn_means(groups, np.random.default_rng(seed), resamples)
    return percentiles(float(np.mean([np.mean(values) for values in groups])), drawn)


def drawn_means(
    groups: Sequence[Sequence[float]], random: "np.random.Generator", resamples: int
) -> "NDArray[np.float64]":
    """Return (resamples,) means over groups of the means of what is drawn from each with replacement."""
    import numpy as np  # noqa: PLC0415 - heavy: only when evaluating

    drawn = np.zeros(resamples)
    for values in groups:
        data = np.asarray(values, dtype=np.float64)
        drawn += np.concatenate(
            [
                data[random.integers(0, len(data), size=(rows, len(data)))].mean(axis=1)
                for rows in _blocks(resamples, len(data))
            ]
        )
    means: NDArray[np.float64] = drawn / len(groups)
    return means


def percentiles(mean: float, drawn: "NDArray[np.float64]") -> Interval:
    """Return a mean with the interval that the middle of what was drawn spans."""
    import numpy as np  # noqa: PLC0415 - heavy: only when evaluating

    low, high = np.quantile(drawn, [LEVEL / 2, 1 - LEVEL / 2])
    return Interval(mean, float(low), float(high))


def weighted(groups: Sequence[Sequence[float]]) -> list[float]:
    """Return all values, each weighing as much as it does in a mean over groups; their sum is that of the means."""
    return [value / len(values) for values in groups for value in values]


def randomisation_p(differences: Sequence[float], seed: int, resamples: int) -> float:
    """Return the two-sided p-value of (n,) paired differences under random flips of their signs.

    (b + 1) / (m + 1), where b of m draws have a mean at least as far from 0 as the one seen: never 0, and a valid
    p-value at any m (Phipson & Smyth 2010). Smucker et al. (2007) compare the test with others for retrieval.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when evaluating

    data = np.asarray(differences, dtype=np.float64)
    data = data[data != 0]  # flipping a zero changes nothing
    # Sums that are equal on paper may differ in the last bits; they count as equally far.
    seen = abs(data.sum()) - 1e-9 * np.abs(data).sum()
    random = np.random.default_rng(seed)
    as_far = 0
    for rows in _blocks(resamples, len(data)):
        signs = random.integers(0, 2, size=(rows, len(data))) * 2.0 - 1.0
        as_far += int((np.abs(signs @ data) >= seen).sum())
    return (as_far + 1) / (resamples + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for how many there are, in their order (Holm 1979).

    The chance that any of them is below LEVEL where nothing differs is then at most LEVEL.

    >>> holm([0.02, 0.01])
    [0.02, 0.02]
    """
    found = [1.0] * len(p_values)
    least = 0.0
    for done, k in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        least = min(1.0, max(least, p_values[k] * (len(p_values) - done)))
        found[k] = least
    return found


def smallest_shown(differences: Sequence[float], comparisons: int = 1) -> float:
    """Return about the smallest difference that these queries would have shown in four cases of five.

    The minimum detectable effect of a paired test (Bloom 1995): (z(1 - LEVEL / 2 / comparisons) + z(.8)) standard
    errors of the mean of (n,) paired differences. NaN where they tell no spread, being fewer than 2 or all the same.
    """
    return smallest_for(standard_error([differences]), comparisons)


def smallest_for(error: float, comparisons: int) -> float:
    """Return the smallest difference that a standard error lets be seen, as `smallest_shown`; NaN for one of 0 or NaN.

    Several comparisons are corrected as Holm does at his strictest, since one cannot know how the others come out.

    >>> round(smallest_for(0.01, 1), 4), round(smallest_for(0.01, 6), 4)
    (0.028, 0.0348)
    """
    normal = NormalDist()
    needed = normal.inv_cdf(1 - LEVEL / 2 / max(comparisons, 1)) + normal.inv_cdf(POWER)
    return needed * error if error > 0 else math.nan


def standard_error(groups: Sequence[Sequence[float]]) -> float:
    """Return the standard error of the mean over groups of their means; NaN where a group has fewer than 2 values."""
    import numpy as np  # noqa: PLC0415 - heavy: only when evaluating

    if min(map(len, groups)) < 2:
        return math.nan
    squares = [np.var(values, ddof=1) / len(values) for values in groups]
    return float(np.sqrt(sum(squares))) / len(groups)


def compare(
    a: str, b: str, measure: str, differences: Sequence[float], seed: int, resamples: int
) -> Difference:
    """Return the difference of `a` and `b` from (n,) differences a - b, one per query."""
    return compare_over(a, b, measure, [differences], seed, resamples)


def compare_over(
    a: str,
    b: str,
    measure: str,
    groups: Sequence[Sequence[float]],
    seed: int,
    resamples: int,
) -> Difference:
    """Return the mean over groups of the differences of `a` and `b`; signs are flipped query by query in each group."""
    mean = interval_over(groups, seed, resamples)
    p = randomisation_p(weighted(groups), seed, resamples)
    smallest = smallest_for(standard_error(groups), 1)
    return Difference(a, b, measure, mean.mean, mean.low, mean.high, p, p, smallest=smallest)


def corrected(family: Sequence[Difference]) -> list[Difference]:
    """Return the differences, each corrected for all of them together."""
    count = len(family)
    return [
        replace(
            one,
            p_holm=p,
            comparisons=count,
            smallest=one.smallest * smallest_for(1, count) / smallest_for(1, one.comparisons),
        )
        for one, p in zip(family, holm([d.p for d in family]), strict=True)
    ]


def verdict(difference: Difference) -> Verdict:
    """Say in words whether `a` is better than `b`; without a corrected p < 0.05 that cannot be said.

    >>> verdict(Difference("tuned", "base", "nDCG@10", 0.01, -0.01, 0.03, p=0.03, p_holm=0.06))
    'not distinguishable'
    """
    if difference.p_holm >= LEVEL:
        return "not distinguishable"
    return "better" if difference.mean > 0 else "worse"


def _blocks(draws: int, size: int) -> Iterator[int]:
    """Yield how many draws of `size` values to make at a time."""
    step = max(1, _BLOCK_VALUES // max(1, size))
    for start in range(0, draws, step):
        yield min(step, draws - start)
