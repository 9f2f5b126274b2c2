"""What to ask for more or less of, so that generated queries come nearer to real ones; nothing where none can tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthneg.realism.chance import percent
from synthneg.realism.compare import Comparison
from synthneg.realism.kinds import KINDS, Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROMPT_OF: dict[Kind, str] = {
    "question": "query/question",
    "claim": "query/claim",
    "keywords": "query/keywords",
    "title": "query/title",
    "request": "query/natural",
    "scenario": "query/scenario",
}
_RESAMPLES = 500
_INTERVAL = (0.05, 0.95)
_PRIOR = 0.5  # none among 20 does not mean none
_MAIN = 0.5  # a prompt of whose queries so many are of a kind can be asked for more of it
_RARE = 0.03  # a kind of which real queries surely have more is worth a prompt
_DROP = 0.1  # times as often
_STAY = (0.8, 1.25)
# Prompts that write the same kind keep their proportion, and small gains change nothing.
_RIDGE = 0.02


@dataclass(frozen=True, slots=True)
class Weight:
    """How often to ask for a prompt, so that the mix of kinds becomes that of the real queries.

    `low` and `high` are the 90 % interval that the number of real queries leaves. A prompt that the run does not have
    has no `times`, and `share` alone.
    """

    prompt: str
    times: float | None  # as often as now
    low: float
    high: float
    now: float  # share of the queries
    share: float  # share of the queries then


def weights(real: Sequence[Kind], made: Mapping[str, Sequence[Kind]], seed: int) -> list[Weight]:
    """Return a weight for each prompt of `made`, and for shipped prompts of kinds that none of these can be asked for.

    Least squares with weights of at least 0 (Lawson & Hanson 1974) between the real mix and that of the prompts' own
    kinds as they came out; intervals from what the mixes may be, given the counts and Jeffreys' prior.

    Args:
        real: kinds of the real queries.
        made: prompt -> kinds of its queries, at least one each.
        seed: of the intervals.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    random = np.random.default_rng(seed)
    total = sum(map(len, made.values()))
    now = np.asarray([len(kinds) / total for kinds in made.values()])
    ours, theirs = _counts(real), [_counts(kinds) for kinds in made.values()]
    adds = _missing(ours, theirs)
    best = _solve(ours / ours.sum(), [c / c.sum() for c in theirs], now, adds)
    draws = np.stack(
        [
            _solve(
                random.dirichlet(ours + _PRIOR),
                [random.dirichlet(counts + _PRIOR) for counts in theirs],
                now,
                adds,
            )
            for _ in range(_RESAMPLES)
        ]
    )
    low, high = np.quantile(draws, _INTERVAL, axis=0)
    found = [
        Weight(prompt, *map(float, (best[i], low[i], high[i], now[i], best[i] * now[i])))
        for i, prompt in enumerate(made)
    ]
    return found + [
        Weight(PROMPT_OF[KINDS[k]], None, float(low[i]), float(high[i]), 0.0, float(best[i]))
        for i, k in enumerate(adds, start=len(made))
    ]


def advise(comparison: Comparison, mix: Sequence[Weight]) -> list[str]:
    """Return sentences on the mix of kinds and on length, for those rows alone in which the sets are unlike."""
    lines: list[str] = []
    if comparison.row("kinds").word == "unlike":
        lines += [line for line in map(_on_prompt, mix) if line]
        if not lines:
            lines.append(
                "The kinds differ, but by so little, or seen in so few queries, that no prompt can be named."
            )
    mean, half = comparison.row("length, mean"), comparison.row("length, middle half")
    if "unlike" in (mean.word, half.word):
        lines.append(_on_length(comparison))
    if comparison.row("meaning, real missed").word == "unlike":
        lines.append(
            "Some real queries lie where no generated one does: see those that are furthest, and whether the corpus has"
            " passages that answer them."
        )
    if lines:
        return lines
    like = comparison.row("kinds").word == comparison.row("length, mean").word == "like"
    return [
        "Nothing to change: kinds and lengths are like those of the real queries."
        if like
        else "No difference in kinds or lengths was seen, but there may be one: more queries would tell."
    ]


def _on_prompt(weight: Weight) -> str | None:
    between = f"({percent(weight.low)} to {percent(weight.high)})"
    if weight.times is None:
        enough = weight.low > _RARE
        return (
            f"{weight.prompt}: add it, for {percent(weight.share)} of the queries {between}."
            if enough
            else None
        )
    if weight.low <= 1 <= weight.high or _STAY[0] <= weight.times <= _STAY[1]:
        return None
    if weight.times <= _DROP:
        return f"{weight.prompt}: drop it; it makes {percent(weight.now)} of the queries."
    return (
        f"{weight.prompt}: ask {weight.times:.1f} times as often ({weight.low:.1f} to {weight.high:.1f}),"
        f" for {percent(weight.share)} of the queries instead of {percent(weight.now)}."
    )


def _on_length(comparison: Comparison) -> str:
    ours, theirs = comparison.real.lengths, comparison.generated.lengths
    which = "Longer" if ours.mean > theirs.mean else "Shorter"
    if abs(ours.mean - theirs.mean) < 1:
        which = "More varied" if ours.high - ours.low > theirs.high - theirs.low else "More even"
    return (
        f"{which} queries: half of the real ones have {ours.low:.0f} to {ours.high:.0f} words,"
        f" half of the generated ones {theirs.low:.0f} to {theirs.high:.0f}."
    )


def _counts(kinds: Sequence[Kind]) -> "NDArray[np.float64]":
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    return np.asarray([sum(k == kind for k in kinds) for kind in KINDS], dtype=np.float64)


def _missing(real: "NDArray[np.float64]", made: "Sequence[NDArray[np.float64]]") -> list[int]:
    """Return the kinds of real queries that no prompt makes for the most part."""
    return [
        kind
        for kind in range(len(KINDS))
        if real[kind] and all(counts[kind] < _MAIN * counts.sum() for counts in made)
    ]


def _solve(
    real: "NDArray[np.float64]",
    made: "Sequence[NDArray[np.float64]]",
    now: "NDArray[np.float64]",
    adds: Sequence[int],
) -> "NDArray[np.float64]":
    """Return (prompts + adds,) weights: times as often for the prompts, shares of all queries for what is added."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing
    from scipy.optimize import nnls  # noqa: PLC0415 - as above

    mixes = [share * mix for share, mix in zip(now, made, strict=True)]
    columns = np.stack([*mixes, *np.eye(len(KINDS))[list(adds)]], axis=1)
    stay = np.concatenate([np.ones(len(made)), np.zeros(len(adds))])
    ridge = _RIDGE * np.concatenate([np.sqrt(now), np.ones(len(adds))])
    found, _ = nnls(np.vstack([columns, np.diag(ridge)]), np.concatenate([real, ridge * stay]))
    total = float(found[: len(made)] @ now + found[len(made) :].sum())
    result: NDArray[np.float64] = found / max(total, 1e-9)
    return result
