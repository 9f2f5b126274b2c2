"""Servers in virtual time, and a client that keeps as many requests in flight as a `Pace` lets it.

A server gets each request with the moment at which it comes and says when its reply will be there, or that it is
refused. Time is a number that jumps from event to event, so that hours pass in a second and nothing depends on the
machine.
"""

import asyncio
import heapq
import random
import selectors
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol, TypeVar

from synthneg.llm.limits import Outcome, Pace

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer; with none and nothing to do, it fails instead of waiting."""

    def __init__(self) -> None:
        self.now = 1000.0
        selector = selectors.DefaultSelector()
        select = selector.select

        def jump(timeout: float | None = None) -> Any:
            if timeout is None:
                raise RuntimeError("nothing will ever happen again")
            self.now += timeout
            return select(0)

        selector.select = jump  # type: ignore[method-assign]
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run(loop: VirtualLoop, main: Coroutine[Any, Any, T]) -> T:
    """Run in virtual time."""
    try:
        return loop.run_until_complete(asyncio.wait_for(main, None))
    finally:
        loop.close()


class Clock:
    """The virtual time, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Work:
    """One request: how long it takes an idle server, and the tokens of its reply."""

    seconds: float
    tokens: int


def fixed(seconds: float = 0.05) -> Iterator[Work]:
    """Yield requests that are all alike."""
    while True:
        yield Work(seconds, 20)


def lognormal(draw: random.Random, median: float = 0.05, sigma: float = 0.5) -> Iterator[Work]:
    """Yield requests whose times do not depend on their replies' lengths."""
    while True:
        yield Work(median * draw.lognormvariate(0, sigma), draw.randrange(5, 200))


def by_length(draw: random.Random, per_token: float = 0.01) -> Iterator[Work]:
    """Yield requests that take their time for each token of the reply, with a tenth of noise."""
    while True:
        tokens = draw.randrange(5, 200)
        yield Work(tokens * per_token * draw.lognormvariate(0, 0.1), tokens)


class Server(Protocol):
    """Says what becomes of a request; None: refused."""

    def arrive(self, now: float, work: Work) -> float | None:
        """Return when the reply leaves."""


class Unlimited:
    """Takes all there is, or slows down with each request so that its throughput is n / (1 + n / half)."""

    def __init__(self, half: float = float("inf")) -> None:
        self._half = half
        self._ends: list[float] = []

    def arrive(self, now: float, work: Work) -> float:
        """See `Server`."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        end = now + work.seconds * (1 + (len(self._ends) + 1) / self._half)
        heapq.heappush(self._ends, end)
        return end


class Queueing:
    """Works on `slots(now)` requests at once; the others wait their turn and are never refused."""

    def __init__(self, slots: Callable[[float], int]) -> None:
        self._slots = slots
        self._ends: list[float] = []

    def arrive(self, now: float, work: Work) -> float:
        """See `Server`."""
        # The slots' next free moments: the reply begins when the earliest of the last `slots` ends is over.
        most = self._slots(now)
        while len(self._ends) > most:
            heapq.heappop(self._ends)
        begin = now if len(self._ends) < most else max(now, heapq.heappop(self._ends))
        heapq.heappush(self._ends, begin + work.seconds)
        return begin + work.seconds


class Cold:
    """Adds time to the first replies of another server, as opening hundreds of connections at once does."""

    def __init__(self, server: Server, replies: int, seconds: float) -> None:
        self._server, self._left, self._seconds = server, replies, seconds

    def arrive(self, now: float, work: Work) -> float | None:
        """See `Server`."""
        end = self._server.arrive(now, work)
        self._left -= 1
        return end + self._seconds if end is not None and self._left >= 0 else end


class Refusing:
    """Works on `slots(now)` requests at once and refuses the others."""

    def __init__(self, slots: Callable[[float], int]) -> None:
        self._slots = slots
        self._ends: list[float] = []

    def arrive(self, now: float, work: Work) -> float | None:
        """See `Server`."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        if len(self._ends) >= self._slots(now):
            return None
        heapq.heappush(self._ends, now + work.seconds)
        return now + work.seconds


class Moody:
    """Refuses a share of the requests at random, and passes the others on."""

    def __init__(self, server: Server, share: float, draw: random.Random) -> None:
        self._server, self._share, self._draw = server, share, draw

    def arrive(self, now: float, work: Work) -> float | None:
        """See `Server`."""
        return None if self._draw.random() < self._share else self._server.arrive(now, work)


class PerMinute:
    """Refuses what is more than a token bucket of `burst` requests, filled with `rate` a second, lets through."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst, self._level, self._at = rate, burst, burst, 0.0

    def arrive(self, now: float, work: Work) -> float | None:
        """See `Server`."""
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1:
            return None
        self._level -= 1
        return now + work.seconds


@dataclass
class Seen:
    """What happened: a line per event, and sums."""

    done: list[float] = field(default_factory=list)  # when
    refused: list[float] = field(default_factory=list)
    limits: list[tuple[float, int]] = field(default_factory=list)
    area: list[tuple[float, float]] = field(
        default_factory=list
    )  # time, in-flight seconds until then

    def rate(self, since: float, until: float = float("inf")) -> float:
        """Return replies per second between two moments, in seconds from the start."""
        end = min(until, self.area[-1][0])
        return sum(since <= at < end for at in self.done) / (end - since)

    def in_flight(self, since: float, until: float = float("inf")) -> float:
        """Return the mean number in flight between two moments."""
        inside = [point for point in self.area if since <= point[0] <= until]
        return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])


def simulate(
    pace: Pace,
    clock: Clock,
    server: Server,
    works: Iterator[Work],
    seconds: float,
    refusal_s: float = 0.005,
    retry_after_s: float | None = 1.0,
) -> Seen:
    """Keep asking for `seconds`, with endless demand, and return what happened."""
    seen, events, numbers, start, area = Seen(), [], count(), clock.now, 0.0
    while clock.now < start + seconds:
        while pace.try_enter(10, 10):
            work = next(works)
            end = server.arrive(clock.now, work)
            at = end if end is not None else clock.now + refusal_s
            heapq.heappush(events, (at, next(numbers), clock.now, work, end is not None))
        held = not pace.in_flight
        before = clock.now
        if held:
            clock.now += 0.01
            continue
        clock.now, _, sent, work, ok = heapq.heappop(events)
        area += pace.in_flight * (clock.now - before)
        seen.area.append((clock.now - start, area))
        (seen.done if ok else seen.refused).append(clock.now - start)
        outcome: Outcome = "done" if ok else "refused"
        pace.leave(
            outcome, clock.now - sent, 10, 10, 10, work.tokens, None if ok else retry_after_s
        )
        if not seen.limits or seen.limits[-1][1] != pace.limit:
            seen.limits.append((clock.now - start, pace.limit))
    return seen


def busiest_minute(sent: list[tuple[float, int]]) -> int:
    """Return the most units in any 60 seconds."""
    most = total = first = 0
    for at, units in sent:
        total += units
        while sent[first][0] <= at - 60:
            total -= sent[first][1]
            first += 1
        most = max(most, total)
    return most
