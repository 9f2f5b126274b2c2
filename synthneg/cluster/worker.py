"""A worker of a cluster: it asks the jobs of one partition after the other, as one machine does, and keeps its model.

Ray decides where it runs, and starts it again when its process or machine is gone. What it has asked is then in the
partition's ledger, and of a partition that was finished nothing is touched.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from synthneg.cluster.allowance import carrier
from synthneg.cluster.board import Seen
from synthneg.cluster.leased import Leased
from synthneg.cluster.ledgers import PartitionLedger, SegmentedLedger
from synthneg.cluster.partitions import (
    Settled,
    head,
    is_complete,
    jobs_file,
    ledger_file,
    outcome_line,
    outcomes_file,
    packed,
    read_jobs,
    segments_folder,
)
from synthneg.cluster.segments import Segments
from synthneg.cluster.storage import Storage
from synthneg.config import LLMConfig
from synthneg.errors import RunError, SettingsError, SynthnegError
from synthneg.llm.ask import Asker, Job, Stopped
from synthneg.llm.base import Backend, Reply
from synthneg.llm.ledger import Ledger
from synthneg.llm.limits import Share
from synthneg.llm.open import asking_config, open_backend

_TICK_S = 0.5
_MOST_LINES = 256  # of outcomes that are written in one go


@dataclass(frozen=True, slots=True)
class Errand:
    """What the workers of one asking are told."""

    asking: str  # a name that no other asking has
    llm: LLMConfig  # its limits are those of all workers together
    identity: str  # of the backend
    run_seed: int
    storage: Storage
    facts: dict[str, str] = field(default_factory=dict)  # what was learnt of the backend
    known: dict[str, Reply] = field(default_factory=dict)  # replies that conversations begin with


class Worker:
    """Asks the jobs of a partition; one that holds a model keeps it for the next.

    Args:
        errand: what is to be done.
        board: handle of a `Board`.
        keeper: handle of the actor that deals out what all workers may send.
    """

    def __init__(self, errand: Errand, board: Any, keeper: Any) -> None:
        self._errand, self._board, self._keeper = errand, board, keeper
        self._runner = asyncio.Runner()
        self._backend: Backend | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Ask the jobs of the row's partition; return what is in the user's power to put right as a row, too."""
        partition = int(row["partition"])
        kind = words = ""
        try:
            self._runner.run(self._work(partition))
        except Stopped:
            kind = Stopped.__name__
        except SynthnegError as error:
            kind, words = type(error).__name__, str(error)
        return {"partition": partition, "error": kind, "words": words}

    async def _work(self, partition: int) -> None:
        storage = self._errand.storage
        if is_complete(storage, partition, self._errand.asking):
            return
        with storage.reading(jobs_file(partition)) as stream:
            ledger = open_ledger(storage, partition, dict(self._errand.known))
            try:
                for name, value in self._errand.facts.items():
                    ledger.learn(self._errand.identity, name, value)
                backend = self._opened(ledger)
                try:
                    async with Leased(
                        self._errand.llm, carrier(self._keeper, self._board)
                    ) as share:
                        asker = open_asker(self._errand, backend, ledger, share)
                        with storage.writing(outcomes_file(partition)) as target:
                            target.write(packed(head(self._errand.asking)))
                            asked = _noting(read_jobs(stream), ledger.known)
                            await _Asking(partition, asker, self._board).write(asked, target)
                            _check_ours(ledger, partition)
                finally:
                    if backend is not self._backend:
                        await backend.close()
            finally:
                ledger.close()

    def _opened(self, ledger: Ledger) -> Backend:
        """Return the backend: the model that this worker holds, or a server as the partition's ledger knows it."""
        if self._backend is not None:
            return self._backend
        backend = open_backend(self._errand.llm, ledger)
        if backend.identity != self._errand.identity:
            raise SettingsError(
                f"llm.model: expected {self._errand.identity} on every machine of the cluster, and one has"
                f" {backend.identity}; put the same weights on all of them, or on shared storage"
            )
        if self._errand.llm.backend != "openai":
            self._backend = backend
        return backend


def open_ledger(storage: Storage, partition: int, known: dict[str, Reply]) -> PartitionLedger:
    """Return the ledger of a partition, which nobody else has open.

    Raises:
        RunError: another worker still has it, or it cannot be read.
    """
    file = storage.local(ledger_file(partition))
    if file is not None:
        return PartitionLedger(file, known)
    return SegmentedLedger(Segments(storage, segments_folder(partition)), known)


def open_asker(errand: Errand, backend: Backend, ledger: Ledger, share: Share) -> Asker:
    """Return what asks the jobs of a partition."""
    config = asking_config(errand.llm)
    return Asker(backend, ledger, config, errand.run_seed, share=share)


def _check_ours(ledger: PartitionLedger, partition: int) -> None:
    """Raise RunError where this worker was given up: the outcomes are those of its successor."""
    if ledger.is_superseded():
        raise RunError(f"partition {partition}: another worker has taken it over")


def _noting(
    jobs: Iterator[tuple[Job, dict[str, Reply]]], known: dict[str, Reply]
) -> Iterator[tuple[None, Job]]:
    """Yield the jobs, having put the replies that they may begin with where the ledger finds them."""
    for job, replies in jobs:
        known |= replies
        yield None, job


class _Asking:
    """The asking of one partition, and what is told about it."""

    def __init__(self, partition: int, asker: Asker, board: Any) -> None:
        self._partition, self._asker, self._board = partition, asker, board
        self._ended = 0

    async def write(self, asked: Iterator[tuple[None, Job]], target: BinaryIO) -> None:
        """Write the outcome of each job to `target`."""
        heard: dict[str, list[str]] = {}
        self._asker.listen(lambda job, key: heard.setdefault(job.id, []).append(key))
        lines: list[bytes] = []
        telling: asyncio.Task[None] | None = None
        try:
            if await self._tell(Seen(at_work=1)):
                raise Stopped
            telling = asyncio.create_task(self._tell_for_ever())
            async for _, job, outcome in self._asker.ask(asked, self._advance):
                lines.append(outcome_line(Settled(outcome, tuple(heard.pop(job.id, ())))))
                if len(lines) >= _MOST_LINES:
                    target.write(packed(b"".join(lines)))
                    lines = []
            target.write(packed(b"".join(lines)))
        finally:
            if telling is not None:
                telling.cancel()
            await self._tell(Seen(self._ended))

    def _advance(self, count: int = 1, note: str | None = None) -> None:  # noqa: ARG002  # see `Advance`
        self._ended += count

    async def _tell_for_ever(self) -> None:
        """Say twice a second how far this partition is, and stop where that is wanted."""
        while True:
            if await self._tell(Seen(self._ended, self._asker.in_flight, at_work=1)):
                self._asker.stop()
            await asyncio.sleep(_TICK_S)

    async def _tell(self, seen: Seen) -> bool:
        """Return whether this worker is to stop; a board that is just being started again says nothing."""
        from ray.exceptions import RayError  # noqa: PLC0415 - an extra

        try:
            return bool(await self._board.tell.remote(self._partition, seen))
        except RayError:
            return False
