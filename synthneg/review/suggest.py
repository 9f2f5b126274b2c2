"""Which value of a threshold the answers suggest, how sure that is, and when they cannot say.

The value is the one at which the check agrees most with the people, or the loosest that has the precision wanted. A
value that was chosen by the same answers by which it is judged looks better than it is; so whether it beats the present
one is told by answers that had no part in choosing it (ten folds), by a paired randomisation test that is corrected for
all thresholds. The interval of the value is that of the choices in bootstrap resamples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from synthneg.evaluate.significance import LEVEL, holm, percentiles, randomisation_p
from synthneg.progress import track
from synthneg.realism.chance import FEW
from synthneg.review.agreement import resampled
from synthneg.review.estimate import Cell, Estimate, estimate
from synthneg.review.reviewed import Reviewed
from synthneg.review.sample import Stratum
from synthneg.review.thresholds import Threshold, Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Marks = NDArray[np.bool_]

Word = Literal["better", "not distinguishable", "not enough to say", "meets", "missed"]

FEW_OF_EACH = 5  # answers for and against that are needed
_FOLDS = 10
_RESAMPLES = 10_000
_SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the answers say of one threshold.

    Attributes:
        key: of the setting.
        now: its value; None where it bounds nothing.
        word: better: another value agrees more with the people; meets: a value has the precision wanted, also at the
            lower end of its interval; missed: none has; else the answers cannot tell.
        decided: answers whose item passes at one value and not at another.
        least: the answers for or against, whichever are fewer.
        value: the one suggested; None where there is none.
        low: of its 95 % interval; NaN where there is none.
        high: likewise.
        agreement: share of the records decided about that the value treats as the people would.
        agreement_now: likewise of the present value.
        p: of the randomisation test, corrected; 1 where there was none.
        precision: of what passes at the value; None unless a precision is wanted.
        changes: arguments of `--set` that make it so.
    """

    key: str
    now: float | None
    word: Word
    decided: int
    least: float
    value: float | None = None
    low: float = math.nan
    high: float = math.nan
    agreement: float = math.nan
    agreement_now: float = math.nan
    p: float = 1.0
    precision: Estimate | None = None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Case:
    """The items that a threshold decides about, and what it makes of each at each value.

    Attributes:
        threshold: which.
        values: (v,) values, rising.
        passes: (n, v) 1 where an item passes.
        passes_now: (n,) likewise at the present value.
        good: (n,) how far the people would let each pass.
        weights: (n,) records that each stands for.
        strata: (n,) of each.
        varies: (n,) whether its fate depends on the value.
    """

    threshold: Threshold
    values: list[Value]
    passes: "Array"
    passes_now: "Array"
    good: "Array"
    weights: "Array"
    strata: list[Stratum]
    varies: "Marks"

    @property
    def bare(self) -> Suggestion:
        """What can be said before anything is worked out."""
        good = self.good[self.varies]
        least = min(float(good.sum()), float((1 - good).sum()))
        decided = int(self.varies.sum())
        return Suggestion(
            self.threshold.key, self.threshold.now, "not enough to say", decided, least
        )


def suggestions(
    thresholds: Sequence[Threshold],
    reviewed: Sequence[tuple[Stratum, Reviewed]],
    seed: int,
    precision: float | None = None,
) -> list[Suggestion]:
    """Return what the answers say of each threshold that decides about any of the items.

    Args:
        thresholds: of the run.
        reviewed: the items with answers, each with its stratum.
        seed: of resamples and tests.
        precision: the share of what passes that is to be right; without it, agreement is what counts.
    """
    known = track(thresholds, "review", "thresholds tried", len(thresholds))
    cases = [case for t in known if (case := _case(t, reviewed)) is not None]
    if precision is not None:
        return [_for_precision(case, precision, seed) for case in cases]
    found = [_for_agreement(case, seed) for case in cases]
    tested = [place for place, one in enumerate(found) if one.word != "not enough to say"]
    for place, p in zip(tested, holm([found[place].p for place in tested]), strict=True):
        one = replace(found[place], p=p)
        found[place] = one if p < LEVEL else replace(one, word="not distinguishable", changes=())
    return found


def _case(threshold: Threshold, reviewed: Sequence[tuple[Stratum, Reviewed]]) -> _Case | None:
    import numpy as np  # noqa: PLC0415 - heavy: only when a review is summed up

    held = [(s, one) for s, one in reviewed if threshold.score(one.item) is not None]
    items = [one.item for _, one in held]
    values = threshold.values(items)
    if not values:
        return None
    passes = np.array(
        [[threshold.passes(i, v.value) for v in values] for i in items], dtype=np.float64
    )
    varies = passes.min(axis=1) < passes.max(axis=1)
    if not varies.any():
        return None
    yes = np.array([one.yes for _, one in held])
    return _Case(
        threshold,
        values,
        passes,
        np.array([threshold.passes(i, threshold.now) for i in items], dtype=np.float64),
        yes if threshold.wants_answer else 1 - yes,
        np.array([one.weight for _, one in held]),
        [stratum for stratum, _ in held],
        varies,
    )


def _enough(bare: Suggestion) -> bool:
    return bare.decided >= FEW and bare.least >= FEW_OF_EACH


def _for_agreement(case: _Case, seed: int) -> Suggestion:
    bare = case.bare
    if not _enough(bare):
        return bare
    weights, good = case.weights[case.varies], case.good[case.varies]
    agrees = _agrees(case.passes[case.varies], good[:, None])
    agrees_now = _agrees(case.passes_now[case.varies], good)
    chosen = _middle(_best(weights @ agrees))
    value = case.values[chosen].value
    low, high = _ends(case.values, chosen, _best(resampled(weights, seed) @ agrees))
    total = weights.sum()
    return replace(
        bare,
        word="better",
        value=value,
        low=low,
        high=high,
        agreement=float(weights @ agrees[:, chosen] / total),
        agreement_now=float(weights @ agrees_now / total),
        p=_p_of_gain(agrees, agrees_now, good, weights, seed),
        changes=(case.threshold.change(value), *case.threshold.also),
    )


def _p_of_gain(
    agrees: "Array", agrees_now: "Array", good: "Array", weights: "Array", seed: int
) -> float:
    """Return how likely chance alone makes values chosen by other answers differ so from the present one."""
    import numpy as np  # noqa: PLC0415 - heavy: only when a review is summed up

    order = np.random.default_rng(seed).permutation(len(good))
    order = order[np.argsort(good[order], kind="stable")]  # each fold has its share of both
    folds = np.empty(len(good), dtype=np.int64)
    folds[order] = np.arange(len(good)) % _FOLDS
    gains = np.zeros(len(good))
    for fold in range(_FOLDS):
        out = folds == fold
        chosen = _middle(_best(weights[~out] @ agrees[~out]))
        gains[out] = agrees[out, chosen] - agrees_now[out]
    gains *= weights
    return randomisation_p(gains.tolist(), seed, _RESAMPLES) if gains.sum() > 0 else 1.0


def _for_precision(case: _Case, wanted: float, seed: int) -> Suggestion:
    bare = case.bare
    if not _enough(bare):
        return bare
    loosest = _loosest(case.passes, case.good, case.weights, wanted)
    if not loosest.any():
        return replace(bare, word="missed")
    chosen = _middle(loosest)
    drawn = _loosest(case.passes, case.good, resampled(case.weights, seed), wanted)
    low, high = _ends(case.values, chosen, drawn)
    value = case.values[chosen].value
    found = _precision(case, case.passes[:, chosen])
    sure = found.low >= wanted
    return replace(
        bare,
        word="meets" if sure else "not distinguishable",
        value=value,
        low=low,
        high=high,
        precision=found,
        changes=(case.threshold.change(value), *case.threshold.also),
    )


def _precision(case: _Case, passes: "Array") -> Estimate:
    """Return the share of what passes that is right, weighted back to the run."""
    cells: dict[Stratum, list[float]] = {}
    for stratum, passed, good, weight in zip(
        case.strata, passes, case.good, case.weights, strict=True
    ):
        if passed:
            cell = cells.setdefault(stratum, [0.0, 0.0, 0.0])
            for place, value in enumerate((good, 1.0, weight)):
                cell[place] += value
    return estimate(
        Cell(favour, round(n), max(round(n), round(size))) for favour, n, size in cells.values()
    )


def _loosest(passes: "Array", good: "Array", weights: "Array", wanted: float) -> "Marks":
    """Return (…, v) which values let most pass and still have the precision wanted, of (…, n) weights."""
    passed = weights @ passes
    right = (weights * good) @ passes
    meets = (passed > 0) & (right >= wanted * passed - _SAME)
    most = passed.max(axis=-1, keepdims=True, where=meets, initial=0.0)
    found: Marks = meets & (passed >= most - _SAME)
    return found


def _agrees(passes: "Array", good: "Array") -> "Array":
    found: Array = passes * good + (1 - passes) * (1 - good)
    return found


def _best(scores: "Array") -> "Marks":
    """Return (…, v) which values have the highest of (…, v) scores."""
    found: Marks = scores >= scores.max(axis=-1, keepdims=True) * (1 - _SAME)
    return found


def _middle(marks: "Marks") -> int:
    """Return the place of the middle one of (v,) values that are as good as each other."""
    places = marks.nonzero()[0]
    return int(places[(len(places) - 1) // 2])


def _ends(values: Sequence[Value], chosen: int, drawn: "Marks") -> tuple[float, float]:
    """Return the 95 % interval of a value; of values that are as good as each other in a resample the outermost count.

    Args:
        values: (v,) all of them.
        chosen: the place of the one that it is of.
        drawn: (b, v) which are the best in each resample; none where none will do.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when a review is summed up

    drawn = drawn[drawn.any(axis=1)]
    one = values[chosen]
    first, last = drawn.argmax(axis=1), len(values) - 1 - drawn[:, ::-1].argmax(axis=1)
    lows = np.array([value.low for value in values])[first]
    highs = np.array([value.high for value in values])[last]
    if not len(drawn):
        return one.low, one.high
    return min(one.low, percentiles(0, lows).low), max(one.high, percentiles(0, highs).high)
