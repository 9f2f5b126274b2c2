"""Two prompts over the same passages, measure by measure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthneg.evaluate.significance import LEVEL, Interval, holm
from synthneg.trial.measures import Distinct, Measure, Ratio
from synthneg.trial.resample import (
    bootstrap,
    percentiles,
    pseudo_values,
    quotients,
    swapped_ratios,
    swapped_spread,
)
from synthneg.trial.rows import Better, Form, Outcome, Row, Word
from synthneg.trial.spread import MeanCosine, Rarefied, Spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_ANY = float("-inf"), float("inf")
_LIMITS: dict[Form, tuple[float, float]] = {"share": (0, 1), "number": _ANY}

Cells = list[list[Outcome]]  # what A made of each unit, then what B made of each


@dataclass(frozen=True, slots=True)
class Column:
    """A measure as ratios of sums over cells, both (2n,); of a set's measure, its pseudo-values and their number."""

    sums: "Array"
    counts: "Array"
    spread: Spread | None


def compare_arms(
    a: Sequence[Outcome],
    b: Sequence[Outcome],
    measures: Sequence[Measure],
    seed: int,
    resamples: int,
) -> list[Row]:
    """Return a row for each measure that either prompt's outcomes have a value for.

    Two prompts that are one and the same get a word other than "not distinguishable" on any row in at most LEVEL of all
    cases: p-values are corrected over the rows (Holm 1979). A row in which so few units differ that no p-value could be
    below LEVEL is no test: it is given p_holm = 1 and makes the correction no stricter (Tarone 1990).

    Args:
        a: every record that prompt A was asked for.
        b: those of prompt B; the order of neither matters.
        measures: `standard(a, b)`, or a choice.
        seed: of all that is drawn.
        resamples: draws for the intervals, and swaps for the p-values.
    """
    cells = _cells(a, b)
    if not cells or not measures:
        return []
    columns = [_column(measure, cells) for measure in measures]
    p, tested = _p_values(columns, seed, resamples)
    corrected = _corrected(p, tested)
    rows = []
    for k, (measure, a_b, gap) in enumerate(_intervals(measures, columns, seed, resamples)):
        said = word(gap, corrected[k], measure.better)
        row = Row(
            measure=measure.name,
            a=a_b[0],
            b=a_b[1],
            difference=gap,
            p=p[k],
            p_holm=corrected[k],
            word=said,
            better=measure.better,
            form=measure.form,
            tests=sum(tested),
        )
        if not math.isnan(row.a.mean) or not math.isnan(row.b.mean):
            rows.append(row)
    return rows


def word(difference: Interval, p: float, better: Better) -> Word:
    """Say of B what its corrected p-value allows.

    >>> word(Interval(-0.2, -0.3, -0.1), 0.004, "lower")
    'better'
    """
    if p >= LEVEL:
        return "not distinguishable"
    if better is None:
        return "higher" if difference.mean > 0 else "lower"
    return "better" if (difference.mean > 0) == (better == "higher") else "worse"


def _corrected(p: Sequence[float], tested: Sequence[bool]) -> list[float]:
    """Return p-values corrected for how many were tested; 1 for what was not."""
    found = [1.0] * len(p)
    places = [k for k in range(len(p)) if tested[k]]
    for k, value in zip(places, holm([p[k] for k in places]), strict=True):
        found[k] = value
    return found


def _cells(a: Sequence[Outcome], b: Sequence[Outcome]) -> Cells:
    units = sorted({o.unit for o in (*a, *b)})
    place = {unit: index for index, unit in enumerate(units)}
    cells: Cells = [[] for _ in range(2 * len(units))]
    for start, arm in ((0, a), (len(units), b)):
        for outcome in sorted(arm, key=lambda o: o.id):
            cells[start + place[outcome.unit]].append(outcome)
    return cells


def _column(measure: Measure, cells: Cells) -> Column:
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    if isinstance(measure, Ratio):
        added = [list(zip((0, 0), *map(measure.of, held), strict=True)) for held in cells]
        both = np.array([[sum(part) for part in parts] for parts in added], dtype=np.float64)
        return Column(both[:, 0], both[:, 1], None)
    spread: Spread
    if isinstance(measure, Distinct):
        items = [
            [item for o in held if o.text is not None for item in measure.of(o.text)]
            for held in cells
        ]
        spread = Rarefied(items, measure.repeats)
    else:
        spread = MeanCosine([[o.vector for o in held if o.vector is not None] for held in cells])
    return Column(pseudo_values(spread, len(cells) // 2), np.ones(len(cells)), spread)


def _p_values(
    columns: Sequence[Column], seed: int, resamples: int
) -> tuple[list[float], list[bool]]:
    """Return each column's p-value, and whether any swap could have had one below LEVEL."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    n = len(columns[0].sums) // 2
    found = np.ones((2, len(columns)))
    ratios = [k for k, column in enumerate(columns) if column.spread is None]
    if ratios:
        sums, counts = _stacked([columns[k] for k in ratios])
        found[:, ratios] = swapped_ratios(sums, counts, seed, resamples)
    for k, column in enumerate(columns):
        if column.spread is not None:
            found[:, [k]] = swapped_spread(column.spread, n, seed, resamples)
    return found[0].tolist(), (found[1] < LEVEL).tolist()


def _intervals(
    measures: Sequence[Measure], columns: Sequence[Column], seed: int, resamples: int
) -> Iterator[tuple[Measure, tuple[Interval, Interval], Interval]]:
    """Yield each measure of A and of B, and the difference, with their intervals."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    sums, counts = _stacked(columns)
    whole = np.stack([part.reshape(2, -1, len(columns)).sum(axis=1) for part in (sums, counts)])
    values = quotients(*whole)
    drawn = bootstrap(sums, counts, seed, resamples)
    for k, measure in enumerate(measures):
        limits = _LIMITS[measure.form]
        a, b = (percentiles(values[arm, k], drawn[:, arm, k], limits) for arm in (0, 1))
        gap = percentiles(values[1, k] - values[0, k], drawn[:, 1, k] - drawn[:, 0, k], _ANY)
        yield measure, (a, b), gap


def _stacked(columns: Sequence[Column]) -> "tuple[Array, Array]":
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    return np.stack([c.sums for c in columns], axis=1), np.stack(
        [c.counts for c in columns], axis=1
    )
