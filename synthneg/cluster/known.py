"""What a run's ledger already knows of the jobs of a cluster: whole outcomes, or replies that a worker begins with."""

from collections.abc import Iterable, Sequence
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


class Beginnings:
    """What conversations begin with that is the same for all records of a prompt: asked once for all partitions.

    Args:
        knows: looks up what is known of it.
        ledger: of the run.
        run_seed: seed of the run.
    """

    def __init__(self, knows: Knows, ledger: Ledger, run_seed: int) -> None:
        self.replies: dict[str, Reply] = {}  # by their keys
        # Still to be asked, each with what is known on the way to it.
        self.missing: list[tuple[Job, dict[str, Reply]]] = []
        self._knows, self._ledger, self._run_seed = knows, ledger, run_seed
        self._seen: set[tuple[object, ...]] = set()

    async def note(self, job: Job) -> None:
        """Take notice of what a job begins with."""
        first = opening_of(job, self._run_seed)
        if first is None or (what := (first.tag, first.messages)) in self._seen:
            return
        self._seen.add(what)
        [known] = await self._knows.look_up([first])
        if known.settled is None:
            self.missing.append((first, known.replies))
        else:
            self.learn(known.settled.heard)

    def learn(self, keys: Iterable[str]) -> None:
        """Take the replies with these keys, which are in the run's ledger, for known."""
        self.replies |= self._ledger.get_many(list(keys))

    def beyond(self, replies: dict[str, Reply]) -> dict[str, Reply]:
        """Return those replies that belong to one job alone."""
        return {key: reply for key, reply in replies.items() if key not in self.replies}


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
