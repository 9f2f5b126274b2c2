"""Retrieval tasks of a topic, brainstormed by the model, for users who have neither documents nor queries.

In two steps, as E5-mistral's synthetic data were made (Wang et al., 2024, arXiv 2401.00368): tasks first, then a query,
a positive and a hard negative for each.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, product

from synthneg.config import RunConfig
from synthneg.generate.jobs import passage_prompts
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.llm.jobs import Asks, job_for
from synthneg.progress import Progress

_TASKS_A_REPLY = 10  # expected
_EXAMPLES_A_TASK = 5  # more tasks rather than more examples of one: variety comes from the tasks


@dataclass(frozen=True, slots=True)
class Task:
    """A retrieval task; its id says of which reply it is, and its place there."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Brainstorm:
    """The tasks of a topic, and what of the replies is none."""

    tasks: list[Task] = field(default_factory=list)
    twice: list[tuple[Task, Task]] = field(default_factory=list)  # a task, and the one it repeats
    failures: list[tuple[str, Failure]] = field(default_factory=list)  # by job


async def brainstorm(config: RunConfig, asker: Asks) -> Brainstorm:
    """Ask for the tasks of the topic, in as many replies as `corpus.limit` examples need.

    A task whose words are those of an earlier one is none.
    """
    asked = brainstorm_jobs(config)
    found = Brainstorm()
    of_words: dict[str, Task] = {}
    with Progress("tasks", len(asked), "replies") as progress:
        async for number, job, outcome in asker.ask(asked, progress.advance):
            if isinstance(outcome, Failure):
                found.failures.append((job.id, outcome))
                continue
            for task in _tasks(number, outcome):
                first = of_words.setdefault(_words(task.text), task)
                if first is task:
                    found.tasks.append(task)
                else:
                    found.twice.append((task, first))
    return found


def brainstorm_jobs(config: RunConfig) -> list[tuple[int, Job]]:
    """Return the jobs that ask for the tasks of the topic, each with its number."""
    [prompt, _] = passage_prompts(config)
    replies = -(-(config.corpus.limit or 0) // (_TASKS_A_REPLY * _EXAMPLES_A_TASK))
    values = {"topic": {"text": config.corpus.topic}}
    return [
        (number, job_for(prompt, f"brainstorm:{number}", values, config.seed))
        for number in range(replies)
    ]


def examples(tasks: list[Task], count: int) -> Iterator[tuple[str, Task]]:
    """Yield the ids of `count` examples and their tasks: one for each task, then a second for each, and so on.

    >>> [id for id, _ in examples([Task("a", ""), Task("b", "")], 3)]
    ['a:0', 'b:0', 'a:1']
    """
    if tasks:
        each = ((f"{task.id}:{number}", task) for number, task in product(range(count), tasks))
        yield from islice(each, count)


def _tasks(number: int, answer: Answer) -> Iterator[Task]:
    for place, text in enumerate(answer.value.get("tasks", ())):
        yield Task(f"task-{number}.{place}", " ".join(text.split()))


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
