"""What all that is asked of a language model shares: jobs with their seeds, their outcomes, and the books of a loss."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from synthneg.llm.ask import Advance, Failure, Job, Open, Outcome
from synthneg.llm.used import Spent
from synthneg.prompts.file import Prompt
from synthneg.prompts.render import draw, open_turns, render, seed_of
from synthneg.records import Document, Passage
from synthneg.run.books import Stage

C = TypeVar("C")


class Asks(Protocol):
    """Jobs in, outcomes out, in the order of the jobs: an `Asker`, a cluster, or a `Replay` of what was answered."""

    def ask(
        self, asked: Iterable[tuple[C, Job]], ended: Advance
    ) -> AsyncIterator[tuple[C, Job, Outcome]]:
        """Yield what each job was asked for, the job and its outcome, in their order; see `Asker.ask`."""
        ...


class Desk(Asks, Protocol):
    """What a run asks with, on this machine or on a cluster."""

    @property
    def from_ledger(self) -> int:
        """Replies that did not have to be asked for."""
        ...

    def listen(self, heard: Callable[[Job, str], None]) -> None:
        """Tell `heard` of each reply that a job takes, by its key, from now on."""
        ...

    def spent(self, keys: Sequence[str]) -> Spent:
        """Return what the requests with these keys have used."""
        ...

    def stop(self) -> int:
        """Send nothing more; `ask` ends when what is in flight is answered. Return how many requests that are."""
        ...


def job_for(prompt: Prompt, id: str, values: Mapping[str, Any], run_seed: int) -> Job:
    """Return the job that asks `prompt` for the record `id`; all that is random in it depends on these arguments."""
    seed = seed_of(run_seed, id, prompt.tag)
    draws = draw(prompt, seed)
    messages = render(prompt, values, draws, seed)
    turns = tuple(
        Open(name, prompt.head.turns.get(name, "text"), shared)
        for name, shared in open_turns(prompt, seed)
    )
    return Job(id, prompt.tag, messages, prompt.sampling(), prompt.form, seed, draws, turns)


def shown(passage: Passage | Document, most_chars: int) -> dict[str, str]:
    """Return what a prompt may see of a passage or document, its text cut to `most_chars`."""
    return {"text": passage.text[:most_chars], "title": passage.title}


def record_failure(stage: Stage, id: str, failure: Failure) -> None:
    """Put a job without an answer into the books: a reply of no use is a reject, no reply is a failure."""
    (stage.reject if failure.replied else stage.fail)(id, failure.reason, failure.detail)
