"""What a run's ledger already knows of the jobs of a cluster: whole outcomes, or replies that a worker begins with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from synthneg.cluster.partitions import Settled
from synthneg.llm.base import Reply, Request
from synthneg.llm.converse import Conversations, First, Job, Open
from synthneg.llm.ledger import Ledger
from synthneg.llm.send import Failure
from synthneg.prompts.render import seed_of


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a job: its outcome, or the replies on the way to one."""

    settled: Settled | None
    replies: dict[str, Reply]


class Knows:
    """Looks jobs up in a run's ledger, and sends nothing.

    Args:
        ledger: of the run.
        identity: of the backend.
        run_seed: seed of the run.
        reasks: further askings when a reply is of no use.
    """

    def __init__(self, ledger: Ledger, identity: str, run_seed: int, reasks: int) -> None:
        self._ledger = ledger
        self._talks = Conversations(_Nobody(identity), ledger, run_seed, reasks)
        self._talks.heard = lambda _, key: self._heard.append(key)
        self._heard: list[str] = []

    async def look_up(self, jobs: Sequence[Job]) -> list[Known]:
        """Return what is known of each job."""
        begun = self._talks.look_up(jobs)
        return [await self._known(job, first) for job, first in zip(jobs, begun, strict=True)]

    async def _known(self, job: Job, first: First | None) -> Known:
        self._heard = []
        if first is not None and first.reply is None:
            return Known(None, {})
        outcome = self._talks.settled(job, first)
        if outcome is not None:
            return Known(Settled(outcome, tuple(self._heard)), {})
        try:
            whole = await self._talks.outcome(job, first)
        except _NotKnown:
            return Known(None, self._ledger.get_many(self._heard))
        return Known(Settled(whole, tuple(self._heard)), {})


class _NotKnown(Exception):  # noqa: N818  # a signal inside this module
    """The ledger has no reply to a request."""


class _Nobody:
    """Sends nothing."""

    def __init__(self, identity: str) -> None:
        self.identity = identity

    async def send(self, key: str, request: Request) -> Reply | Failure:
        """Raise, since this would have to be sent."""
        raise _NotKnown


def opening_of(job: Job, run_seed: int) -> Job | None:
    """Return the job that asks for what all records of a prompt begin with; None where a job begins with nothing so.

    These are the open turns before which no record differs from another: they are asked once for all partitions.
    """
    turns = iter(job.open)
    shared = 0
    last: Job | None = None
    for number, message in enumerate(job.messages):
        if message.content is not None:
            continue
        turn = next(turns, Open())
        if not turn.shared:
            break
        last = replace(
            job,
            id=f"{job.tag}:{number}",
            messages=job.messages[:number],
            form=turn.form,
            seed=seed_of(run_seed, job.tag, number),
            draws={},
            open=job.open[:shared],
        )
        shared += 1
    return last
