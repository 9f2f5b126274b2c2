"""The ledger of a partition as its worker has it: a file on a shared folder, or segments on an object store."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from synthneg.cluster.segments import Segments, packed
from synthneg.llm.base import Reply
from synthneg.llm.ledger import Ledger
from synthneg.llm.ledger_rows import Row, Tried, Waiting, tell

# How long a reply waits for others to be committed with it: a share of the time that it took, so that the wait costs
# no more of the throughput than that, and never longer than a person would want to lose.
_WAIT_SHARE = 0.05
_LONGEST_WAIT_S = 1.0
_MEMORY = Path(":memory:")


class PartitionLedger(Ledger):
    """The ledger of a partition, which also answers from replies that came with the jobs and are stored elsewhere.

    Args:
        file: the database; no other worker may have it open.
        known: those replies, by key.
    """

    def __init__(self, file: Path, known: dict[str, Reply]) -> None:
        super().__init__(file, alone=True)
        self.known = known

    def is_superseded(self) -> bool:
        """Whether a later worker has the partition by now: not while this one holds the file's lock."""
        return False

    def get_many(self, keys: Sequence[str]) -> dict[str, Reply]:
        """Return the replies to those of `keys` that have one."""
        found = {key: self.known[key] for key in keys if key in self.known}
        return found | super().get_many([key for key in keys if key not in found])


class SegmentedLedger(PartitionLedger):
    """A ledger whose replies are objects of a storage before anybody sees them; a copy on this machine answers.

    Replies that come while others are written are written together. What else it learns (failed tries, facts) goes
    along, at the latest a second later.

    Args:
        segments: the objects.
        known: as of a `PartitionLedger`.
    """

    def __init__(self, segments: Segments, known: dict[str, Reply]) -> None:
        self._copy = tempfile.TemporaryDirectory(prefix="synthneg-")
        super().__init__(Path(self._copy.name, "ledger.sqlite"), known)
        self._segments = segments
        self._next = Ledger(_MEMORY)  # what is not yet in an object
        self._has_news = False
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._in_writing: list[Waiting] = []
        try:
            segments.begin(self)
            segments.fold(self)
        except BaseException:
            self._end()
            raise

    def is_superseded(self) -> bool:
        """Whether a later worker has the partition by now."""
        return self._segments.is_superseded()

    def add_failure(self, tried: Tried) -> None:
        """See `Ledger`."""
        super().add_failure(tried)
        self._next.add_failure(tried)
        self._note()

    def learn(self, subject: str, name: str, value: str | None) -> None:
        """See `Ledger`."""
        super().learn(subject, name, value)
        self._next.learn(subject, name, value)
        self._note()

    def close(self) -> None:
        """Write what is left, and one object in the place of many; a second time does nothing."""
        try:
            if self._timer is not None:
                self._timer.cancel()
            if self._writing is not None:
                self._writing.cancel()  # its object may get there all the same, and says the same
            rows = self._in_writing + self._waiting
            self._in_writing, self._waiting = [], []
            if rows or self._has_news:
                self._commit_now([row for row, _ in rows])
            self._segments.fold(self)
        finally:
            self._end()

    def _end(self) -> None:
        self._next.close()
        super().close()
        self._copy.cleanup()

    def _note(self) -> None:
        self._has_news = True
        with suppress(RuntimeError):  # before the asking begins: the next object takes it along
            self._be_due(asyncio.get_running_loop(), _LONGEST_WAIT_S / _WAIT_SHARE)

    def _be_due(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        at = loop.time() + min(_LONGEST_WAIT_S, seconds * _WAIT_SHARE)
        if self._timer is not None and at < self._timer.when():
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = loop.call_at(at, self._flush)

    def _flush(self) -> None:
        """Begin to write what waits, or do so when what is being written is safe."""
        self._timer = None
        if self._writing is None and (self._waiting or self._has_news):
            self._writing = asyncio.get_running_loop().create_task(self._write_waiting())

    async def _write_waiting(self) -> None:
        self._in_writing, self._waiting = self._waiting, []
        error: Exception | None = None
        rows = [row for row, _ in self._in_writing]
        try:
            await asyncio.to_thread(self._segments.add, self._object(rows))
            self.write(rows)
        except Exception as raised:  # noqa: BLE001  # raised by whoever waits
            error = raised
        written, self._in_writing, self._writing = self._in_writing, [], None
        tell(written, error)
        if self._timer is None:
            self._flush()

    def _commit_now(self, rows: list[Row]) -> None:
        self._segments.add(self._object(rows))
        self.write(rows)

    def _object(self, rows: list[Row]) -> bytes:
        """Return what goes into the next object: these replies, and all else that is new."""
        self._next.write(rows)
        data = packed(self._next)
        self._next.close()
        self._next, self._has_news = Ledger(_MEMORY), False
        return data
