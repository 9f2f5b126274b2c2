"""How far two judges of the same items agree: a table of what each said, and Cohen's kappa with a bootstrap interval.

Pure arithmetic over arrays. An item is a table of its own: one cell is 1, or several share it where several people
answered. Items are drawn with replacement whatever their stratum, each with its weight: strata of one or two answers
have no variance of their own, and drawing within them would make the interval too narrow.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthneg.evaluate.significance import percentiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa with its 95 % interval; all NaN where one side said the same of every item."""

    value: float
    low: float
    high: float


NO_KAPPA = Kappa(math.nan, math.nan, math.nan)


def kappa(tables: "Array", weights: "Array", seed: int, *, graded: bool = False) -> Kappa:
    """Return the agreement beyond chance of (n, k, k) tables of items, first judge by row, second by column.

    Args:
        tables: of each item, summing to 1.
        weights: (n,) records of the run that each item stands for.
        seed: of the resamples.
        graded: a disagreement counts by the square of its distance (Cohen 1968), as between grades.
    """
    if not len(tables):
        return NO_KAPPA
    drawn = resampled(weights, seed)
    n, k, _ = tables.shape
    values = _kappas((drawn @ tables.reshape(n, -1)).reshape(-1, k, k), graded)
    all_of_it = (weights @ tables.reshape(n, -1)).reshape(k, k)
    if min((all_of_it.sum(axis=axis) > 0).sum() for axis in (0, 1)) < 2:
        return NO_KAPPA
    seen = float(_kappas(all_of_it[None], graded)[0])
    values = values[~_isnan(values)]
    found = percentiles(seen, values)
    return Kappa(seen, min(found.low, seen), max(found.high, seen))


def resampled(weights: "Array", seed: int) -> "Array":
    """Return (RESAMPLES, n) weights of n items, drawn with replacement."""
    import numpy as np  # noqa: PLC0415 - heavy: only when a review is summed up

    n = len(weights)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    found: Array = counts * weights
    return found


def _kappas(tables: "Array", graded: bool) -> "Array":
    """Return (b,) kappas of (b, k, k) tables; NaN where chance alone explains every agreement."""
    import numpy as np  # noqa: PLC0415 - heavy: only when a review is summed up

    k = tables.shape[1]
    places = np.arange(k)
    far = np.abs(places[:, None] - places).astype(np.float64)
    cost = far**2 if graded else (far > 0).astype(np.float64)
    total = tables.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = tables / total[:, None, None]
        by_chance = shares.sum(axis=2)[:, :, None] * shares.sum(axis=1)[:, None, :]
        expected = (by_chance * cost).sum(axis=(1, 2))
        found: Array = np.where(
            expected > 0, 1 - (shares * cost).sum(axis=(1, 2)) / expected, np.nan
        )
    return found


def _isnan(values: "Array") -> "NDArray[np.bool_]":
    import numpy as np  # noqa: PLC0415 - heavy: only when a review is summed up

    return np.isnan(values)
