"""A worker's share of what a cluster may send: permits in hand, fetched before they are missed, given back unused.

async with Leased(config, carry) as share:
    asker = Asker(backend, ledger, config, seed, share=share)
"""

import asyncio
import math
import random
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from synthneg.cluster.keeper import HELD_S, NOTHING, REPORT_S, Grant, Known, Report
from synthneg.config import LLMConfig
from synthneg.errors import SynthnegError
from synthneg.llm.base import Reply
from synthneg.llm.budget import Budget, use_of
from synthneg.llm.rates import Rates

Carry = Callable[[Report], Awaitable[Grant]]


class Leased:
    """A `Share` (`synthneg.llm.limits`) of what one `Keeper` deals out. A context, in the event loop of its asker.

    Args:
        config: the limits; the keeper's are the same.
        carry: takes a report to the keeper and returns its answer, however long that takes.
        clock: seconds, of any steady clock.
    """

    def __init__(
        self, config: LLMConfig, carry: Carry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._worker, self._carry, self._clock = uuid.uuid4().hex, carry, clock
        self._free = not (Rates(config) or Budget(config, NOTHING).limited)
        self._news: Callable[[int], None] | None = None
        self._speak = asyncio.Event()
        self._talk: asyncio.Task[None] | None = None

        self._permits: deque[tuple[float, int]] = deque()  # until when, how many
        self._balance_in = self._balance_out = 0  # tokens that came with them and are not used
        self._places = self._in_flight = 0
        self._covered = (
            0  # requests that went with a permit, and have not yet asked for the budget's leave
        )
        self._used_up: str | None = None
        self._words = ""  # the last of these
        self._waits_for = ""
        self._error: Exception | None = None

        self._used = NOTHING
        self._more_in = self._more_out = self._more_requests = 0
        self._likely = self._asked = (
            0,
            0,
        )  # tokens of a request: the last one; one of those that were asked for
        self._missed = False  # whether a request has waited for a permit
        self._taken = 0  # permits, since the last report
        self._ahead = (
            1  # the most of these of late: as many are taken while an answer is on its way
        )
        self._known: Known | None = None

    async def __aenter__(self) -> Self:
        """Begin to report."""
        self._talk = asyncio.create_task(self._report_always())
        return self

    async def __aexit__(self, *error: object) -> None:
        """Give back what is left; a keeper that is gone is not waited for."""
        assert self._talk is not None
        self._talk.cancel()
        await asyncio.gather(self._talk, return_exceptions=True)
        if self._error is None:
            self._give_back(math.inf)
            with suppress(SynthnegError):
                await self._carry(self._report(wants=0, leaves=True))

    # ---- what `Pace` asks ----

    def listen(self, news: Callable[[int], None]) -> None:
        """See `Share`."""
        self._news = news
        news(self._places)

    def take(self, now: float, tokens_in: int, tokens_out: int) -> bool:
        """See `Share`."""
        self._likely = (tokens_in, tokens_out)
        if not self._free and not self._pay(now, tokens_in, tokens_out):
            self._missed = True
            self._speak.set()
            if self._used_up is None and self._error is None:
                return False
        self._in_flight += 1
        return True

    def _pay(self, now: float, tokens_in: int, tokens_out: int) -> bool:
        """Use a permit; return False where there is none, or what was sent before has used up its tokens."""
        self._give_back(now)
        if not self._permits or self._balance_in < 0 or self._balance_out < 0:
            return False
        until, count = self._permits.popleft()
        if count > 1:
            self._permits.appendleft((until, count - 1))
        self._balance_in -= tokens_in
        self._balance_out -= tokens_out
        self._covered += 1
        self._taken += 1
        if self._held() < self._ahead:
            self._speak.set()
        return True

    def wait_s(self, now: float) -> float:  # noqa: ARG002  # see `Share`
        """See `Share`."""
        return math.inf

    def correct(self, tokens_in: int, tokens_out: int) -> None:
        """See `Share`."""
        self._in_flight -= 1
        self._more_in += tokens_in
        self._more_out += tokens_out

    def tightest(self, now: float) -> str:  # noqa: ARG002  # as above
        """See `Share`."""
        return self._waits_for

    # ---- what the budget is asked ----

    def count(self, reply: Reply | None) -> None:
        """See `Share`."""
        self._used = self._used.plus(use_of(reply))

    def used_up(self, in_flight: int) -> str | None:  # noqa: ARG002  # the keeper counts those of all workers
        """See `Share`."""
        if self._error is not None:
            raise self._error
        if self._free:
            return None
        if self._covered:
            self._covered -= 1
            return None
        return self._words

    # ---- what the keeper is told ----

    async def _report_always(self) -> None:
        try:
            while True:
                self._speak.clear()
                wants, at = self._wants(), self._clock()
                grant = await self._carry(self._report(wants))
                self._hear(grant, at)
                if grant.permits < wants or not grant.places:
                    self._missed = True
                    await asyncio.sleep(grant.again_s * random.uniform(0.5, 1.5))
                else:
                    await self._until_there_is_something_to_say()
        except Exception as error:  # noqa: BLE001  # raised by `used_up` to each request that would go
            self._error = error
            self._tell()

    async def _until_there_is_something_to_say(self) -> None:
        try:
            async with asyncio.timeout(REPORT_S):
                await self._speak.wait()
        except TimeoutError:
            pass

    def _wants(self) -> int:
        """Return how many permits there is a use for: by requests that wait, and by those of the next moments."""
        self._give_back(self._clock())
        now = self._places - self._in_flight if self._missed else 0
        self._ahead = max(1, self._taken, self._ahead * 7 // 8)
        soon = 2 * self._ahead if self._taken else 0
        return 0 if self._free else max(0, now + soon - self._held())

    def _report(self, wants: int, leaves: bool = False) -> Report:
        now, held = self._clock(), self._held()
        # Permits that are left have the tokens of as many requests, and no others.
        tokens_in, tokens_out = self._likely
        spare_in, spare_out = (
            self._balance_in - held * tokens_in,
            self._balance_out - held * tokens_out,
        )
        self._balance_in -= spare_in
        self._balance_out -= spare_out
        report = Report(
            self._worker,
            self._in_flight,
            held,
            wants,
            tokens_in,
            tokens_out,
            self._used,
            self._more_in - spare_in,
            self._more_out - spare_out,
            self._more_requests,
            self._known.later(now) if self._known else None,
            leaves,
        )
        self._asked = (tokens_in, tokens_out)
        self._more_in = self._more_out = self._more_requests = 0
        self._taken, self._missed = 0, False
        return report

    def _hear(self, grant: Grant, asked_at: float) -> None:
        """Take what was granted in answer to a report that was made at `asked_at`."""
        if grant.permits:
            self._permits.append((asked_at + HELD_S, grant.permits))
            self._balance_in += grant.permits * self._asked[0]
            self._balance_out += grant.permits * self._asked[1]
        self._used_up, self._waits_for = grant.used_up, grant.waits_for
        self._words = grant.used_up or self._words
        self._known, self._places = grant.known._replace(at=asked_at), grant.places
        self._tell()

    def _tell(self) -> None:
        if self._news is not None:
            # Where nothing can be asked for any more, whoever waits is let go to hear of it.
            self._news(self._places if self._error is None else max(1, self._places))

    def _held(self) -> int:
        return sum(count for _, count in self._permits)

    def _give_back(self, now: float) -> None:
        """Let go of permits that are too old; the next report gives them back."""
        while self._permits and self._permits[0][0] <= now:
            self._more_requests -= self._permits.popleft()[1]
