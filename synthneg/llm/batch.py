"""The Batch API of OpenAI-compatible servers: requests go out as files, replies come back as files, hours later.

A batch belongs to the run, not to the process: the ledger remembers it (`synthneg.llm.batch_memory`), and whatever
process comes next takes it up. So nothing is paid for twice, and nothing that was paid for is lost:

* a batch is looked for at the server before one is made whose making was interrupted;
* a request that an open batch holds waits for that batch;
* each line that comes back goes into the ledger, whether this process asked for it or not.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass

from synthneg.config import LLMConfig
from synthneg.errors import BackendError, SynthnegError
from synthneg.llm.base import Reply, Request, Transient, Unanswerable
from synthneg.llm.batch_api import BatchApi, line_of
from synthneg.llm.batch_course import Course, Tools
from synthneg.llm.batch_memory import OpenBatch, OpenBatches
from synthneg.llm.http import check_server, only_model, read_key
from synthneg.llm.keys import key_of
from synthneg.llm.ledger import Ledger
from synthneg.llm.wire import Dialect, Misunderstood, known_dialect, remember_dialect
from synthneg.progress import say

_MOST_BYTES = 150_000_000  # OpenAI takes 200 MB
_QUIET_S = 0.5
_TICK_S = 0.05


@dataclass(slots=True)
class _Wait:
    """A request of this process that has no outcome yet."""

    request: Request
    outcome: asyncio.Future[Reply]
    batch: str | None = None  # that holds it; None while it stands in the queue
    askers: int = 0


class BatchBackend:
    """Answers requests through batches.

    Args:
        api: the server's files and batches.
        model: the server's name for the model.
        identity: what the ledger's key covers beside the request.
        config: most requests of a batch, seconds between two looks.
        ledger: the run's memory.
    """

    def __init__(
        self, api: BatchApi, model: str, identity: str, config: LLMConfig, ledger: Ledger
    ) -> None:
        self.identity = identity
        self._memory = OpenBatches(ledger, identity)
        self._tools = Tools(api, self._memory, ledger, identity, model, config.batch.poll_s)
        self._most = config.batch.requests
        known = known_dialect(ledger, identity)
        self._dialect = known or Dialect()
        self._sure = known is not None
        self._waits: dict[str, _Wait] = {}
        self._queue: dict[str, Request] = {}
        self._queued_bytes = self._arrived = 0
        self._courses: dict[asyncio.Task[None], Course] = {}
        self._collector: asyncio.Task[None] | None = None
        self._begun = self._closed = False

    async def complete(self, request: Request) -> Reply:
        """Return the reply, from the batch that holds the request or from a new one; see `Backend`.

        Whoever is cancelled here leaves alone a batch that the server has: its replies reach the ledger all the same,
        in this process or the next.
        """
        self._take_up_all()
        key = key_of(self.identity, request)
        wait = self._waits.get(key)
        if wait is None:
            known = self._tools.ledger.get(key)  # it may have come since the ledger was asked
            if known is not None:
                return known
            wait = self._begin(key, request)
        wait.askers += 1
        try:
            return await asyncio.shield(wait.outcome)
        finally:
            wait.askers -= 1
            if not wait.askers and key in self._queue:
                del self._queue[key], self._waits[key]

    def waits_for(self) -> str:
        """Return what is waited for at this moment, in words for the line of progress."""
        words = [course.waits_for() for course in self._courses.values()]
        if len(words) > 2:
            words[2:] = [f"{len(words) - 2} more batches"]
        if self._queue:
            words.append(f"{len(self._queue):,} requests for a further batch")
        return "; ".join(words)

    async def close(self) -> None:
        """Leave open batches to the server and to the next process; close the connections."""
        if self._closed:
            return
        self._closed = True
        tasks = [*self._courses, *([self._collector] if self._collector else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for wait in self._waits.values():
            wait.outcome.cancel()
        await self._tools.api.close()
        left = [batch.id for batch in self._memory.all() if batch.id]
        if left:
            names = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
            say(f"left to the server: {names}; the same command takes up what comes back")

    def hand_out(
        self, batch: OpenBatch, key: str, request: Request | None, outcome: Reply | Exception
    ) -> None:
        """Give the request of `key` its outcome; see `Desk`."""
        wait = self._waits.get(key)
        asked = wait is not None and wait.askers > 0
        if isinstance(outcome, Misunderstood):
            if self._dialect == batch.dialect:  # else another request has found it out meanwhile
                self._learn(outcome.other)
            if wait is not None and asked:
                self._enqueue(key, wait)
                return
        self._waits.pop(key, None)
        if isinstance(outcome, Reply):
            if request is not None and request.schema is not None and not self._sure:
                self._learn(batch.dialect)
            if wait is not None:
                wait.outcome.set_result(outcome)
        elif wait is not None and asked:
            _fail(wait, outcome)  # whoever waits writes it down
        elif isinstance(outcome, (Transient, Unanswerable)):
            seconds = time.time() - batch.at
            self._tools.ledger.put_failure(key, outcome.reason, outcome.detail, seconds)

    def requeue(self, batch: OpenBatch) -> None:
        """Let a further batch have the requests that still wait for this one; see `Desk`."""
        for key, wait in list(self._waits.items()):
            if wait.batch == batch.name and wait.askers:
                self._enqueue(key, wait)
            elif wait.batch == batch.name:
                del self._waits[key]

    async def make_room(self, course: Course, words: str, size: int) -> None:
        """Return when the account may queue more, or batches have become smaller; see `Desk`."""
        others = [task for task, other in self._courses.items() if other.at_server]
        if others:
            course.say(f"waiting for room in the account's queue ({words})")
            await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        elif size > 1:
            self._most = max(1, min(self._most, size) // 2)
            say(f"{words} So batches have at most {self._most:,} requests now (llm.batch.requests)")
        else:
            raise BackendError(
                f"not even a batch of one request is taken: {words}; wait until other batches of the account have"
                " ended, then give the same command again"
            )

    def _begin(self, key: str, request: Request) -> _Wait:
        """Let a request wait for the open batch that holds it, or for a new one."""
        outcome: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        wait = self._waits[key] = _Wait(request, outcome)
        held = self._memory.holding(key)
        if held is None:
            self._enqueue(key, wait)
        else:
            wait.batch = held.name
        return wait

    def _enqueue(self, key: str, wait: _Wait) -> None:
        wait.batch = None
        size = len(line_of(key, self._tools.model, wait.request, self._dialect))
        if self._queued_bytes + size > _MOST_BYTES:
            self._flush()
        self._queue[key] = wait.request
        self._queued_bytes += size
        self._arrived += 1
        if len(self._queue) >= self._most:
            self._flush()
        elif self._collector is None or self._collector.done():
            self._collector = asyncio.create_task(self._collect())
            self._collector.add_done_callback(self._ended)

    async def _collect(self) -> None:
        """Flush the queue when nothing has come for a while that brings further requests."""
        quiet, arrived = 0, self._arrived
        # In turns of the loop: one that is busy has had no chance to bring a request.
        while quiet * _TICK_S < _QUIET_S and self._queue:
            await asyncio.sleep(_TICK_S)
            fetching = any(course.fetching for course in self._courses.values())
            quiet = 0 if fetching or self._arrived != arrived else quiet + 1
            arrived = self._arrived
        self._flush()

    def _flush(self) -> None:
        """Put what stands in the queue into a batch."""
        requests, self._queue, self._queued_bytes = self._queue, {}, 0
        if requests:
            course = Course(self._memory.begin(self._dialect), self._tools, self)
            for key in requests:
                self._waits[key].batch = course.batch.name
            self._launch(course, course.submit(requests))

    def _take_up_all(self) -> None:
        """Begin, at the first request, to follow what earlier processes have left."""
        if self._begun:
            return
        self._begun = True
        for batch in self._memory.all():
            course = Course(batch, self._tools, self)
            self._launch(course, course.take_up())

    def _launch(self, course: Course, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._courses[task] = course
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell those who wait for a batch, or in the queue for one, that it has come to a bad end."""
        course = self._courses.pop(task, None)
        name = course.batch.name if course else None
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        bug = not isinstance(error, SynthnegError)
        keys = [key for key, wait in self._waits.items() if bug or wait.batch == name]
        for key in keys:
            _fail(self._waits.pop(key), error)
        if not keys:
            say(f"a batch whose replies nobody waits for: {error}")

    def _learn(self, dialect: Dialect) -> None:
        self._dialect, self._sure = dialect, True
        remember_dialect(self._tools.ledger, self.identity, dialect)


def _fail(wait: _Wait, error: BaseException) -> None:
    wait.outcome.set_exception(error)
    wait.outcome.exception()  # asked for here, since whoever waited may be gone


def open_batches(config: LLMConfig, ledger: Ledger) -> BatchBackend:
    """Return the backend of `llm.mode: batch`; it has the identity of the live one, and so the same replies.

    Raises:
        SettingsError: see `check_server`.
        BackendError: the server offers several models and none was chosen, or it cannot be asked.
    """
    address, key = check_server(config), read_key(config.api_key_env)
    model = config.model or only_model(address, key, config.api_key_env)
    api = BatchApi(address, key, config.api_key_env)
    return BatchBackend(api, model, f"{address} {model}", config, ledger)
