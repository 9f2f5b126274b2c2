"""Asking on a Ray cluster: jobs in, outcomes out, in the order of the jobs, as `Asker` does on one machine.

What the run's ledger knows is answered here. The rest is cut into partitions, which workers ask; when they have ended,
their ledgers are taken into that of the run, so that whatever reads it finds all replies, and the outcomes are yielded
in their order. So the stages, and the bytes that they write, are those of one machine.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from synthneg.cluster.collect import collect
from synthneg.cluster.crew import Crew
from synthneg.cluster.known import Beginnings, Knows
from synthneg.cluster.partitions import Settled, storage_of
from synthneg.cluster.pool import dismiss
from synthneg.cluster.spill import Spill
from synthneg.cluster.worker import Errand
from synthneg.errors import RunError
from synthneg.llm.ask import Advance, Job, Outcome, Stopped
from synthneg.llm.base import Reply
from synthneg.llm.ledger import Ledger
from synthneg.llm.open import named_backend
from synthneg.llm.used import Spent
from synthneg.run import Run

C = TypeVar("C")
_CHUNK = 256  # jobs that are looked up in one go
_SCRATCH, _SCRATCH_FIRST = (
    ".asking",
    ".asking-first",
)  # in the run's folder, while something is asked


class ClusterAsker:
    """Asks for one run on a cluster.

    Args:
        run: whose partitions lie where its settings say.
        ledger: of the run; what the workers were answered is in it when `ask` yields.
    """

    def __init__(self, run: Run, ledger: Ledger) -> None:
        self._run, self._ledger = run, ledger
        self._llm, self._identity = named_backend(run.config.llm)
        self._storage = storage_of(run)
        self._crew: Crew | None = None
        self._stopping = False
        self._heard: Callable[[Job, str], None] | None = None
        self.from_ledger = 0

    def listen(self, heard: Callable[[Job, str], None]) -> None:
        """Tell `heard` of each reply that a job takes, by its key, from now on."""
        self._heard = heard

    def spent(self, keys: Sequence[str]) -> Spent:
        """Return what the requests with these keys have used."""
        return self._ledger.spent(keys)

    def stop(self) -> int:
        """Have the workers send nothing more, and `ask` end when they have; return how many requests are in flight."""
        self._stopping = True
        return self._crew.stop() if self._crew is not None else 0

    async def ask(
        self, asked: Iterable[tuple[C, Job]], ended: Advance
    ) -> AsyncIterator[tuple[C, Job, Outcome]]:
        """Yield each job with its context and its outcome, in the order of the jobs; see `Asker.ask`.

        All jobs are read before anything is asked.
        """
        config = self._run.config
        knows = Knows(self._ledger, self._identity, config.seed, config.llm.reasks)
        begin = Beginnings(knows, self._ledger, config.seed)
        source, read = iter(asked), 0
        with Spill[C](self._run.file(_SCRATCH), config.ray.partitions) as spill:
            while chunk := list(islice(source, _CHUNK)):
                read += len(chunk)
                ended(0, f"{read:,} read")
                await self._pause()
                found = await knows.look_up([job for _, job in chunk])
                for (context, job), known in zip(chunk, found, strict=True):
                    if known.settled is not None:
                        self.from_ledger += len(known.settled.heard)
                        ended(1)
                    else:
                        await begin.note(job)
                    if known.settled is not None and spill.is_empty:
                        yield context, job, self._told(job, known.settled)
                    else:
                        spill.put(context, job, known.settled, begin.beyond(known.replies))
            if not spill.jobs:
                ended(0, "")
                return
            await self._ask_first(begin)
            await self._work(spill, begin.replies, ended)
            for place, (context, job, settled) in enumerate(spill.outcomes(self._storage)):
                if place % _CHUNK == 0:
                    ended(0, f"{place:,} written")
                    await self._pause()
                yield context, job, self._told(job, settled)
        ended(0, "")

    def _told(self, job: Job, settled: Settled) -> Outcome:
        """Return a job's outcome, having told of the replies that it took."""
        if self._heard is not None:
            for key in settled.heard:
                self._heard(job, key)
        return settled.outcome

    async def _pause(self) -> None:
        """Let Ctrl-C be heard."""
        await asyncio.sleep(0)
        if self._stopping:
            raise Stopped

    async def _ask_first(self, begin: Beginnings) -> None:
        """Ask for what conversations begin with, where it is not known yet."""
        if not begin.missing:
            return
        with Spill[None](self._run.file(_SCRATCH_FIRST), 1) as spill:
            for job, replies in begin.missing:
                spill.put(None, job, None, replies)
            await self._work(spill, {}, lambda count=1, note=None: None)
            for _, _, settled in spill.outcomes(self._storage):
                begin.learn(settled.heard)

    async def _work(self, spill: Spill[C], begin: dict[str, Reply], ended: Advance) -> None:
        """Have the workers ask the jobs of all partitions, and take what they were answered into the run's ledger."""
        spill.send(self._storage)
        errand = Errand(
            uuid4().hex,
            self._llm,
            self._identity,
            self._run.config.seed,
            self._storage,
            self._ledger.facts(self._identity),
            begin,
        )
        dismiss(self._run)  # the workers need the room of those that encode
        self._crew = Crew(self._run, errand, self._ledger.totals())
        try:
            await self._crew.work(spill.jobs, ended)
        except BaseException:
            with suppress(RunError):  # what was answered is taken in at the next start, too
                collect(self._run, self._ledger)
            raise
        finally:
            self._crew = None
        collect(self._run, self._ledger)


class Cluster:
    """What a run needs to ask on a cluster: its ledger, and the event loop of the driver."""

    def __init__(self, run: Run, ledger: Path) -> None:
        self._run = run
        for left in (_SCRATCH, _SCRATCH_FIRST):  # of a driver that was killed
            shutil.rmtree(run.file(left), ignore_errors=True)
        self._ledger = Ledger(ledger)
        try:
            collect(run, self._ledger)
        except BaseException:
            self._ledger.close()
            raise
        self.runner = asyncio.Runner()

    def desk(self) -> ClusterAsker:
        """Return what asks for one stage."""
        return ClusterAsker(self._run, self._ledger)

    def close(self) -> None:
        """Close the ledger; the connection to the cluster stands until the run is closed."""
        self.runner.close()
        self._ledger.close()
