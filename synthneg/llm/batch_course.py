"""The course of one batch: written, uploaded, created, waited for, fetched, forgotten."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, TypeVar

from synthneg.errors import BackendError
from synthneg.files import disk_errors
from synthneg.llm.base import Reply, Request, Transient
from synthneg.llm.batch_api import ENDED, BatchApi, FileUnknown, Line, State, line_of, read_line
from synthneg.llm.batch_memory import OpenBatch, OpenBatches
from synthneg.llm.ledger import Ledger
from synthneg.progress import say

T = TypeVar("T")

_GROUP = 64  # lines that are made safe together
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_PATIENCE_S = 86_400.0  # without a word from the server; no batch lives longer
_FILE_TRIES = 6
# How long a server may not know a batch that it has just created, and after what time one that it does not know is
# given up.
_NEW_S, _OLD_S = 60.0, 2 * 86_400.0


class Tools(NamedTuple):
    """What all courses of a backend share."""

    api: BatchApi
    memory: OpenBatches
    ledger: Ledger
    identity: str  # of the backend
    model: str
    poll_s: float


class Desk(Protocol):
    """Where a course hands in what it has for those who wait."""

    def hand_out(
        self, batch: OpenBatch, key: str, request: Request | None, outcome: Reply | Exception
    ) -> None:
        """Give the request of `key` its outcome; a reply is in the ledger by then."""
        ...

    def requeue(self, batch: OpenBatch) -> None:
        """Let a further batch have the requests that still wait for this one."""
        ...

    async def make_room(self, course: "Course", words: str, size: int) -> None:
        """Return when as many requests as `size`, or fewer in each batch, may be submitted again."""
        ...


class Course:
    """One batch on its way.

    Args:
        batch: new, or left by an earlier process.
        tools: what all courses share.
        desk: gets the outcomes.
    """

    def __init__(self, batch: OpenBatch, tools: Tools, desk: Desk) -> None:
        self.batch = batch
        self.at_server = False  # and takes up room in the account's queue
        self.fetching = False  # and hands out replies, to which further requests are the answer
        self._tools, self._desk = tools, desk
        self._words, self._next = "", 0.0

    def waits_for(self) -> str:
        """Return what is waited for, in words."""
        left_s = self._next - time.monotonic()
        return f"{self._words}, next look in {left_s:.0f} s" if left_s > 0 else self._words

    def say(self, words: str) -> None:
        """Set what is waited for."""
        self._words, self._next = words, 0.0

    async def submit(self, requests: dict[str, Request]) -> None:
        """Upload the requests, create a batch of them, and see it to its end."""
        self.say(f"uploading {len(requests):,} requests")
        with disk_errors(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
            digest = await self._write(requests, file)
            name = f"synthneg-{digest[:16]}.jsonl"
            id = await self._patiently(lambda: self._tools.api.upload(name, file))
        self.batch = self._tools.memory.note(self.batch, file=id)
        try:
            state = await self._create(id, digest)
        except BackendError:
            self._tools.memory.drop(self.batch)  # refused: there is no batch
            raise
        self.batch = self._tools.memory.note(self.batch, id=state.id)
        await self._follow(state)

    async def take_up(self) -> None:
        """See a batch to its end that an earlier process has begun."""
        file = self.batch.file
        if file is not None and self.batch.id is None:
            words = "looking for a batch that was being created"
            self.say(words)
            found = await self._patiently(lambda: self._tools.api.find(file, self.batch.at))
            if found is None:  # the call of the process that was killed may be on its way still
                await self._pause(words, self._tools.poll_s)
                found = await self._patiently(lambda: self._tools.api.find(file, self.batch.at))
            if found is not None:
                self.batch = self._tools.memory.note(self.batch, id=found.id)
        if self.batch.id is None:
            self._tools.memory.drop(self.batch)  # it was never created, and cost nothing
            self._desk.requeue(self.batch)
        else:
            await self._follow(None)

    async def _write(self, requests: dict[str, Request], file: BinaryIO) -> str:
        """Write the lines of the batch, and each request into the ledger; return the hash of the lines."""
        digest = hashlib.sha256()
        for number, (key, request) in enumerate(requests.items()):
            line = line_of(key, self._tools.model, request, self.batch.dialect)
            digest.update(line)
            file.write(line)
            self._tools.memory.add(self.batch, key, request)
            if number % _GROUP == 0:
                await asyncio.sleep(0)
        return digest.hexdigest()

    async def _create(self, file: str, digest: str) -> State:
        """Create the batch once: after an answer that was lost, it is looked for first."""
        self.say("creating a batch")
        lost = False

        async def create() -> State:
            nonlocal lost
            found = await self._tools.api.find(file, self.batch.at) if lost else None
            if found is not None:
                return found
            try:
                return await self._tools.api.create(file, digest)
            except Transient as error:
                lost = not isinstance(error, FileUnknown)
                raise

        try:
            return await self._patiently(create)
        except FileUnknown as error:
            raise BackendError(f"{error.detail}; give the same command again") from error

    async def _follow(self, state: State | None) -> None:
        """Wait for the end of the batch, and make its replies safe; `state` is the last one seen."""
        self.at_server = True
        batch = self.batch
        new_until = time.monotonic() + (_NEW_S if state else 0.0)
        while state is None or state.status not in ENDED:
            if state is not None:
                done = f"{state.done:,} of {state.total:,} done"
                await self._pause(f"batch {batch.id} {state.status}: {done}", self._tools.poll_s)
            seen = await self._patiently(lambda: self._tools.api.state(str(batch.id)))
            if seen is not None:
                state = seen
            elif time.monotonic() > new_until:
                self._lost()
                return
            else:
                await self._pause(f"batch {batch.id} is new to the server", self._tools.poll_s)
        self.at_server, self.fetching = False, True
        self.say(f"batch {batch.id} {state.status}: fetching the replies")
        refused = await self._fetch(state)
        self.fetching = False
        await self._end(state, refused)

    async def _fetch(self, state: State) -> Exception | None:
        """Make all lines of the batch safe; return the first refusal that ends the run, if there is one."""
        refused: list[Exception] = []

        async def read(file: str) -> None:
            lines: list[Line] = []
            async with aclosing(self._tools.api.lines(file)) as source:
                async for data in source:
                    line = read_line(data)
                    # What was cancelled was not asked, and is nobody's failure.
                    if line is not None and line.code != "batch_cancelled":
                        lines.append(line)
                    if len(lines) >= _GROUP:
                        refused.extend(await self._settle(lines))
                        lines = []
            refused.extend(await self._settle(lines))

        for file in state.files:
            try:
                await self._patiently(lambda file=file: read(file))  # type: ignore[misc]  # a default binds it
            except FileUnknown as error:
                say(f"batch {state.id}: {error.detail}; what it held is asked for again")
        return refused[0] if refused else None

    async def _settle(self, lines: list[Line]) -> list[Exception]:
        """Put the replies of some lines into the ledger, then hand them out; return refusals that end the run."""
        tools, batch = self._tools, self.batch
        found: list[tuple[str, Request, Reply | Exception]] = []
        for line in lines:
            request = tools.memory.request(batch, line.key)
            if (
                request is not None
            ):  # else it has been seen to, before the connection broke or the process died
                found.append((line.key, request, tools.api.outcome(line, request, batch.dialect)))
        seconds = time.time() - batch.at
        stores = (
            tools.ledger.store(key, tools.identity, request, outcome, seconds)
            for key, request, outcome in found
            if isinstance(outcome, Reply)
        )
        await asyncio.gather(*stores)
        refused: list[Exception] = []
        for key, request, outcome in found:
            if isinstance(outcome, BackendError):
                # Its request waits until all that is good in the batch is safe.
                tools.ledger.put_failure(key, "refused", str(outcome), seconds)
                refused.append(outcome)
            else:
                self._desk.hand_out(batch, key, request, outcome)
            tools.memory.settle(batch, key)
        return refused

    async def _end(self, state: State, refused: Exception | None) -> None:
        """Forget the batch, and say of each request that it leaves unanswered why.

        Raises:
            BackendError: the server refused it as a whole, or lines of it in a way that no retry will cure; or somebody
                has cancelled it.
        """
        batch, owed = self.batch, self._tools.memory.owed(self.batch)
        if state.status in ("completed", "expired"):
            reason = "batch_expired" if state.status == "expired" else "no_line"
            words = f"batch {batch.id} {state.status} without a word on this request"
            for key in owed:
                self._desk.hand_out(batch, key, None, Transient(reason, words, wait_s=0))
        self._tools.memory.drop(batch)
        if refused is not None:
            raise refused
        if state.queue_full:
            await self._desk.make_room(self, state.words, len(owed))
            self._desk.requeue(batch)
        elif state.status == "failed":
            raise BackendError(
                f"the server refused batch {batch.id} as a whole: {state.words}; nothing of it was answered or paid:"
                " put right what it names, then give the same command again"
            )
        elif state.status == "cancelled":
            raise BackendError(
                f"batch {batch.id} was cancelled at the server, by somebody with access to the account (synthneg"
                f" cancels none); what it had answered is kept, and the same command submits the other {len(owed):,}"
                " requests anew"
            )

    def _lost(self) -> None:
        """See to the requests of a batch that the server does not know."""
        batch = self.batch
        if time.time() - batch.at < _OLD_S:
            begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(batch.at))
            raise BackendError(
                f"the server does not know batch {batch.id}, which this run submitted on {begun}; use the key and"
                " project that submitted it. Two days after that time the same command asks for its requests anew, with"
                " llm.mode: live at once"
            )
        self._tools.memory.drop(batch)
        self._desk.requeue(batch)

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until the server answers, for as long as a batch can live.

        Raises:
            FileUnknown: after some tries, for that is no fault of the network.
        """
        tries, start = 0, time.monotonic()
        while True:
            try:
                return await call()
            except Transient as error:
                tries += 1
                waited_s = time.monotonic() - start
                if isinstance(error, FileUnknown) and tries >= _FILE_TRIES:
                    raise
                if waited_s > _PATIENCE_S:
                    raise BackendError(
                        f"no answer from the server for {waited_s / 3600:.0f} hours ({error.detail}); nothing is lost:"
                        " when it is well again, give the same command"
                    ) from error
                first_s = min(_FIRST_PAUSE_S, self._tools.poll_s)
                pause_s = min(first_s * 2.0 ** min(tries - 1, 12), _LONGEST_PAUSE_S)
                words = f"{self._words.partition(' (no answer')[0]} (no answer for {waited_s:.0f} s: {error.detail})"
                await self._pause(words, max(error.wait_s or 0.0, pause_s))

    async def _pause(self, words: str, seconds: float) -> None:
        self._words, self._next = words, time.monotonic() + seconds
        await asyncio.sleep(seconds)
