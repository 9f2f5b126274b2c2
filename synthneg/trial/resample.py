"""Chance: resampled units for intervals, swapped prompts for p-values. Arithmetic over arrays.

Arrays have a row per cell: what prompt A made of each of n units, then what B made of each, in the same order.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from synthneg.evaluate.significance import LEVEL, Interval
from synthneg.trial.spread import Spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_BLOCK_VALUES = 2**19  # drawn at a time: 4 MB
_TIE = 1e-9  # statistics that are equal on paper may differ in the last bits; they count as equally far


def bootstrap(sums: "Array", counts: "Array", seed: int, resamples: int) -> "Array":
    """Return (resamples, 2, k) ratios of A and B, the units drawn with replacement, the same for both prompts.

    Args:
        sums: (2n, k) what each cell adds to the numerator of k ratios.
        counts: (2n, k) what it adds to the denominator.
        seed: of the draws.
        resamples: at least 1.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    n = len(sums) // 2
    random = np.random.default_rng([seed, 0])
    found = np.empty((resamples, 2, sums.shape[1]))
    for start, rows in _blocks(resamples, n):
        drawn = random.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
        for arm, cells in enumerate((slice(0, n), slice(n, None))):
            found[start : start + rows, arm] = quotients(times @ sums[cells], times @ counts[cells])
    return found


def quotients(sums: "Array", counts: "Array") -> "Array":
    """Return `sums` divided by `counts`, NaN where there is nothing to divide by."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def pseudo_values(spread: Spread, n: int) -> "Array":
    """Return (2n,) values whose means over A's and B's cells are the measure of each, for use as those of units.

    The jackknife's pseudo-values (Tukey 1958; for statistics over pairs Arvesen 1969), shifted to the measure itself: a
    unit counts by how much the measure changes without it. So its copies in a resample are neither repeats nor pairs.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    one, none = np.ones((1, n)), np.zeros((1, n))
    whole = spread.values(np.hstack([one, none]), np.hstack([none, one]))
    others, nothing = 1 - np.eye(n), np.zeros((n, n))
    without = spread.values(np.hstack([others, nothing]), np.hstack([nothing, others]))
    found = []
    for all_units, left_out in zip(whole, without, strict=True):
        change = np.nan_to_num((n - 1) * (all_units - left_out), nan=0.0)
        found.append(all_units + change - change.mean())
    return np.concatenate(found)


def percentiles(value: float, drawn: "Array", limits: tuple[float, float]) -> Interval:
    """Return `value` with the percentile interval of (r,) draws, those that are undefined left out (Efron 1979)."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    defined = drawn[~np.isnan(drawn)]
    if not len(defined) or np.isnan(value):
        return Interval(np.nan, np.nan, np.nan)
    low, high = np.clip(np.quantile(defined, [LEVEL / 2, 1 - LEVEL / 2]), *limits)
    return Interval(float(value), float(low), float(high))


def swapped_ratios(sums: "Array", counts: "Array", seed: int, resamples: int) -> "Array":
    """Return p-values of the differences of k ratios, the prompts of each unit swapped at random.

    The difference is divided by its standard error, both worked out anew for every swap: then p holds also where the
    prompts differ in what the ratio is taken over, as those that parse less do (Janssen 1997). With pooled ratio r
    and e = sum - r * count, a unit adds e_A / count_A - e_B / count_B to the difference, and its square to the
    squared error. For means over the same records, that is the randomisation test of their differences.

    Args:
        sums: (2n, k) as for `bootstrap`.
        counts: (2n, k) as for `bootstrap`.
        seed: of the swaps.
        resamples: how many are made.

    Returns:
        (2, k) as `_p_values`; a ratio that is undefined for a prompt has the p-value 1.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    n = len(sums) // 2
    pooled = np.nan_to_num(quotients(sums.sum(axis=0), counts.sum(axis=0)))
    e = sums - counts * pooled
    columns = np.stack([e, counts, e * e])  # (3, 2n, k)
    a, b = columns[:, :n], columns[:, n:]
    total = columns.sum(axis=1)
    cross = (a[0] * b[0]).sum(axis=0)

    def statistic(swaps: "Array") -> "Array":
        error, count, square = a.sum(axis=1)[:, None] + swaps @ (b - a)
        other = total[1] - count
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.abs(error / count - (total[0] - error) / other)
            spread = (
                square / count**2 + (total[2] - square) / other**2 - 2 * cross / (count * other)
            )
            t = far / np.sqrt(np.maximum(spread, 0))
        t[far <= _TIE * np.abs(pooled)] = 0
        return np.asarray(t)

    return _p_values(statistic, n, seed, resamples)


def swapped_spread(spread: Spread, n: int, seed: int, resamples: int) -> "Array":
    """Return the p-value of the difference of a set's measure under random swaps, (2, 1) as `swapped_ratios`.

    Without a standard error, for which each swap would need a jackknife: strictly, what is tested is whether the
    prompts write alike.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    def statistic(swaps: "Array") -> "Array":
        first, second = spread.values(np.hstack([1 - swaps, swaps]), np.hstack([swaps, 1 - swaps]))
        return np.abs(second - first)[:, None]

    return _p_values(statistic, n, seed, resamples)


def _p_values(statistic: "Callable[[Array], Array]", n: int, seed: int, resamples: int) -> "Array":
    """Return (2, k): the two-sided p-values of k statistics, and the smallest that any swap would have had.

    p is (b + 1) / (m + 1), where b of m swaps have a statistic at least as large as without any: never 0, and valid at
    any m (Phipson & Smyth 2010). A swap that leaves a prompt without anything to measure counts as one of them.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    random = np.random.default_rng([seed, 1])
    drawn = np.concatenate(
        [
            statistic(random.integers(0, 2, size=(rows, n)).astype(np.float64))
            for _, rows in _blocks(resamples, n)
        ]
    )
    seen = statistic(np.zeros((1, n)))
    seen[np.isnan(seen)] = -np.inf
    drawn[np.isnan(drawn)] = np.inf
    levels = np.concatenate([seen, drawn.max(axis=0, keepdims=True)])
    as_far = (drawn >= (levels * (1 - _TIE) - _TIE)[:, None]).sum(axis=1)
    return np.asarray((as_far + 1) / (resamples + 1))


def _blocks(draws: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield how many draws of `size` values are behind, and how many to make next."""
    step = max(1, _BLOCK_VALUES // max(1, size))
    for start in range(0, draws, step):
        yield start, min(step, draws - start)
