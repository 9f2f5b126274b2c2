"""How sure a measured mean or difference is: bootstrap intervals and a paired randomisation test. Pure arithmetic."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["better", "worse", "not distinguishable"]

LEVEL = 0.05  # p-values below it are called a difference; intervals cover 1 - LEVEL
_BLOCK_VALUES = 2**22  # drawn at a time: 32 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much `a` lies above `b` in a measure, over the same queries; `p` is two-sided."""

    a: str
    b: str
    measure: str
    mean: float
    low: float
    high: float
    p: float


def interval(values: Sequence[float], seed: int, resamples: int) -> Interval:
    """Return the mean of (n,) values and its percentile bootstrap interval (Efron 1979); n at least 1."""
    import numpy as np  # noqa: PLC0415 - heavy: only when evaluating

    data = np.asarray(values, dtype=np.float64)
    random = np.random.default_rng(seed)
    means = np.concatenate(
        [
            data[random.integers(0, len(data), size=(rows, len(data)))].mean(axis=1)
            for rows in _blocks(resamples, len(data))
        ]
    )
    low, high = np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2])
    return Interval(float(data.mean()), float(low), float(high))


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


def compare(
    a: str, b: str, measure: str, differences: Sequence[float], seed: int, resamples: int
) -> Difference:
    """Return the difference of `a` and `b` from (n,) differences a - b, one per query."""
    mean = interval(differences, seed, resamples)
    p = randomisation_p(differences, seed, resamples)
    return Difference(a, b, measure, mean.mean, mean.low, mean.high, p)


def verdict(difference: Difference) -> Verdict:
    """Say in words whether `a` is better than `b`; without p < 0.05 that cannot be said.

    >>> verdict(Difference("tuned", "base", "nDCG@10", 0.01, -0.01, 0.03, p=0.31))
    'not distinguishable'
    """
    if difference.p >= LEVEL:
        return "not distinguishable"
    return "better" if difference.mean > 0 else "worse"


def _blocks(draws: int, size: int) -> Iterator[int]:
    """Yield how many draws of `size` values to make at a time."""
    step = max(1, _BLOCK_VALUES // max(1, size))
    for start in range(0, draws, step):
        yield min(step, draws - start)
