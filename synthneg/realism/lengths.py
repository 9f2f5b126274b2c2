"""Lengths of queries in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthneg.realism.chance import Row, row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MATTERS_MEAN = 0.2  # of the real mean
_MATTERS_GAP = 0.15  # share of the queries that one set has below some length, and the other above


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of one set in words."""

    mean: float
    low: float  # first quartile
    median: float
    high: float  # third quartile


def lengths_of(counts: Sequence[int]) -> Lengths:
    """Return mean and quartiles of (n,) numbers of words, n at least 1."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    low, median, high = (float(x) for x in np.quantile(counts, [0.25, 0.5, 0.75]))
    return Lengths(float(np.mean(counts)), low, median, high)


def length_rows(
    real: Sequence[int], generated: Sequence[int], labels: "NDArray[np.bool_]"
) -> list[Row]:
    """Return the rows of the means and of the whole distributions.

    The means differ by generated minus real. The distributions are compared by Kolmogorov and Smirnov's statistic: the
    largest gap between the shares of queries of up to some length.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    pooled = np.asarray([*real, *generated], dtype=np.float64)
    ours, theirs = lengths_of(real), lengths_of(generated)
    return [
        row(
            labels,
            "length, mean",
            f"{ours.mean:.1f} words",
            f"{theirs.mean:.1f} words",
            "words",
            _mean_differences(pooled, labels),
            _MATTERS_MEAN * ours.mean,
        ),
        row(
            labels,
            "length, middle half",
            f"{ours.low:.0f} to {ours.high:.0f} words",
            f"{theirs.low:.0f} to {theirs.high:.0f} words",
            "share",
            _largest_gaps(pooled, labels),
            _MATTERS_GAP,
            error=0.5 * math.sqrt(1 / len(real) + 1 / len(generated)),  # at most, in the middle
        ),
    ]


def _mean_differences(
    pooled: "NDArray[np.float64]", labels: "NDArray[np.bool_]"
) -> "NDArray[np.float64]":
    real = int(labels[0].sum())
    sums = labels @ pooled
    result: NDArray[np.float64] = (pooled.sum() - sums) / (len(pooled) - real) - sums / real
    return result


def _largest_gaps(
    pooled: "NDArray[np.float64]", labels: "NDArray[np.bool_]"
) -> "NDArray[np.float64]":
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    real = int(labels[0].sum())
    order = np.argsort(pooled, kind="stable")
    (ends,) = np.nonzero(np.diff(pooled[order], append=np.inf))  # last place of each length
    below = labels[:, order].cumsum(axis=1)[:, ends]
    gaps = np.abs(below / real - (ends + 1 - below) / (len(pooled) - real))
    result: NDArray[np.float64] = gaps.max(axis=1)
    return result
