"""The conversation that makes one record: open turns, askings anew, and replies of which only a part is of use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import orjson

from synthneg.llm.again import again
from synthneg.llm.base import TOO_LONG, Reply, Request
from synthneg.llm.keys import key_of
from synthneg.llm.ledger import Ledger
from synthneg.llm.parse import Parsed, Problem, parse
from synthneg.llm.send import Failure
from synthneg.prompts.head import Form
from synthneg.prompts.render import Message, seed_of


class Open(NamedTuple):
    """A turn before the last that the model answers."""

    name: str = ""  # under which the answer is kept
    form: Form = "text"
    shared: bool = True  # all records have the same before it: it is then asked once for all


@dataclass(frozen=True, slots=True)
class Job:
    """One record to be asked for: a conversation whose open turns, and at last its reply, are the model's."""

    id: str
    tag: str  # of the prompt
    messages: tuple[Message, ...]
    sampling: dict[str, Any]
    form: Form
    seed: int
    draws: dict[str, Any]  # what the prompt drew for this record; carried to its Origin
    open: tuple[Open, ...] = ()  # of the open turns, in their order; plain and shared if not given
    again: bool = False  # the record has an answer, which stands where this brings none


class Asked(NamedTuple):
    """The request that a value came from, as the ledger has it."""

    key: str
    seed: int
    sampling: dict[
        str, Any
    ]  # not always the prompt's: a reply that was cut is asked for again with more room


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed reply."""

    value: Any
    reply: Reply
    asked: Asked
    missing: tuple[
        str, ...
    ] = ()  # keys of a JSON object that no asking brought; `value` has the others
    parts: dict[str, Asked] = field(
        default_factory=dict
    )  # whence each key of an object came, where from several
    said: dict[str, Any] = field(default_factory=dict)  # what named open turns brought


Outcome = Answer | Failure


class First(NamedTuple):
    """The request that a job begins with, its key, and the reply if the ledger has one."""

    request: Request
    key: str
    reply: Reply | None


class Sends(Protocol):
    """Sends what the ledger does not have; `Sender` does, and what only reads the ledger says why not."""

    identity: str

    async def send(self, key: str, request: Request) -> Reply | Failure:
        """Return the reply, or why there is none."""
        ...


class Conversations:
    """Holds the conversations of one run with one backend.

    Args:
        sender: sends what the ledger does not have.
        ledger: what has been answered.
        run_seed: seed of the run.
        reasks: further askings when a reply is of no use.
    """

    def __init__(self, sender: Sends, ledger: Ledger, run_seed: int, reasks: int) -> None:
        self.from_ledger = 0
        self.heard: Callable[[Job, str], None] | None = None  # told of each reply that a job takes
        self._sender, self._ledger = sender, ledger
        self._run_seed, self._reasks = run_seed, reasks

    def look_up(self, jobs: Sequence[Job]) -> list[First | None]:
        """Return how each job begins; None for one whose last turn depends on a reply."""
        begun: list[First | None] = []
        for job in jobs:
            if any(message.content is None for message in job.messages):
                begun.append(None)
                continue
            request = Request(job.messages, job.sampling, job.seed, _schema(job.form))
            begun.append(First(request, key_of(self._sender.identity, request), None))
        known = self._ledger.get_many([first.key for first in begun if first])
        return [first and first._replace(reply=known.get(first.key)) for first in begun]

    def settled(self, job: Job, first: First | None) -> Answer | None:
        """Return the outcome of a job for which the ledger has all that is needed in one reply."""
        if first is None or first.reply is None:
            return None
        parsed = parse(first.reply, job.form, _stop(job.sampling))
        if isinstance(parsed, Problem) or parsed.missing:
            return None
        self.from_ledger += 1
        if self.heard is not None:
            self.heard(job, first.key)
        return Answer(parsed.value, first.reply, _asked(first))

    async def outcome(self, job: Job, first: First | None) -> Outcome:
        """Answer the open turns of a job one after the other, then ask for its reply."""
        if first is not None:
            return await self._answer(job, job.form, first)
        begun: list[Message] = []
        said: dict[str, Any] = {}
        turns = iter(job.open)
        for number, message in enumerate(job.messages):
            if message.content is not None:
                begun.append(message)
                continue
            turn = next(turns, Open())
            seed = seed_of(*((self._run_seed, job.tag) if turn.shared else (job.seed,)), number)
            request = Request(tuple(begun), job.sampling, seed, _schema(turn.form))
            outcome = await self._answer(job, turn.form, self._beginning(request))
            if isinstance(outcome, Failure):
                return outcome
            if outcome.missing:
                missing = f"{turn.name or 'an open turn'} without {', '.join(outcome.missing)}"
                return Failure("schema", missing, replied=True)
            begun.append(Message("assistant", _spoken(outcome.value)))
            if turn.name:
                said[turn.name] = outcome.value
        last = Request(tuple(begun), job.sampling, job.seed, _schema(job.form))
        outcome = await self._answer(job, job.form, self._beginning(last))
        return replace(outcome, said=said) if said and isinstance(outcome, Answer) else outcome

    def _beginning(self, request: Request) -> First:
        key = key_of(self._sender.identity, request)
        return First(request, key, self._ledger.get(key))

    async def _answer(self, job: Job, form: Form, begun: First) -> Outcome:
        """Ask until a reply is of use, with another seed each time, at most 1 + reasks times."""
        pieces, now = _Pieces(form), begun
        for attempt in range(1, 2 + self._reasks):
            reply = now.reply or await self._sender.send(now.key, now.request)
            if isinstance(reply, Failure):
                # More room than the context has was our idea: what the record failed of came before it.
                ours = attempt > 1 and reply.reason == TOO_LONG
                return pieces.answer() or (pieces.failure() if ours else reply)
            self.from_ledger += now.reply is not None
            if self.heard is not None:
                self.heard(job, now.key)
            parsed = parse(reply, form, _stop(begun.request.sampling))
            problem = pieces.add(parsed, reply, _asked(now))
            if problem is None:
                break
            if attempt <= self._reasks:
                seed = seed_of(begun.request.seed, attempt)
                now = self._beginning(again(now.request, form, problem, attempt, seed))
        return pieces.answer() or pieces.failure()


class _Pieces:
    """What the replies to one record have brought; of a JSON object, the first piece to a key stays."""

    def __init__(self, form: Form) -> None:
        self._required = form.get("required", ()) if isinstance(form, dict) else ()
        self._values: dict[str, Any] = {}
        self._parts: dict[str, Asked] = {}
        self._whole: set[str] = set()
        self._answer: Answer | None = None
        self._askings, self._problem = 0, Problem("empty", "")

    def add(self, parsed: Parsed | Problem, reply: Reply, asked: Asked) -> Problem | None:
        """Take what a reply brought; return what is wrong still, or None where all is there."""
        self._askings += 1
        if isinstance(parsed, Problem):
            self._problem = parsed
            return parsed
        if not self._values and not parsed.missing:
            self._answer = Answer(parsed.value, reply, asked)
            return None
        if not isinstance(parsed.value, dict):
            self._problem = Problem("schema", f"too few items: {len(parsed.value)}")
            return self._problem
        for name, value in parsed.value.items():
            if name in parsed.missing and name not in self._whole:
                # A list that is too short: the longest is kept for want of a better one.
                if len(value) > len(self._values.get(name, ())):
                    self._values[name], self._parts[name] = value, asked
            elif name not in self._whole:
                self._whole.add(name)
                self._values[name], self._parts[name] = value, asked
        missing = tuple(name for name in self._required if name not in self._whole)
        self._answer = Answer(self._values, reply, asked, missing, self._parts)
        if not missing:
            return None
        reason = "truncated" if reply.finish == "length" else "schema"
        self._problem = Problem(reason, f"missing: {', '.join(missing)}")
        return self._problem

    def answer(self) -> Answer | None:
        """Return what there is; None where there is nothing."""
        return self._answer if self._answer and self._answer.value else None

    def failure(self) -> Failure:
        """Return why there is nothing."""
        detail = f"{self._askings} askings; the last: {self._problem.detail}"
        return Failure(self._problem.reason, detail, replied=True)


def _asked(first: First) -> Asked:
    return Asked(first.key, first.request.seed, first.request.sampling)


def _stop(sampling: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sampling.get("stop", ()))


def _spoken(value: Any) -> str:
    """Return what the model is shown as its own words."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _schema(form: Form) -> dict[str, Any] | None:
    return form if isinstance(form, dict) else None
