"""What chance does to a difference between two sets of texts: permutations, intervals, and the word for each row.

All tests are one: the labels real and generated are dealt anew over the pooled texts, and what was seen is compared
with what the deals give. Such a p-value is exact at any size (Pitman 1937; with the seen deal among them, Phipson &
Smyth 2010), provided that the texts of each set were drawn independently.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from synthneg.interval import Z_95

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Word = Literal["like", "unlike", "not enough to say"]
Unit = Literal["words", "share", "log ratio", "distance"]

LEVEL = 0.05
# Fewer are never called like others: none of 20 leaves room for a share of 15 % (the rule of three).
FEW = 20
_Z_95_ONE = 1.644854  # one-sided
_Z_POWER = 0.841621  # 80 % power
_TWO_SIDED = ("words", "log ratio")  # what lies below chance counts as much as what lies above


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison of the real with the generated queries.

    `apart`, `by_chance`, `error`, `visible` and `matters` are in `unit`.
    """

    name: str
    queries: int  # of the smaller set
    real: str
    generated: str  # "" where the row says one thing of both sets
    unit: Unit
    apart: float  # how far the two sets are from each other
    by_chance: float  # the mean of that, were the labels dealt at random
    error: float  # standard error of `apart` where the sets differ
    visible: float  # smallest difference beyond chance that would be noticed in 4 of 5 such samples
    matters: (
        float | None
    )  # a difference that a person would act on; None: none can be named, so no like
    p: float

    @property
    def word(self) -> Word:
        """Unlike where chance does not explain the difference.

        Like where a difference that matters would have been noticed, and what was seen leaves no room for one: its
        upper 95 % bound lies below. A large p-value alone says nothing.
        """
        if self.p < LEVEL:
            return "unlike"
        if self.matters is None or self.queries < FEW:
            return "not enough to say"
        excess = self.apart - self.by_chance
        seen = abs(excess) if self.unit in _TWO_SIDED else max(0.0, excess)
        most = max(self.visible, seen + _Z_95_ONE * self.error)
        return "like" if most <= self.matters else "not enough to say"


def deals(real: int, generated: int, draws: int, seed: int) -> "NDArray[np.bool_]":
    """Return (1 + draws, real + generated) labels, True for real; the first row is as it is, the others are dealt."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    own = np.arange(real + generated) < real
    random = np.random.default_rng(seed)
    dealt = random.permuted(np.tile(own, (draws, 1)), axis=1)
    return np.concatenate([own[None], dealt])


def row(
    labels: "NDArray[np.bool_]",
    name: str,
    real: str,
    generated: str,
    unit: Unit,
    values: "NDArray[np.float64]",
    matters: float | None,
    *,
    error: float = 0.0,
    decides: "NDArray[np.float64] | None" = None,
) -> Row:
    """Return the row of a statistic.

    Args:
        labels: the deals.
        name: what is compared.
        real: the real queries' value in words.
        generated: that of the generated ones; "" where there is one value for both.
        unit: of the values; differences of words and log ratios count in both directions.
        values: (1 + draws,) the statistic under each deal, the seen one first.
        matters: see `Row`.
        error: standard error of the statistic where the sets differ, if it is more than under the deals: a difference
            without sign varies less where there is none.
        decides: (1 + draws,) another statistic for the p-value, where the one to show is less sharp.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    two_sided = unit in _TWO_SIDED
    tested = values if decides is None else decides
    far = np.abs(tested - tested.mean()) if two_sided else tested
    # Sums that are equal on paper may differ in the last bits; they count as equally far.
    p = float((far >= far[0] - 1e-9 * max(1.0, abs(far[0]))).mean())
    z = Z_95 if two_sided else _Z_95_ONE
    by_chance, spread = float(values.mean()), float(values[1:].std())
    error = max(error, spread)
    return Row(
        name=name,
        queries=int(min(labels[0].sum(), (~labels[0]).sum())),
        real=real,
        generated=generated,
        unit=unit,
        apart=float(values[0]),
        by_chance=by_chance,
        error=error,
        visible=z * spread + _Z_POWER * error,
        matters=matters,
        p=p,
    )


def share_error(count: float, of: int) -> float:
    """Return the standard error of a share, with one success and one failure more: none of 20 is not surely none.

    >>> round(share_error(0, 20), 3)
    0.047
    """
    share = (count + 1) / (of + 2)
    return math.sqrt(share * (1 - share) / of)


def percent(share: float) -> str:
    """Return a share as a person reads it.

    >>> percent(0.615)
    '62 %'
    """
    return f"{100 * share:.0f} %"
