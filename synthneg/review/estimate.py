"""A share of a run's records, told by a stratified sample of them: the estimate, its interval, and differences.

Pure arithmetic. Each stratum weighs what it has in the run, however many of it were asked about. The interval is
Wilson's for as many answers from a single stratum as would have the variance of these (the effective sample size of
surveys, Korn & Graubard 1998; Dean & Pagano 2015 compare such intervals). In a single stratum it is Wilson's own. A
stratum with few answers shows no variance of its own, so its share is drawn to that of all: with 1 to 3 answers in each
of 20 strata the interval covers the truth in at least 94 of 100 cases (`tests/test_review_estimate.py`). A stratum that
was asked about as a whole is known, and adds no doubt (finite population correction).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

from synthneg.evaluate.significance import LEVEL
from synthneg.interval import wilson

# Answers at the common share that are added to each stratum's own, Agresti & Coull's four (1998). With 1 the interval
# covers .88 where all shares are .97 and each stratum has one answer.
_PULL = 4


class Cell(NamedTuple):
    """What a stratum, or the part of a domain in it, has: answers in favour, all answers, and records in the run."""

    favour: float
    answers: int
    size: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its 95 % interval.

    Attributes:
        share: of the records that were reached; NaN where nothing was answered.
        low: 0 where nothing was answered.
        high: 1 where nothing was answered.
        answers: items with an answer.
        reached: records of the strata that have answers, of which the share is told.
        size: records of all strata.
    """

    share: float
    low: float
    high: float
    answers: int
    reached: int
    size: int


def z_of(comparisons: int = 1) -> float:
    """Return the two-sided normal quantile of a level of 5 %, shared out among comparisons (Bonferroni)."""
    return NormalDist().inv_cdf(1 - LEVEL / 2 / max(1, comparisons))


def estimate(cells: Iterable[Cell], comparisons: int = 1) -> Estimate:
    """Return the share of the strata's records that are in favour; `comparisons` widens its interval.

    >>> found = estimate([Cell(9, 10, 1000), Cell(2, 10, 1000)])
    >>> round(found.share, 3), round(found.low, 3), round(found.high, 3)
    (0.55, 0.368, 0.719)
    """
    cells = list(cells)
    known = [cell for cell in cells if cell.answers]
    reached, answers = sum(c.size for c in known), sum(c.answers for c in known)
    size = sum(c.size for c in cells)
    if not known:
        return Estimate(math.nan, 0.0, 1.0, 0, 0, size)
    share = sum(c.size * c.favour / c.answers for c in known) / reached
    low, high = _limits(known, reached, share, z_of(comparisons))
    return Estimate(share, low, high, answers, reached, size)


def differ(a: Sequence[Cell], b: Sequence[Cell], comparisons: int) -> bool | None:
    """Return whether share `a` is above `b` (True), below (False), or not distinguishable from it (None).

    By the interval of the difference that the two intervals make (MOVER, Newcombe 1998), corrected for `comparisons`.
    """
    one, other = estimate(a, comparisons), estimate(b, comparisons)
    if not one.answers or not other.answers:
        return None
    gap = one.share - other.share
    low = gap - math.hypot(one.share - one.low, other.high - other.share)
    high = gap + math.hypot(one.high - one.share, other.share - other.low)
    return None if low <= 0 <= high else gap > 0


def _limits(cells: Sequence[Cell], reached: int, share: float, z: float) -> tuple[float, float]:
    answers = sum(cell.answers for cell in cells)
    centre = (sum(cell.favour for cell in cells) + z * z / 2) / (answers + z * z)
    middle = variance = 0.0
    for cell in cells:
        weight, of = cell.size / reached, _effective(cell)
        drawn = (cell.favour + _PULL * centre) / (cell.answers + _PULL)
        middle += weight * drawn
        variance += weight**2 * drawn * (1 - drawn) / of
    if variance == 0:
        return share, share
    worth = middle * (1 - middle) / variance
    return wilson(share * worth, worth, z)


def _effective(cell: Cell) -> float:
    """Return how many answers from an endless stratum would tell as much; infinite where all of it was answered."""
    if cell.answers >= cell.size:
        return math.inf
    return cell.answers * (cell.size - 1) / (cell.size - cell.answers)
