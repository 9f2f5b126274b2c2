"""Asking without asking: what the ledger holds, read by the parser as it is now.

    async for context, job, outcome in Replay(ledger, identity, seed, reasks, before).ask(asked, progress.advance): ...

Nothing is sent, and nothing is written to the ledger. With the parser that a stage was written with, the outcomes are
those of then, the failures included.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import islice
from typing import TypeVar

from synthneg.errors import RunError
from synthneg.llm.ask import Advance, Failure, Job, Outcome
from synthneg.llm.base import Reply, Request
from synthneg.llm.converse import Conversations
from synthneg.llm.history import History

NOT_ASKED = "not_asked"
_CHUNK = 256
C = TypeVar("C")
_UNKNOWN = Failure(NOT_ASKED, "the ledger has no reply to this, and nothing was sent", False)


class Replay:
    """Answers jobs from one run's ledger alone.

    Args:
        history: what has been answered.
        identity: of the backend that answered.
        run_seed: seed of the run.
        reasks: further askings when a reply is of no use.
        before: why jobs came to nothing when they were asked, by id: those that the ledger cannot answer come to the
            same. It is not in the ledger for all of them: a budget leaves no failed try behind.
    """

    def __init__(
        self,
        history: History,
        identity: str,
        run_seed: int,
        reasks: int,
        before: Mapping[str, Failure],
    ) -> None:
        self._talks = Conversations(_Nobody(identity), history, run_seed, reasks)
        self._before = before

    async def ask(
        self, asked: Iterable[tuple[C, Job]], ended: Advance
    ) -> AsyncIterator[tuple[C, Job, Outcome]]:
        """Yield each job with its context and its outcome, in the order of the jobs; see `Asker.ask`.

        Raises:
            RunError: the ledger cannot be read, or knows nothing of a prompt: what that says, or the settings that
                shape it, have changed since it was asked, and its records would all be lost.
        """
        source, known, unknown = iter(asked), set[str](), set[str]()
        while chunk := list(islice(source, _CHUNK)):
            begun = self._talks.look_up([job for _, job in chunk])
            for (context, job), first in zip(chunk, begun, strict=True):
                outcome = self._talks.settled(job, first) or await self._talks.outcome(job, first)
                answered = outcome is not _UNKNOWN or (
                    first is not None and first.reply is not None
                )
                if outcome is _UNKNOWN:
                    outcome = self._before.get(job.id, _UNKNOWN)
                if (answered or outcome is _UNKNOWN) and not job.again:
                    (known if answered else unknown).add(job.tag)
                ended(1)
                yield context, job, outcome
            await asyncio.sleep(0)  # where Ctrl-C is heard
        lost = sorted(unknown - known)
        if lost:
            raise RunError(
                f"the ledger has no reply to {', '.join(lost)}: the prompt, or a setting that shapes what it says, has"
                " changed since it was asked; `synthneg run` asks it, or change it back"
            )


class _Nobody:
    """Sends nothing."""

    def __init__(self, identity: str) -> None:
        self.identity = identity

    async def send(self, key: str, request: Request) -> Reply | Failure:  # noqa: ARG002  # see `Sends`
        """Return that nobody asked."""
        return _UNKNOWN
