"""What all that is asked of a language model shares: jobs with their seeds, their outcomes, and the books of a loss."""

from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from synthneg.llm.ask import Advance, Answer, Failure, Job, Open, Outcome
from synthneg.prompts.file import Prompt
from synthneg.prompts.render import draw, open_turns, render, seed_of
from synthneg.records import Document, Passage
from synthneg.run import Stage

C = TypeVar("C")


class Asks(Protocol):
    """Jobs in, outcomes out, in the order of the jobs: an `Asker`, or a `Replay` of what was answered before."""

    def ask(self, jobs: Iterable[Job], ended: Advance) -> AsyncIterator[tuple[Job, Outcome]]:
        """Yield each job with its outcome."""
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


async def answers(
    asker: Asks, asked: Iterable[tuple[C, Job]], ended: Advance
) -> AsyncIterator[tuple[C, Job, Answer | Failure]]:
    """Yield what each job was asked for, the job and its outcome, in their order; `ended` is as in `Asker.ask`."""
    contexts: deque[C] = deque()

    def jobs() -> Iterator[Job]:
        for context, job in asked:
            contexts.append(context)
            yield job

    async for job, outcome in asker.ask(jobs(), ended):
        yield contexts.popleft(), job, outcome


def shown(passage: Passage | Document, most_chars: int) -> dict[str, str]:
    """Return what a prompt may see of a passage or document, its text cut to `most_chars`."""
    return {"text": passage.text[:most_chars], "title": passage.title}


def record_failure(stage: Stage, id: str, failure: Failure) -> None:
    """Put a job without an answer into the books: a reply of no use is a reject, no reply is a failure."""
    (stage.reject if failure.replied else stage.fail)(id, failure.reason, failure.detail)
