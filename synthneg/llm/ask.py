"""Asking: ledger, retries, askings anew and order, once for all backends.

    async for job, outcome in asker.ask(jobs, progress.advance): ...

Outcomes come in the order of the jobs, whatever the order of the replies, so concurrency does not change a file.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from synthneg.config import LLMConfig
from synthneg.errors import BackendError
from synthneg.llm.base import Backend, Reply, Request, Transient, Unanswerable
from synthneg.llm.ledger import Ledger, key_of
from synthneg.llm.parse import Problem, parse
from synthneg.prompts.render import Message, seed_of

# How far the jobs may run ahead of the oldest unanswered one, as a multiple of the requests in flight.
_WINDOW = 8
_FAILURES_IN_A_ROW = 20
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """One record to be asked for: a conversation whose open turns, and at last its reply, are the model's."""

    id: str
    tag: str  # of the prompt
    messages: tuple[Message, ...]
    sampling: dict[str, Any]
    schema: dict[str, Any] | None
    seed: int
    draws: dict[str, Any]  # what the prompt drew for this record; carried to its Origin


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed reply, with the key and seed under which the ledger has it."""

    value: Any
    reply: Reply
    key: str
    seed: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job has no answer: `replied` tells a reply of no use from no reply at all."""

    reason: str
    detail: str
    replied: bool


class Asker:
    """Asks one backend, with one run's ledger as memory."""

    def __init__(self, backend: Backend, ledger: Ledger, config: LLMConfig, run_seed: int) -> None:
        self.from_ledger = 0
        self._backend, self._ledger, self._config, self._run_seed = (
            backend,
            ledger,
            config,
            run_seed,
        )
        self._slots = asyncio.Semaphore(config.concurrency)
        self._in_flight: dict[str, asyncio.Task[Reply | Failure]] = {}
        self._failures_in_a_row = 0

    async def ask(
        self, jobs: Iterable[Job], ended: Callable[[], None]
    ) -> AsyncIterator[tuple[Job, Answer | Failure]]:
        """Yield each job with its outcome, in the order of the jobs.

        Args:
            jobs: read as slots come free, not all at once.
            ended: called when a job has its outcome, which may be long before its turn comes to be yielded.

        Raises:
            BackendError: the backend refuses in a way that no retry will cure, or has stopped answering.
        """
        window: deque[tuple[Job, asyncio.Task[Answer | Failure]]] = deque()
        try:
            for job in jobs:
                window.append((job, asyncio.create_task(self._work(job, ended))))
                while window and (
                    window[0][1].done() or len(window) >= _WINDOW * self._config.concurrency
                ):
                    done, task = window.popleft()
                    yield done, await task
            while window:
                done, task = window.popleft()
                yield done, await task
        finally:
            # Requests too: a reply that comes after this would find the ledger closed.
            left: list[asyncio.Task[Any]] = [task for _, task in window] + list(
                self._in_flight.values()
            )
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _work(self, job: Job, ended: Callable[[], None]) -> Answer | Failure:
        outcome = await self._converse(job)
        ended()
        return outcome

    async def _converse(self, job: Job) -> Answer | Failure:
        """Answer the open turns of a job one after the other, then ask for its reply."""
        said: list[Message] = []
        for number, message in enumerate(job.messages):
            if message.content is None:
                # What leads up to this turn may be the same for every record: it is then asked once for all.
                seed = seed_of(self._run_seed, job.tag, number)
                outcome = await self._answer(tuple(said), job.sampling, None, seed)
                if isinstance(outcome, Failure):
                    return outcome
                said.append(Message("assistant", outcome.value))
            else:
                said.append(message)
        return await self._answer(tuple(said), job.sampling, job.schema, job.seed)

    async def _answer(
        self,
        messages: tuple[Message, ...],
        sampling: dict[str, Any],
        schema: dict[str, Any] | None,
        seed: int,
    ) -> Answer | Failure:
        """Ask until a reply parses, with another seed each time, at most 1 + reasks times."""
        problem = Problem("empty", "")
        for attempt in range(1 + self._config.reasks):
            request = Request(
                messages, sampling, seed if attempt == 0 else seed_of(seed, attempt), schema
            )
            key = key_of(self._backend.identity, request)
            reply = await self._once(key, request)
            if isinstance(reply, Failure):
                return reply
            value = parse(reply, schema)
            if not isinstance(value, Problem):
                return Answer(value, reply, key, request.seed)
            problem = value
        return Failure(
            problem.reason,
            f"{1 + self._config.reasks} askings; the last: {problem.detail}",
            replied=True,
        )

    async def _once(self, key: str, request: Request) -> Reply | Failure:
        """Return the ledger's reply, or the one that is already being asked for, or a new one."""
        known = self._ledger.get(key)
        if known is not None:
            self.from_ledger += 1
            return known
        if key not in self._in_flight:
            self._in_flight[key] = asyncio.create_task(self._fetch(key, request))
            self._in_flight[key].add_done_callback(lambda _: self._in_flight.pop(key))
        return await asyncio.shield(self._in_flight[key])

    async def _fetch(self, key: str, request: Request) -> Reply | Failure:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            stop=stop_after_attempt(1 + self._config.retries),
            wait=_wait_s,
            reraise=True,
        )
        try:
            return await retrying(self._try, key, request)
        except Transient as error:
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= _FAILURES_IN_A_ROW:
                raise BackendError(
                    f"the last {_FAILURES_IN_A_ROW} requests all failed after {self._config.retries} retries each"
                    f" ({error.reason}: {error.detail}); nothing answered is lost: when the server is well again,"
                    " give the same command"
                ) from error
            return Failure(error.reason, error.detail, replied=False)
        except Unanswerable as error:
            return Failure(error.reason, error.detail, replied=False)

    async def _try(self, key: str, request: Request) -> Reply:
        async with self._slots:
            start = time.monotonic()
            try:
                reply = await self._backend.complete(request)
            except (Transient, Unanswerable) as error:
                self._ledger.put_failure(key, error.reason, error.detail, time.monotonic() - start)
                raise
            self._ledger.put(key, self._backend.identity, request, reply, time.monotonic() - start)
        self._failures_in_a_row = 0
        return reply


def _wait_s(state: RetryCallState) -> float:
    """Return the pause before the next try, in seconds: what the server asks for, or a growing one, with jitter."""
    error = state.outcome.exception() if state.outcome else None
    growing: float = min(0.5 * 2.0 ** (state.attempt_number - 1), _LONGEST_WAIT_S)
    asked = error.wait_s if isinstance(error, Transient) else None
    return (
        asked + random.uniform(0, 0.5) if asked is not None else growing * random.uniform(0.5, 1.5)
    )
