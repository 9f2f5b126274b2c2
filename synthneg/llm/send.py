"""One request, sent for good: at the pace that is allowed, again after transient faults, and into the ledger.

A request that is asked for twice at once is sent once. What is in the ledger is not sent at all; `Asker` looks there
first.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from synthneg.config import LLMConfig
from synthneg.errors import BackendError, RunError
from synthneg.llm.base import Backend, Reply, Request, Transient, Unanswerable
from synthneg.llm.budget import Budget
from synthneg.llm.ledger import Ledger
from synthneg.llm.limits import Outcome, Pace, Share

_FAILURES_IN_A_ROW = 20
_LONGEST_WAIT_S = 60.0
# A backend that has not given up by itself this long after its time-out never will.
_GRACE_S = 30.0
_STUCK = "stuck"
_OVERLOADED = ("http_429", "http_503", "http_529")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job has no answer: `replied` tells a reply of no use from no reply at all."""

    reason: str
    detail: str
    replied: bool


class Stopped(Exception):  # noqa: N818  # a signal, caught by whoever asked
    """Nothing more is sent, because a person or a budget said so."""


class Sender:
    """Sends requests to one backend, with one run's ledger as memory.

    Args:
        backend: who answers.
        ledger: where each reply goes before anything else happens to it.
        config: pace, retries, time-out.
        budget: what may be used.
        pace: when a request may go.
    """

    def __init__(
        self,
        backend: Backend,
        ledger: Ledger,
        config: LLMConfig,
        budget: Budget | Share,
        pace: Pace,
    ) -> None:
        self.identity = backend.identity
        self.stopping = False
        # Who waits for a reply, and since when.
        self.sent_since: dict[asyncio.Task[object], float] = {}
        self._backend, self._ledger, self._config, self._budget = backend, ledger, config, budget
        self._pace = pace
        self._usage = _Usage(config)
        self._in_flight: dict[str, asyncio.Future[Reply | Failure | BaseException]] = {}
        self._pausing: Counter[str] = Counter()
        self._failures_in_a_row = 0
        self._broken = False  # an error is on its way to whoever asked: nothing more goes meanwhile

    async def send(self, key: str, request: Request) -> Reply | Failure:
        """Return the reply, which is in the ledger by then, or why there is none.

        Raises:
            BackendError: no retry will help, or the backend has stopped answering.
            RunError: the ledger cannot be written.
            Stopped: `stopping` was set before the request was sent.
        """
        others = self._in_flight.get(key)
        if others is not None:
            ended = await asyncio.shield(others)
            if isinstance(ended, BaseException):
                raise ended
            return ended
        mine = self._in_flight[key] = asyncio.get_running_loop().create_future()
        try:
            ended = await self._with_retries(key, request)
        except BaseException as error:
            # As a result, for a future with an exception that nobody asks for is noise.
            mine.set_result(Stopped() if isinstance(error, asyncio.CancelledError) else error)
            raise
        finally:
            del self._in_flight[key]
        mine.set_result(ended)
        return ended

    def waits_for(self) -> str:
        """Return what is waited for at this moment, in words for the line of progress."""
        own = self._backend.waits_for()
        if own:
            return own
        words = [self._pace.waits_for()]
        if self.sent_since:
            oldest = time.monotonic() - min(self.sent_since.values())
            words.append(f"{len(self.sent_since)} in flight, the oldest for {oldest:.0f} s")
        words += [
            f"{n} to be tried again after {reason}" for reason, n in self._pausing.items() if n
        ]
        return ", ".join(filter(None, words))

    def free_the_stuck(self) -> None:
        """Give up requests that the backend has forgotten: they are tried again."""
        too_old = time.monotonic() - self._config.timeout_s - _GRACE_S
        for task, since in self.sent_since.items():
            if since < too_old:
                task.cancel(_STUCK)

    async def _with_retries(self, key: str, request: Request) -> Reply | Failure:
        try:
            # Without tenacity, which costs a request that needs no second try as much as all the rest of it.
            try:
                return await self._try(key, request)
            except Transient as error:
                return await self._again(error, key, request)
        except Transient as error:
            return self._given_up(error)
        except Unanswerable as error:
            return Failure(error.reason, error.detail, replied=False)
        except _UsedUp as error:
            return Failure("budget", str(error), replied=False)
        except (BackendError, RunError):
            self._broken = True
            raise

    async def _again(self, first: Transient, key: str, request: Request) -> Reply:
        def wait_s(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return _wait_s(state.attempt_number, error if isinstance(error, Transient) else first)

        async def tried(last: list[Transient]) -> Reply:
            if last:  # the try that has been made already counts as the first
                raise last.pop()
            return await self._try(key, request, urgent=True)

        async def pause(seconds: float) -> None:
            if self.stopping:
                raise Stopped
            self._pausing[first.reason] += 1
            try:
                await asyncio.sleep(seconds)
            finally:
                self._pausing[first.reason] -= 1

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            stop=stop_after_attempt(1 + self._config.retries),
            wait=wait_s,
            sleep=pause,
            reraise=True,
        )
        return await retrying(tried, [first])

    def _given_up(self, error: Transient) -> Failure:
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= _FAILURES_IN_A_ROW:
            raise BackendError(
                f"the last {_FAILURES_IN_A_ROW} requests all failed after {self._config.retries} retries each"
                f" ({error.reason}: {error.detail}); nothing answered is lost: when the server is well again,"
                " give the same command"
            ) from error
        return Failure(error.reason, error.detail, replied=False)

    async def _try(self, key: str, request: Request, urgent: bool = False) -> Reply:
        if self.stopping:
            raise Stopped
        tokens_in, tokens_out = self._usage.expected(request)
        if not self._pace.try_enter(tokens_in, tokens_out):
            await self._pace.enter(tokens_in, tokens_out, urgent)
        task = asyncio.current_task()
        assert task is not None
        start = self.sent_since[task] = time.monotonic()
        reply: Reply | None = None
        outcome: Outcome = "failed"
        retry_after_s = None
        try:
            self._check_that_more_may_be_sent()
            reply = await self._completed(request)
            outcome = "done"
            self._budget.count(reply)
            self._usage.learn(request, reply)
            # The slot is held until the reply is safe: a kill costs at most what is in flight.
            await self._ledger.store(key, self.identity, request, reply, time.monotonic() - start)
        except (Transient, Unanswerable) as error:
            if error.reason in _OVERLOADED:
                outcome, retry_after_s = "refused", getattr(error, "wait_s", None)
            self._budget.count(None)
            self._ledger.put_failure(key, error.reason, error.detail, time.monotonic() - start)
            raise
        finally:
            del self.sent_since[task]
            used = (reply.tokens_in, reply.tokens_out) if reply else (0, 0)
            seconds = time.monotonic() - start
            self._pace.leave(outcome, seconds, tokens_in, tokens_out, *used, retry_after_s)
        self._failures_in_a_row = 0
        return reply

    async def _completed(self, request: Request) -> Reply:
        """Return the reply, or raise Transient where `free_the_stuck` has given the request up."""
        try:
            return await self._backend.complete(request)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if error.args != (_STUCK,) or task is None:
                raise
            task.uncancel()
            raise Transient("stuck", "the backend neither answered nor gave up") from error

    def _check_that_more_may_be_sent(self) -> None:
        if self.stopping or self._broken:
            raise Stopped
        words = self._budget.used_up(len(self.sent_since) - 1)
        if words:
            raise _UsedUp(words)


class _UsedUp(Exception):  # noqa: N818  # a signal inside this module
    """The budget does not allow one request more."""


def _wait_s(tries: int, error: Transient) -> float:
    """Return the pause before the next try, in seconds: what the server asks for, or a growing one, with jitter."""
    if error.wait_s is not None:
        return error.wait_s + random.uniform(0, 0.5)
    growing = min(0.5 * 2.0 ** (tries - 1), _LONGEST_WAIT_S)
    return growing * random.uniform(0.5, 1.5)


class _Usage:
    """Estimates the tokens of a request from those before it, where a limit per minute makes that worth while."""

    def __init__(self, config: LLMConfig) -> None:
        self._wanted = (config.input_tokens_per_minute, config.output_tokens_per_minute) != (
            None,
            None,
        )
        self._chars_per_token, self._tokens_out = 4.0, 0.0

    def expected(self, request: Request) -> tuple[int, int]:
        """Return the tokens of prompt and reply that a request is likely to have."""
        if not self._wanted:
            return 0, 0
        longest = float(request.sampling.get("max_tokens", 0))
        return int(_chars(request) / self._chars_per_token) + 1, int(self._tokens_out or longest)

    def learn(self, request: Request, reply: Reply) -> None:
        """Take what a request has used into the estimate, as a moving mean."""
        if self._wanted and reply.tokens_in:
            chars_per_token = _chars(request) / reply.tokens_in
            self._chars_per_token += 0.1 * (chars_per_token - self._chars_per_token)
            self._tokens_out += (
                0.1 * (reply.tokens_out - self._tokens_out)
                if self._tokens_out
                else reply.tokens_out
            )


def _chars(request: Request) -> int:
    return sum(len(message.content or "") for message in request.messages)
