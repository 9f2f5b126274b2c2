"""What a whole cluster may send to a language model, dealt out to its workers: places, limits per minute, a budget.

A worker reports at least once a second what it has used and what it wants, and gets permits: each is the right to send
one request within `HELD_S`. The limits are the same `Rates` and `Budget` by which a single asker goes; permits that
have not come back count as requests in flight, so that nothing is spent twice. Places in flight are shared equally by
those workers that are at work, and never promised to one before another has given them back.

Nothing here knows of Ray or of sockets: reports come in, grants go out (`synthneg.cluster.allowance` carries them).
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from synthneg.config import LLMConfig
from synthneg.llm.budget import Budget
from synthneg.llm.rates import Rates
from synthneg.llm.used import Totals

# A permit that is not used by then goes back. The rates are lower by this share of a minute, so no minute holds more
# than the limit and one request; of tokens, which a permit has as estimated, one request more of each worker.
HELD_S = 1.0
REPORT_S = 1.0  # at the latest, while a worker is at work
_SETTLED_S = 2.5  # longer than a permit can be out and a report on its way
# Without a report; its places go to the others, and a keeper that has taken another's place waits for nobody longer.
_GONE_S = 10.0
_AGAIN_S = 0.1
_AGAIN_PER_WORKER_S = 0.001  # a keeper answers some thousand reports a second
NOTHING = Totals(0, 0, 0, 0)


class Known(NamedTuple):
    """What a keeper knew when it last answered: enough for its successor to go on from."""

    keeper: str
    used: Totals
    asked_s: float
    debts_s: tuple[float, ...]  # of the limits per minute, see `Rates.debts_s`
    at: float = 0.0  # by the clock of whoever heard it

    def later(self, now: float) -> "Known":
        """Return what is still true of it at `now`, by the clock of whoever heard it."""
        return self._replace(debts_s=tuple(debt - (now - self.at) for debt in self.debts_s), at=now)


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says of itself."""

    worker: str
    in_flight: int  # requests that hold a place
    held: int  # permits not used yet
    wants: int  # permits that it has a use for
    tokens_in: int  # of a request, as estimated
    tokens_out: int
    used: Totals = (
        NOTHING  # by all tries that have ended, so that no report is missed when one is lost
    )
    # Beyond what was estimated, since its last report; below 0: given back.
    more_in: int = 0
    more_out: int = 0
    more_requests: int = 0
    known: Known | None = None
    leaves: bool = False  # it has nothing more to ask


@dataclass(frozen=True, slots=True)
class Grant:
    """What a worker is answered."""

    places: int  # most requests that it may have in flight
    permits: int
    used_up: str | None  # what of the budget does not allow more, in words
    waits_for: str  # what limit holds requests back, in words
    again_s: float  # when to ask again where fewer permits came than were wanted
    known: Known


class Keeper:
    """Deals out what `llm` allows to the workers of one cluster.

    Args:
        config: places, limits and budget.
        used: what the run has used before.
        asked_s: seconds of asking that count against the budget already.
        restarted: whether another keeper has been at work. Nothing is granted then for as long as a worker may be
            silent; they say what they have used, and from what they heard of the other it knows in how long the limits
            are paid for.
        gone: what workers have used that will not report to this keeper any more, by their names.
        clock: seconds, of any steady clock.
    """

    def __init__(
        self,
        config: LLMConfig,
        used: Totals,
        asked_s: float,
        *,
        restarted: bool = False,
        gone: Mapping[str, Totals] = MappingProxyType({}),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._clock = uuid.uuid4().hex, clock
        self._before, self._told = used, NOTHING
        self._used: dict[
            str, Totals
        ] = {}  # by worker, also of those that have left; `_told` is their sum
        for worker, its in gone.items():
            self._count(worker, its)
        self._cap = config.concurrency
        self._budget = Budget(config, used, asked_s)
        self._rates = Rates(config, HELD_S)
        self._places: dict[str, int] = {}
        self._out: dict[str, int] = {}  # permits: in flight or not used yet
        self._heard: dict[str, float] = {}
        self._granted_at = -_SETTLED_S
        self._settled_at = clock() + (_GONE_S if restarted else 0.0)

    def answer(self, report: Report) -> Grant:
        """Return what a worker may do, having taken in what it has done."""
        now = self._clock()
        self._take_in(report, now)
        permits, used_up = self._permits(report, now)
        self._out[report.worker] = report.in_flight + report.held + permits
        if not self._out[report.worker]:
            del self._out[report.worker]
        places = self._share(report, now)
        if report.leaves:
            del self._places[report.worker], self._heard[report.worker]
        again_s = max(_AGAIN_S, _AGAIN_PER_WORKER_S * len(self._places))
        known = Known(
            self._name,
            self._budget.used,
            self._budget.asked_s,
            self._rates.debts_s(now),
        )
        waits_for = self._rates.tightest(now) if self._rates else ""
        return Grant(places, permits, used_up, waits_for, again_s, known)

    def _take_in(self, report: Report, now: float) -> None:
        known = report.known
        if known is not None and known.keeper != self._name:
            self._budget.catch_up(known.used, known.asked_s)
            self._rates.owe(now, known.debts_s)
        self._count(report.worker, report.used)
        self._budget.catch_up(self._before.plus(self._told), self._budget.asked_s)
        self._rates.correct(report.more_in, report.more_out, report.more_requests)
        self._heard[report.worker] = now
        for worker in [name for name, at in self._heard.items() if at < now - _GONE_S]:
            # Its permits stay counted: what it had in flight was most likely sent, and is paid for.
            del self._heard[worker]
            self._places.pop(worker, None)

    def _count(self, worker: str, used: Totals) -> None:
        self._told = self._told.less(self._used.get(worker, NOTHING)).plus(used)
        self._used[worker] = used

    def _permits(self, report: Report, now: float) -> tuple[int, str | None]:
        """Return how many permits are granted, and what of the budget does not allow a first one."""
        if now < self._settled_at or not report.wants:
            return 0, None
        others = sum(self._out.values()) - self._out.get(report.worker, 0)
        out = others + report.in_flight + report.held
        granted = 0
        while granted < report.wants:
            used_up = self._budget.used_up(out + granted)
            if used_up is not None:
                # What another worker holds may yet come back unused.
                surely = granted == 0 and now > self._granted_at + _SETTLED_S
                return granted, used_up if surely else None
            if self._rates and not self._rates.take(now, report.tokens_in, report.tokens_out):
                break
            granted += 1
            self._granted_at = now
        return granted, None

    def _share(self, report: Report, now: float) -> int:
        """Return the places of a worker: an equal share, of which it gets what the others have given back."""
        others = sum(self._places.values()) - self._places.get(report.worker, 0)
        busy = len(self._places.keys() | {report.worker})
        places = max(0, min(-(-self._cap // busy), self._cap - others))
        if now < self._settled_at:
            places = report.in_flight
        self._places[report.worker] = max(places, report.in_flight)
        return places
