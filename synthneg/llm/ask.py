"""Asking: jobs in, outcomes out, in the order of the jobs, whatever the order of the replies.

    async for context, job, outcome in asker.ask(asked, progress.advance): ...

So concurrency does not change a file. What the ledger knows is looked up for many jobs at once and needs no task.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, Protocol, TypeVar

from synthneg.config import LLMConfig
from synthneg.errors import RunError
from synthneg.llm.base import Backend
from synthneg.llm.budget import Budget
from synthneg.llm.converse import Answer, Conversations, First, Job, Open, Outcome
from synthneg.llm.ledger import Ledger
from synthneg.llm.limits import Pace, Share
from synthneg.llm.send import Failure, Sender, Stopped
from synthneg.llm.used import Spent

__all__ = ["Advance", "Answer", "Asker", "Failure", "Job", "Open", "Outcome", "Stopped"]

# Jobs that are rendered and looked up in one go; the event loop waits as long.
_CHUNK = 32
# Outcomes that wait for an older job's; what they hold in memory is their text.
_MOST_HELD = 4096
_TICK_S = 0.5
_PATIENCE_S = 5.0

C = TypeVar("C")


class Advance(Protocol):
    """Counts jobs that have ended; `note` says what is waited for."""

    def __call__(self, count: int = 1, note: str | None = None) -> None:
        """Count."""


class Asker:
    """Asks one backend, with one run's ledger as memory.

    Args:
        backend: who answers.
        ledger: what has been answered, and where new replies go.
        config: pace, retries, budget.
        run_seed: seed of the run.
        asked_s: seconds of asking that count against the budget already.
        share: what this asker is allowed of pace and budget, where several share them; it knows what was used before.
    """

    def __init__(
        self,
        backend: Backend,
        ledger: Ledger,
        config: LLMConfig,
        run_seed: int,
        asked_s: float = 0.0,
        share: Share | None = None,
    ) -> None:
        self._ledger = ledger
        budget = share or Budget(config, ledger.totals(), asked_s)
        pace = Pace(config, share=share)
        self._sender = Sender(backend, ledger, config, budget, pace)
        self._talks = Conversations(self._sender, ledger, run_seed, config.reasks)
        # A few more conversations than slots, so that a free slot never waits for a prompt to be rendered.
        self._most_open = config.concurrency + min(config.concurrency, 2 * _CHUNK)
        self._most_held = max(_MOST_HELD, self._most_open)
        self._live = config.mode == "live"
        self._news = asyncio.Event()

    @property
    def from_ledger(self) -> int:
        """Replies that did not have to be asked for."""
        return self._talks.from_ledger

    @property
    def in_flight(self) -> int:
        """Requests that are waited for."""
        return len(self._sender.sent_since)

    def listen(self, heard: Callable[[Job, str], None]) -> None:
        """Tell `heard` of each reply that a job takes, by its key, from now on."""
        self._talks.heard = heard

    def spent(self, keys: Sequence[str]) -> Spent:
        """Return what the requests with these keys have used."""
        return self._ledger.spent(keys)

    def stop(self) -> int:
        """Send nothing more; `ask` ends when what is in flight is answered. Return how many requests that are."""
        self._sender.stopping = True
        self._news.set()
        return self.in_flight if self._live else 0

    async def ask(
        self, asked: Iterable[tuple[C, Job]], ended: Advance
    ) -> AsyncIterator[tuple[C, Job, Outcome]]:
        """Yield each job with its context and its outcome, in the order of the jobs.

        Args:
            asked: jobs, each with what its asker needs back; read as slots come free, not all at once.
            ended: told when jobs have their outcome, which may be long before their turn comes to be yielded, and what
                is waited for.

        Raises:
            BackendError: the backend refuses in a way that no retry will cure, or has stopped answering.
            RunError: the ledger cannot be read or written.
            Stopped: `stop` was called.
        """
        line, source = _Line[C](self._news), iter(asked)
        ticker = asyncio.create_task(self._tick(ended))
        try:
            more = True
            while more or line.waiting:
                for context, job, outcome in line.ended():
                    yield context, job, outcome
                if line.error is not None:
                    # Paid for: what is on its way may still come. A ledger that is broken could not take it.
                    if not isinstance(line.error, RunError):
                        await self._drain(line, _PATIENCE_S)
                    raise line.error
                if self._sender.stopping:
                    await self._drain(line)
                    raise Stopped
                if (
                    more
                    and len(line.open) < self._most_open
                    and len(line.waiting) < self._most_held
                ):
                    chunk = list(islice(source, _CHUNK))
                    more = len(chunk) == _CHUNK
                    self._begin(chunk, line, ended)
                    await asyncio.sleep(0)
                elif (more or line.waiting) and not line.head_has_ended():
                    await self._news.wait()
                    self._news.clear()
        finally:
            ticker.cancel()
            await line.cancel()

    def _begin(self, asked: Sequence[tuple[C, Job]], line: "_Line[C]", ended: Advance) -> None:
        """Put jobs into line: those that the ledger settles with their outcome, the others with a task."""
        settled = 0
        begun = self._talks.look_up([job for _, job in asked])
        for (context, job), first in zip(asked, begun, strict=True):
            place = _Place(context, job, self._talks.settled(job, first))
            line.waiting.append(place)
            if place.outcome is None:
                line.start(place, self._work(place, first, ended))
            else:
                settled += 1
        if settled:
            ended(settled)

    async def _work(self, place: "_Place[C]", first: First | None, ended: Advance) -> None:
        place.outcome = await self._talks.outcome(place.job, first)
        ended(1)

    async def _drain(self, line: "_Line[C]", most_s: float | None = None) -> None:
        """Wait for the requests in flight, at most so many seconds, and for nothing else."""
        # A batch goes on at the server without us, and the next start takes it up.
        keep = self._sender.sent_since.keys() if self._live else set()
        for task in line.open - keep:
            task.cancel()
        if line.open:
            await asyncio.wait(line.open, timeout=most_s)

    async def _tick(self, ended: Advance) -> None:
        """Say twice a second what is waited for, and free requests that a backend has forgotten."""
        while True:
            await asyncio.sleep(_TICK_S)
            ended(0, self._sender.waits_for())
            self._sender.free_the_stuck()


class _Place(Generic[C]):
    """A job's place in line."""

    __slots__ = ("context", "job", "outcome")

    def __init__(self, context: C, job: Job, outcome: Outcome | None) -> None:
        self.context, self.job, self.outcome = context, job, outcome


class _Line(Generic[C]):
    """Jobs in their order, and the tasks of those that have no outcome yet."""

    def __init__(self, news: asyncio.Event) -> None:
        self.waiting: deque[_Place[C]] = deque()
        self.open: set[asyncio.Task[object]] = set()
        self._news = news
        self.error: BaseException | None = None

    def start(self, place: _Place[C], work: Coroutine[object, object, None]) -> None:
        """Run the work that brings a place its outcome."""
        task: asyncio.Task[object] = asyncio.create_task(work)
        self.open.add(task)
        task.add_done_callback(self._done)

    def ended(self) -> Iterator[tuple[C, Job, Outcome]]:
        """Yield, from the head of the line, what has its outcome."""
        while self.head_has_ended():
            place = self.waiting.popleft()
            assert place.outcome is not None
            yield place.context, place.job, place.outcome

    def head_has_ended(self) -> bool:
        """Whether there is something to yield."""
        return bool(self.waiting) and self.waiting[0].outcome is not None

    async def cancel(self) -> None:
        """Cancel all tasks: a reply that came after this would find the ledger closed."""
        for task in self.open:
            task.cancel()
        await asyncio.gather(*self.open, return_exceptions=True)

    def _done(self, task: asyncio.Task[object]) -> None:
        self.open.discard(task)
        error = None if task.cancelled() else task.exception()
        # A task that was not let go any more is no error: those in flight are still to be waited for.
        if not isinstance(error, Stopped):
            self.error = self.error or error
        self._news.set()
