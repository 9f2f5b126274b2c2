"""The jobs that ask for queries, and the queries that their replies hold."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from synthneg.config import RunConfig
from synthneg.generate.hints import Hints, asked_again
from synthneg.generate.jobs import job_for, origin_of, shown, text_of
from synthneg.llm.ask import Answer, Job
from synthneg.prompts.file import Prompt
from synthneg.records import Passage, Query, Split


class AboutQuery(NamedTuple):
    """What a query needs of its job. The passage is that of its block: thousands of these may wait."""

    prompt: Prompt
    passage_id: str
    split: Split
    passage: Passage


def query_jobs(
    config: RunConfig, prompts: Sequence[Prompt], block: Sequence[Passage]
) -> Iterator[tuple[AboutQuery, Job]]:
    """Yield the jobs that ask for the queries of a block of passages, prompt by prompt."""
    for prompt, passage, id in _ids(config, prompts, block):
        yield _job(config, prompt, passage, id)


def jobs_again(
    config: RunConfig,
    prompts: Sequence[Prompt],
    block: Sequence[Passage],
    hints: Hints,
    attempt: int,
) -> Iterator[tuple[AboutQuery, Job]]:
    """Yield those of a block's jobs that have a hint, as they are put the `attempt`th time after the first."""
    for prompt, passage, id in _ids(config, prompts, block):
        if (hint := hints.of(id)) is not None:
            about, job = _job(config, prompt, passage, id)
            yield about, asked_again(job, hint, attempt, config.seed)


def _ids(
    config: RunConfig, prompts: Sequence[Prompt], block: Sequence[Passage]
) -> Iterator[tuple[Prompt, Passage, str]]:
    settings = config.generate.queries
    for prompt, passage in product(prompts, block):
        for number in range(settings.first_draw, settings.first_draw + settings.per_passage):
            yield prompt, passage, f"{passage.id}:{prompt.kind}:{number}"


def _job(config: RunConfig, prompt: Prompt, passage: Passage, id: str) -> tuple[AboutQuery, Job]:
    values = {"passage": shown(passage, config.generate.passage_chars)}
    about = AboutQuery(prompt, passage.id, passage.split, passage)
    return about, job_for(prompt, id, values, config.seed)


def queries_of(about: AboutQuery, job: Job, answer: Answer) -> list[Query]:
    """Return the queries that a reply holds: one, or as many as it has lines; none where the object lacks it."""
    origin = origin_of(about.prompt, answer, job.draws)
    value = answer.value if isinstance(answer.value, list) else text_of(about.prompt, answer)
    return [
        Query(id, " ".join(text.split()), about.passage_id, about.split, origin)
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
