"""Asking on a Ray cluster: jobs in, outcomes out, in the order of the jobs, as `Asker` does on one machine.

What the run's ledger knows is answered here. The rest is cut into partitions, which workers ask; when they have ended,
their ledgers are taken into that of the run, so that whatever reads it finds all replies, and the outcomes are yielded
in their order. So the stages, and the bytes that they write, are those of one machine.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

from synthneg.cluster.collect import collect
from synthneg.cluster.crew import Crew
from synthneg.cluster.known import Knows, opening_of
from synthneg.cluster.partitions import Settled, storage_of
from synthneg.cluster.spill import Spill
from synthneg.cluster.worker import Errand
from synthneg.errors import RunError
from synthneg.llm.ask import Advance, Job, Outcome, Stopped
from synthneg.llm.base import Reply
from synthneg.llm.ledger import Ledger, Spent
from synthneg.llm.open import named_backend
from synthneg.run import Run

C = TypeVar("C")
_CHUNK = 256  # jobs that are looked up in one go
_SCRATCH = ".asking"


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
        openings: dict[tuple[object, ...], Job] = {}
        source = iter(asked)
        with Spill[C](self._run.file(_SCRATCH), config.ray.partitions) as spill:
            while chunk := list(islice(source, _CHUNK)):
                await self._pause()
                found = await knows.look_up([job for _, job in chunk])
                for (context, job), known in zip(chunk, found, strict=True):
                    if known.settled is not None:
                        self.from_ledger += len(known.settled.heard)
                        ended(1)
                    elif (first := opening_of(job, config.seed)) is not None:
                        openings.setdefault((first.tag, first.messages), first)
                    if known.settled is not None and spill.is_empty:
                        yield context, job, self._told(job, known.settled)
                    else:
                        spill.put(context, job, known.settled, known.replies)
            if not spill.jobs:
                return
            begin = await self._opened(list(openings.values()))
            await self._work(spill, begin, ended)
            for context, job, settled in spill.outcomes(self._storage):
                yield context, job, self._told(job, settled)

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

    async def _opened(self, openings: Sequence[Job]) -> dict[str, Reply]:
        """Return the replies with which conversations begin, by their keys: one asking for all records of a prompt."""
        if not openings:
            return {}
        keys: list[str] = []
        with Spill[None](self._run.file(f"{_SCRATCH}-first"), 1) as spill:
            for job in openings:
                spill.put(None, job, None, {})
            await self._work(spill, {}, lambda count=1, note=None: None)
            for _, _, settled in spill.outcomes(self._storage):
                keys += settled.heard
        return self._ledger.get_many(keys)

    async def _work(self, spill: Spill[C], begin: dict[str, Reply], ended: Advance) -> None:
        """Have the workers ask the jobs of all partitions, and take what they were answered into the run's ledger."""
        spill.send(self._storage)
        errand = Errand(
            self._llm,
            self._identity,
            self._run.config.seed,
            self._storage,
            self._ledger.facts(self._identity),
            begin,
        )
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
        self.runner = asyncio.Runner()
        self._ledger = Ledger(ledger)
        collect(run, self._ledger)

    def desk(self) -> ClusterAsker:
        """Return what asks for one stage."""
        return ClusterAsker(self._run, self._ledger)

    def close(self) -> None:
        """Close the ledger; the connection to the cluster stands until the run is closed."""
        self.runner.close()
        self._ledger.close()
