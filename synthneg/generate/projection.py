"""From a pilot of a few passages to what the whole run will use, with intervals, and to how far a budget reaches.

Each total is N times the mean over the pilot's passages, with Student's t interval for it and the correction for
drawing without replacement from N (Cochran, Sampling Techniques, 1977, 2.7-2.8).
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from synthneg.config import LLMConfig
from synthneg.generate.pilot import STAGE_OF, Pilot, Use
from synthneg.llm.budget import cost_usd
from synthneg.llm.used import Spent

_CONFIDENCE = 0.95
_BEFORE_CHECKS = ("corpus", STAGE_OF["query"])
NOTHING = Spent(0, 0, 0, 0.0)

Uses = Sequence[Sequence[Use]]  # by passage, by prompt


@dataclass(frozen=True, slots=True)
class Estimate:
    """A total, and its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """What a prompt, or all of them, will use over the whole run. Tokens as the server counts them, time in seconds."""

    stage: str
    prompt: str
    requests: Estimate
    tokens_in: Estimate
    tokens_out: Estimate
    usd: Estimate | None  # None: a price is not known


@dataclass(frozen=True, slots=True)
class Projection:
    """What a run will use: by prompt, in total, and in time."""

    passages: int
    pilot_passages: int
    pass_rate: float | None  # share of queries that pass their checks; None: all are taken to
    rows: tuple[Row, ...]
    total: Row
    pilot: Row  # what the pilot has used itself
    seconds: Estimate
    affords: Estimate | None  # passages that the budget affords; None: no budget


def project(
    pilot: Pilot,
    passages: int,
    config: LLMConfig,
    pass_rate: float | None,
    elsewhere: Spent = NOTHING,
) -> Projection:
    """Return what a run over `passages` passages will use.

    Args:
        pilot: what was measured.
        passages: how many get queries, N.
        config: concurrency, limits a minute, prices and budget.
        pass_rate: share of queries that get documents, in [0, 1]; None where it is not known yet: then all do.
        elsewhere: what of the budget is gone, beside what these passages use.
    """
    uses = _thinned(pilot.passages, 1.0 if pass_rate is None else pass_rate)
    kinds = list(dict.fromkeys((use.stage, use.prompt) for some in uses for use in some))
    whole = _row("total", "", uses, passages, config)
    return Projection(
        passages,
        len(pilot.passages),
        pass_rate,
        tuple(_row(*kind, _of_kind(uses, *kind), passages, config) for kind in kinds),
        whole,
        _row("pilot", "", pilot.passages, len(pilot.passages), config),
        _time(_total(uses, lambda use: use.seconds, passages), whole, config),
        _affords(pilot, passages, config, elsewhere),
    )


def _thinned(uses: Uses, pass_rate: float) -> Uses:
    """Return the uses, of which those for documents are left out for the queries that fail their checks."""
    return [
        [use if use.stage in _BEFORE_CHECKS else _times(use, pass_rate) for use in some]
        for some in uses
    ]


def _times(use: Use, share: float) -> Use:
    return replace(
        use,
        requests=use.requests * share,
        tokens_in=use.tokens_in * share,
        tokens_out=use.tokens_out * share,
        seconds=use.seconds * share,
    )


def _of_kind(uses: Uses, stage: str, prompt: str) -> Uses:
    return [[use for use in some if (use.stage, use.prompt) == (stage, prompt)] for some in uses]


def _row(stage: str, prompt: str, uses: Uses, passages: int, config: LLMConfig) -> Row:
    priced = cost_usd(config.price, 0, 0) is not None
    return Row(
        stage,
        prompt,
        _total(uses, lambda use: use.requests, passages),
        _total(uses, lambda use: use.tokens_in, passages),
        _total(uses, lambda use: use.tokens_out, passages),
        _total(uses, lambda use: _usd(use, config), passages) if priced else None,
    )


def _total(uses: Uses, what: Callable[[Use], float], passages: int) -> Estimate:
    return estimate([sum(map(what, some)) for some in uses], passages)


def estimate(values: Sequence[float], population: int) -> Estimate:
    """Return the total over `population` of which `values` are a sample drawn without replacement.

    >>> estimate([2.0, 2.0, 2.0], 10)
    Estimate(mean=20.0, low=20.0, high=20.0)
    """
    count, mean = len(values), statistics.fmean(values)
    if count < 2 or count >= population:
        return Estimate(mean * population, mean * population, mean * population)
    from scipy.special import stdtrit  # noqa: PLC0415  # heavy, and needed for this alone

    left = math.sqrt(1 - count / population)
    half = stdtrit(count - 1, (1 + _CONFIDENCE) / 2) * statistics.stdev(values) / math.sqrt(count)
    half = float(half) * left
    least = sum(values) / population  # what the pilot has used already is used for certain
    return Estimate(
        mean * population, max(mean - half, least) * population, (mean + half) * population
    )


def _usd(use: Use, config: LLMConfig) -> float:
    return cost_usd(config.price, use.tokens_in, use.tokens_out) or 0.0


def _time(busy: Estimate, whole: Row, config: LLMConfig) -> Estimate:
    """Return the seconds that asking takes: with all slots at work, and not faster than the limits a minute allow."""
    limits = (
        (config.requests_per_minute, whole.requests),
        (config.input_tokens_per_minute, whole.tokens_in),
        (config.output_tokens_per_minute, whole.tokens_out),
    )

    def bound(of: Callable[[Estimate], float]) -> float:
        by_rate = [60 * of(total) / limit for limit, total in limits if limit is not None]
        return max(of(busy) / config.concurrency, *by_rate, 0.0)

    return Estimate(bound(lambda e: e.mean), bound(lambda e: e.low), bound(lambda e: e.high))


def _affords(pilot: Pilot, passages: int, config: LLMConfig, elsewhere: Spent) -> Estimate | None:
    """Return how many passages the budget affords; `low` if each uses what the upper end of the interval says.

    All queries are taken to pass their checks: what is asked for last would be what is missing.
    """
    budget = config.budget
    spent_usd = cost_usd(config.price, elsewhere.tokens_in, elsewhere.tokens_out) or 0.0
    limits: list[tuple[float | None, float, Callable[[Use], float]]] = [
        (budget.requests, elsewhere.requests, lambda use: use.requests),
        (
            budget.tokens,
            elsewhere.tokens_in + elsewhere.tokens_out,
            lambda use: use.tokens_in + use.tokens_out,
        ),
        (budget.usd, spent_usd, lambda use: _usd(use, config)),
        (budget.minutes, 0.0, lambda use: use.seconds / _in_flight(pilot, config) / 60),
    ]
    reach = Estimate(passages, passages, passages)
    for limit, spent, what in limits:
        if limit is None:
            continue
        total = _total(pilot.passages, what, passages)
        left = max(0.0, limit - spent)
        reach = Estimate(
            min(reach.mean, _passages(left, total.mean, passages)),
            min(reach.low, _passages(left, total.high, passages)),
            min(reach.high, _passages(left, total.low, passages)),
        )
    return reach if budget.model_dump(exclude_none=True) else None


def _passages(left: float, total: float, passages: int) -> int:
    """Return for how many of the passages `left` does, where all of them use `total`; at least one."""
    return passages if total <= left else max(1, math.floor(left * passages / total))


def _in_flight(pilot: Pilot, config: LLMConfig) -> float:
    """Return how many requests of the pilot were in flight on average, while any was.

    A server that is full answers each later, the more there are: so no more is counted on than it has shown.
    """
    seconds = sum(use.seconds for uses in pilot.passages for use in uses)
    return min(config.concurrency, seconds / pilot.busy_s) if pilot.busy_s else config.concurrency
