"""What one prompt made of a record, and what two prompts come to in a measure. Plain data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

from synthneg.evaluate.significance import LEVEL, Interval, smallest_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Better = Literal["higher", "lower"] | None
Form = Literal["share", "number"]
Word = Literal["better", "worse", "higher", "lower", "not distinguishable"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one prompt made of one record that it was asked for.

    Attributes:
        unit: id of the passage that the record comes from; units are paired between prompts and resampled whole.
        id: id of the record.
        text: None where nothing came that parses.
        reason: why it was rejected, or failed; None where it was kept.
        values: what was measured of it elsewhere, by name.
        vector: (d,) unit vector of the text, where it was encoded.
    """

    unit: str
    id: str
    text: str | None
    reason: str | None
    values: Mapping[str, float]
    vector: "NDArray[np.floating[Any]] | None" = None


@dataclass(frozen=True, slots=True)
class Row:
    """A measure of prompts A and B over the same passages; NaN where a prompt made nothing to measure.

    Attributes:
        difference: B minus A, with the interval of the paired difference.
        p: two-sided, of this row alone.
        p_holm: corrected for all `tests` rows that were tested (Holm 1979); 1 for a row that was not.
        word: what can be said of B.
        better: which direction is good; None where neither is.
        form: how its numbers are to be read; a share is in [0, 1].
    """

    measure: str
    a: Interval
    b: Interval
    difference: Interval
    p: float
    p_holm: float
    word: Word
    better: Better
    form: Form
    tests: int


def smallest(row: Row) -> float:
    """Return about the smallest difference that these passages would have shown in four cases of five.

    The standard error of the paired difference is taken from the width of its interval. NaN for a row whose interval
    has no width, or none.
    """
    width = row.difference.high - row.difference.low
    return smallest_for(width / 2 / NormalDist().inv_cdf(1 - LEVEL / 2), row.tests)


def to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as plain data, each with its `smallest`; None for NaN."""
    return [_plain(asdict(row) | {"smallest": smallest(row)}) for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
