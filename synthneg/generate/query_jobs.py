"""The jobs that ask for queries, and the queries that their replies hold."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from synthneg.config import RunConfig
from synthneg.generate.beside import Beside, needed, nothing
from synthneg.generate.hints import Hints, asked_again
from synthneg.generate.jobs import origin_of, text_of
from synthneg.llm.ask import Answer, Job
from synthneg.llm.jobs import job_for, shown
from synthneg.prompts.file import Prompt
from synthneg.records import Passage, Query, Split


class AboutQuery(NamedTuple):
    """What a query needs of its job. The passage is that of its block: thousands of these may wait."""

    prompt: Prompt
    passage_id: str
    split: Split
    passage: Passage
    also: tuple[str, ...] = ()  # ids of further passages that it is written from


def query_jobs(
    config: RunConfig,
    prompts: Sequence[Prompt],
    block: Sequence[Passage],
    beside: Beside = nothing,
) -> Iterator[tuple[AboutQuery, Job]]:
    """Yield the jobs that ask for the queries of a block of passages, prompt by prompt.

    None where a prompt needs a related passage and there is none `beside` the passage.
    """
    for prompt, passage in product(prompts, block):
        other = beside(passage.id) if needed("related", [prompt]) else None
        if other is not None or not needed("related", [prompt]):
            for id in ids_of(config, prompt, passage):
                yield _job(config, prompt, passage, other, id)


def jobs_again(
    config: RunConfig,
    prompts: Sequence[Prompt],
    block: Sequence[Passage],
    beside: Beside,
    hints: Hints,
    attempt: int,
) -> Iterator[tuple[AboutQuery, Job]]:
    """Yield those of a block's jobs that have a hint, as they are put the `attempt`th time after the first."""
    for prompt, passage in product(prompts, block):
        for id in ids_of(config, prompt, passage):
            if (hint := hints.of(id)) is not None:
                other = beside(passage.id) if needed("related", [prompt]) else None
                about, job = _job(config, prompt, passage, other, id)
                yield about, asked_again(job, hint, attempt, config.seed)


def ids_of(config: RunConfig, prompt: Prompt, passage: Passage) -> list[str]:
    """Return the ids of the jobs that ask a prompt about a passage."""
    settings = config.generate.queries
    numbers = range(settings.first_draw, settings.first_draw + settings.per_passage)
    return [f"{passage.id}:{prompt.kind}:{number}" for number in numbers]


def _job(
    config: RunConfig, prompt: Prompt, passage: Passage, other: Passage | None, id: str
) -> tuple[AboutQuery, Job]:
    most = config.generate.passage_chars
    values = {"passage": shown(passage, most)}
    about = AboutQuery(prompt, passage.id, passage.split, passage)
    if other is not None:
        values["related"] = shown(other, most)
        about = about._replace(also=(other.id,))
    job = job_for(prompt, id, values, config.seed)
    if config.generate.queries.logprobs:
        job = replace(job, sampling=job.sampling | {"logprobs": True})
    return about, job


def queries_of(about: AboutQuery, job: Job, answer: Answer) -> list[Query]:
    """Return the queries that a reply holds: one, or as many as it has lines; none where the object lacks it."""
    origin = origin_of(about.prompt, answer, job.draws)
    value = answer.value if isinstance(answer.value, list) else text_of(about.prompt, answer)
    return [
        Query(id, " ".join(text.split()), about.passage_id, about.split, origin, about.also)
        for id, text in _named(job.id, value)
    ]


def _named(id: str, value: str | list[str] | None) -> Iterator[tuple[str, str]]:
    """Yield the id and text of each query in a reply: a text has the job's id, the lines of a list are numbered from 0.

    >>> list(_named("p:question:0", "why")), list(_named("p:questions:0", ["why", "how"]))
    ([('p:question:0', 'why')], [('p:questions:0.0', 'why'), ('p:questions:0.1', 'how')])
    """
    if isinstance(value, str):
        yield id, value
    elif value is not None:
        yield from ((f"{id}.{number}", text) for number, text in enumerate(value))
