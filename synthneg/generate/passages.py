"""Passages where the user has none: the model writes one for each of the user's queries, or for tasks of a topic.

What belongs to a passage (its query, at times a hard negative) is kept on it, and the later stages take it from there.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from synthneg.config import RunConfig
from synthneg.corpus.check import check, checking
from synthneg.corpus.queries import read_queries
from synthneg.corpus.raw import Raw
from synthneg.corpus.sample import choose
from synthneg.errors import SettingsError
from synthneg.generate.jobs import NEGATIVE_GRADE, origin_of, passage_prompts, text_of
from synthneg.generate.tasks import Brainstorm, Task, brainstorm, examples
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.llm.jobs import Asks, job_for, record_failure
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.records import GIVEN, Document, Made, Origin, Passage, Query, Reject
from synthneg.run import Run
from synthneg.run.books import Stage

_GIVEN = Origin(GIVEN, "", {}, 0, "")
_EXAMPLE = ("query", "positive", "negative")


class Wanted(NamedTuple):
    """What a passage is written for."""

    prompt: Prompt
    query_id: str
    text: str  # the user's query, or the task


Asked = Iterator[tuple[Wanted, Job]]


def check_written(config: RunConfig) -> None:
    """Refuse settings of the corpus that do not go with passages that are written.

    Raises:
        SettingsError: a topic is empty or without a limit, or the sample is none that can be drawn beforehand.
    """
    corpus = config.corpus
    if not corpus.is_written:
        return
    if corpus.topic is not None:
        if not corpus.topic:
            raise SettingsError(
                "corpus.path: expected a topic after tasks:, such as tasks:questions of pet owners to a vet"
            )
        if corpus.limit is None:
            raise SettingsError(
                "corpus.limit is missing: with corpus.path: tasks:… it says how many examples are written"
            )
    known = ("random",) if corpus.topic is not None else ("random", "all")
    if corpus.sample not in known:
        raise SettingsError(
            f"corpus.sample: expected {' or '.join(known)} where the passages are still to be written, got"
            f" {corpus.sample}; leave it out"
        )


def count_wanted(config: RunConfig) -> int:
    """Return how many passages are wanted: the limit, or fewer where the file has fewer queries.

    Raises:
        CorpusError: the file of queries cannot be read.
    """
    limit = config.corpus.limit
    if config.corpus.topic is not None:
        return limit or 0
    usable = sum(1 for _ in _usable(config))
    return usable if limit is None else min(limit, usable)


async def passages_asked(config: RunConfig, asker: Asks, count: int) -> Asked:
    """Return the jobs that ask for `count` of the passages: those that a run with this limit would ask for."""
    if config.corpus.topic is None:
        return given_jobs(config, count)
    return _task_jobs(config, (await brainstorm(config, asker)).tasks, count)


async def write_passages(run: Run, asker: Asks) -> None:
    """Write passages.jsonl by asking: a passage for each of the user's queries, or the examples of a topic's tasks.

    The books count what is asked for, and the queries or tasks that nothing is asked for.

    Raises:
        CorpusError: the file of queries cannot be read.
        PromptError: a prompt makes something else.
        BackendError: the model cannot be asked.
    """
    config, limit = run.config, run.limit
    with run.stage("corpus", "passages.jsonl") as stage:
        if config.corpus.topic is None:
            total = _drop_queries(stage, config)
            asked = given_jobs(config, limit)
        else:
            found = await brainstorm(config, asker)
            _drop_tasks(stage, found)
            total, asked = limit or 0, _task_jobs(config, found.tasks, limit or 0)
        with (
            checking(config.corpus, config.seed) as checked,
            Progress("passages", min(total, limit or total), "passages") as progress,
        ):
            async for wanted, job, outcome in asker.ask(asked, progress.advance):
                stage.take()
                _keep(stage, checked, wanted, job, outcome)


def passage_made(wanted: Wanted, job: Job, answer: Answer) -> Passage | None:
    """Return the passage that a reply holds, unchecked; None where the reply lacks it."""
    text = _text(wanted.prompt, answer)
    return None if text is None else _with_made(Passage(job.id, text), wanted, job, answer)


def _keep(
    stage: Stage,
    checked: Callable[[Raw], Passage | Reject],
    wanted: Wanted,
    job: Job,
    outcome: Answer | Failure,
) -> None:
    if isinstance(outcome, Failure):
        record_failure(stage, job.id, outcome)
        return
    text = _text(wanted.prompt, outcome)
    if text is None:
        stage.reject(job.id, "missing", f"no reply had {', '.join(outcome.missing)}")
        return
    passage = checked(Raw(job.id, "", text, f"the reply to {job.id}"))
    if isinstance(passage, Reject):
        stage.reject(job.id, passage.reason, passage.detail)
    else:
        stage.keep(_with_made(passage, wanted, job, outcome))


def _text(prompt: Prompt, answer: Answer) -> str | None:
    if prompt.head.makes != "task":
        text = text_of(prompt, answer)
        return text and text.strip()
    if {"query", "positive"} & set(answer.missing):
        return None
    return str(answer.value["positive"]).strip()


def _with_made(passage: Passage, wanted: Wanted, job: Job, answer: Answer) -> Passage:
    """Return the passage with what belongs to it; its id is the job's."""

    def query(text: str, origin: Origin) -> Query:
        return Query(wanted.query_id, text, passage.id, passage.split, origin)

    if wanted.prompt.head.makes != "task":
        origin = origin_of(wanted.prompt, answer, job.draws)
        return replace(passage, made=Made(query(wanted.text, _GIVEN), origin))

    def of(key: str) -> Origin:
        origin = origin_of(wanted.prompt, answer, job.draws, key)
        said = {name: said for name, said in origin.said.items() if name not in _EXAMPLE}
        return replace(origin, said={"task": wanted.text} | said)

    negative = None
    if "negative" not in answer.missing:
        text = str(answer.value["negative"]).strip()
        id = f"{passage.id}:negative"
        negative = Document(
            id, wanted.query_id, text, "", NEGATIVE_GRADE, "negative", of("negative")
        )
    own = query(" ".join(str(answer.value["query"]).split()), of("query"))
    return replace(passage, made=Made(own, of("positive"), negative))


def _given(config: RunConfig) -> Iterator[Passage | Reject]:
    """Yield the user's queries, each as a passage of its text alone, or why nothing is asked for it.

    What the prompts would cut, and what the checks of queries would drop for its length, is not paid for.
    """
    bounds = {
        "min_words": config.verify.queries.min_words,
        "max_chars": config.generate.passage_chars,
    }
    queries = read_queries(Path(config.corpus.queries or ""), config.corpus)
    return check(queries, config.corpus.model_copy(update=bounds), config.seed)


def _usable(config: RunConfig) -> Iterator[Passage]:
    return (query for query in _given(config) if isinstance(query, Passage))


def _drop_queries(stage: Stage, config: RunConfig) -> int:
    """Put the queries that cannot be used into the books; return how many can."""
    usable = 0
    for query in _given(config):
        if isinstance(query, Reject):
            stage.take()
            stage.reject(query.id, query.reason, query.detail)
        else:
            usable += 1
    return usable


def _drop_tasks(stage: Stage, found: Brainstorm) -> None:
    for task, first in found.twice:
        stage.take()
        stage.reject(task.id, "duplicate", f"the words of {first.id}: {first.text}")
    for id, failure in found.failures:
        stage.take()
        record_failure(stage, id, failure)


def given_jobs(config: RunConfig, limit: int | None) -> Asked:
    """Yield the jobs that have a passage written for each of `limit` of the user's queries; None: for all of them."""
    [prompt] = passage_prompts(config)
    if limit == 0:  # a pilot of a file without a usable query
        return
    # What a budget affords is drawn at random, too.
    every = config.corpus.sample == "all" and limit == config.corpus.limit
    how: Literal["random", "all"] = "all" if every else "random"
    for query in choose(lambda: _usable(config), limit, how, config.seed):
        job = job_for(
            prompt, f"{query.id}:{prompt.kind}", {"query": {"text": query.text}}, config.seed
        )
        yield Wanted(prompt, query.id, query.text), job


def _task_jobs(config: RunConfig, tasks: list[Task], count: int) -> Asked:
    [_, prompt] = passage_prompts(config)
    for query_id, task in examples(tasks, count):
        job = job_for(
            prompt, f"{query_id}:{prompt.kind}", {"task": {"text": task.text}}, config.seed
        )
        yield Wanted(prompt, query_id, task.text), job
