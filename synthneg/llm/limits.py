"""When the next request may go: requests in flight, rates per minute, and what a server that refuses asks for.

    if not pace.try_enter(tokens_in, tokens_out):
        await pace.enter(tokens_in, tokens_out)
    ...
    pace.leave("done", seconds, tokens_in, tokens_out, used_in, used_out)

All of llm.concurrency may be in flight from the start. `knee` lowers that for servers that queue; here it is lowered
for servers that refuse. Halving at each refusal, as TCP does, would leave a fraction of the speed to a run that meets
a few refusals at random; so refusals count only when they are more than one to six replies. Then nothing
is sent until the refusals on their way have come in: what remains in flight is what the server takes, exactly and at
once. Only where nothing remains must all wait for the server's Retry-After.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

from synthneg.config import LLMConfig
from synthneg.llm.base import Reply
from synthneg.llm.knee import Knee
from synthneg.llm.rates import Rates

Outcome = Literal["done", "refused", "failed"]

_BORNE_SHARE = 1 / 6  # refusals per reply
_BORNE_AT_ONCE = 4
_LONGEST_DRAIN_S = 5.0
_FIRST_HOLD_S, _LONGEST_HOLD_S = 0.5, 30.0
_SHORTEST_WAIT_S = 0.001  # a shorter one may not move the clock at all

_Waiter = tuple[asyncio.Future[None], int, int]


class Share(Protocol):
    """What is allowed to one of several askers together: places, limits per minute, and a budget.

    An asker that is alone has `llm.concurrency` places, `Rates` and a `Budget`; this is all three.
    """

    def listen(self, news: Callable[[int], None]) -> None:
        """Call `news`, with the places that there are now (0: none yet), whenever a waiting request may try again."""
        ...

    def take(self, now: float, tokens_in: int, tokens_out: int) -> bool:
        """Charge a request that goes now; see `Rates.take`."""
        ...

    def wait_s(self, now: float) -> float:
        """Return how long the next request must wait, in seconds; infinite where `news` will tell."""
        ...

    def correct(self, tokens_in: int, tokens_out: int) -> None:
        """Hear that a request has left, with what it used beyond its estimate."""
        ...

    def tightest(self, now: float) -> str:
        """Return the words for what holds requests back; see `Rates.tightest`."""
        ...

    def count(self, reply: Reply | None) -> None:
        """Count a try that has ended; see `Budget.count`."""
        ...

    def used_up(self, in_flight: int) -> str | None:
        """Return what does not allow the request that was charged, in words; see `Budget.used_up`."""
        ...


class Pace:
    """Lets requests go, in the order in which they ask. Belongs to one event loop; every entry needs one `leave`.

    Args:
        config: places and limits.
        clock: seconds, of any steady clock.
        share: what this one is allowed of both, where several askers share them.
    """

    def __init__(
        self,
        config: LLMConfig,
        clock: Callable[[], float] = time.monotonic,
        share: Share | None = None,
    ) -> None:
        self.in_flight = 0
        self._most = config.concurrency
        self._cap, self._clock = self._most if share is None else 0, clock
        self._knee = Knee(config.concurrency)
        rates = Rates(config)
        self._rates: Rates | Share | None = share or (rates if rates else None)
        self._open = self._cap  # the limit; 0 while nothing may go
        self._queue: deque[_Waiter] = deque()
        self._urgent: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None

        self._refusals = 0.0  # not yet outweighed by replies
        self._borne = _BORNE_SHARE
        self._refused_limit = 0  # what the last refusals lowered the limit to; 0: none has
        self._slowest_refusal_s = 0.0
        self._retry_at = math.inf  # the earliest that a refusal asked for
        self._drain_until = 0.0  # 0: not draining
        self._accepted = 0  # in a drain: requests that the server has not refused
        self._held_until = 0.0  # 0: not held
        self._asked = False  # whether the server asked for it
        self._hold_s = _FIRST_HOLD_S
        if share is not None:
            share.listen(self._hear)

    @property
    def limit(self) -> int:
        """How many requests may be in flight, from 1 to llm.concurrency."""
        return self._knee.limit

    def try_enter(self, tokens_in: int, tokens_out: int) -> bool:
        """Return whether a request goes now, ahead of none that waits.

        Args:
            tokens_in: of its prompt, as estimated.
            tokens_out: of its reply, as estimated.
        """
        return not (self._queue or self._urgent) and self._goes(tokens_in, tokens_out)

    async def enter(self, tokens_in: int, tokens_out: int, urgent: bool = False) -> None:
        """Wait until a request may go; see `try_enter`.

        Args:
            tokens_in: as there.
            tokens_out: as there.
            urgent: ahead of all that are not, such as a request that is sent again.
        """
        queue = self._urgent if urgent else self._queue
        if not queue and not self._urgent and self._goes(tokens_in, tokens_out):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append((turn, tokens_in, tokens_out))
        self._wake()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # its turn had come before it could learn of it
                self.leave("failed", 0.0, tokens_in, tokens_out, 0, 0)
            raise

    def leave(
        self,
        outcome: Outcome,
        seconds: float,
        tokens_in: int,
        tokens_out: int,
        used_in: int | None = None,
        used_out: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Give back the place of a request.

        Args:
            outcome: "done": replied; "refused": HTTP 429, or 503 of a server that has too much to do; "failed": else.
            seconds: since it entered.
            tokens_in: as estimated when it entered.
            tokens_out: as estimated when it entered.
            used_in: what the server counted; None: not known, the estimate stands.
            used_out: what the server counted; None: not known, the estimate stands.
            retry_after_s: of a refusal, what the server asks for.
        """
        self.in_flight -= 1
        now = self._clock()
        if self._rates is not None:
            self._rates.correct(
                used_in - tokens_in if used_in is not None else 0,
                used_out - tokens_out if used_out is not None else 0,
            )
        if outcome == "done":
            self._knee.done(now, seconds, used_out or 0, self.in_flight)
            if self._refusals:
                self._refusals = max(0.0, self._refusals - self._borne)
        elif outcome == "refused":
            self._refused(now, seconds, retry_after_s)
        if self._drain_until:
            if now >= self._drain_until or not self.in_flight:
                self._end_drain(now)
        elif not self._held_until:
            self._open = self._knee.limit
        if self._urgent or self._queue:
            self._wake()

    def waits_for(self) -> str:
        """Return what keeps requests from going, for a person; "" where nothing but replies is waited for."""
        now = self._clock()
        limit = self._knee.limit
        if self._held_until > now:
            left = math.ceil(self._held_until - now)
            return (
                f"the server asks to wait {left} s"
                if self._asked
                else f"the server refuses everything; next try in {left} s"
            )
        if self._rates is not None and self.in_flight < self._open:
            words = self._rates.tightest(now)
            if words:
                return words
        if limit < self._cap:
            return (
                f"the server refuses more than {limit} of {self._cap} at once"
                if self._refused_limit
                else f"the server is at its limit: {limit} of {self._cap} in flight"
            )
        return ""

    def _goes(self, tokens_in: int, tokens_out: int) -> bool:
        """Let a request go if it may."""
        if self.in_flight >= self._open and not self._resumes():
            return False
        if self._rates is not None and not self._rates.take(self._clock(), tokens_in, tokens_out):
            return False
        self.in_flight += 1
        return True

    def _resumes(self) -> bool:
        """End a hold whose time is over; return whether there is a place."""
        if self._held_until and self._clock() >= self._held_until:
            self._held_until, self._open = 0.0, self._knee.limit
        return self.in_flight < self._open

    def _wake(self) -> None:
        """Let those go whose turn it is, and come back when the next may go if no `leave` will say so."""
        while queue := self._urgent or self._queue:
            turn, tokens_in, tokens_out = queue[0]
            if turn.done():  # cancelled
                queue.popleft()
            elif self._goes(tokens_in, tokens_out):
                queue.popleft()
                turn.set_result(None)
            else:
                self._set_timer(turn.get_loop())
                return

    def _hear(self, places: int) -> None:
        """Go on with so many places, of those that several askers share."""
        places = min(places, self._most)
        if places != self._cap:
            self._cap = places
            self._knee.resize(max(1, places), self._clock())
            if not self._drain_until and not self._held_until:
                self._open = min(self._knee.limit, places)
        self._wake()

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        now = self._clock()
        if self._held_until:
            wait_s = self._held_until - now
        elif self.in_flight < self._open and self._rates is not None:
            wait_s = self._rates.wait_s(now)
        else:
            return
        if self._timer is not None:
            self._timer.cancel()
        if wait_s < math.inf:
            self._timer = loop.call_later(max(wait_s, _SHORTEST_WAIT_S), self._wake)

    def _refused(self, now: float, seconds: float, retry_after_s: float | None) -> None:
        self._refusals += 1
        self._slowest_refusal_s = max(self._slowest_refusal_s, seconds)
        if retry_after_s is not None:
            self._retry_at = min(self._retry_at, now + retry_after_s)
        if self._drain_until:
            self._accepted -= 1
        elif self._refusals > _BORNE_AT_ONCE + self._knee.limit * self._borne:
            self._accepted = self.in_flight
            self._open = 0
            self._drain_until = now + min(2 * self._slowest_refusal_s, _LONGEST_DRAIN_S)

    def _end_drain(self, now: float) -> None:
        limit, retry_at = self._knee.limit, self._retry_at
        self._drain_until = self._refusals = self._slowest_refusal_s = 0.0
        self._retry_at = math.inf
        if self._accepted <= 0:
            self._knee.refused(max(1, limit // 2), now)
            self._asked = retry_at < math.inf
            self._held_until = retry_at if self._asked else now + self._hold_s
            self._hold_s = min(2 * self._hold_s, _LONGEST_HOLD_S)
        elif self._accepted < limit == self._refused_limit < 2 * self._accepted and (
            self._borne == _BORNE_SHARE
        ):
            # This limit was what the server took, and refusals go on as before: fewer in flight are no cure.
            self._borne *= 2
            self._open = limit
        else:
            self._knee.refused(min(limit, self._accepted), now)
            self._borne, self._hold_s = _BORNE_SHARE, _FIRST_HOLD_S
            self._open = self._knee.limit
        self._refused_limit = self._knee.limit
