"""Queries from passages: one job per prompt, chosen passage and draw."""

from collections.abc import Iterator, Sequence
from itertools import chain, product

from synthneg.config import RunConfig
from synthneg.errors import RunError
from synthneg.generate.jobs import (
    Asks,
    answers,
    blocks_of_chosen,
    job_for,
    origin_of,
    prompts_for,
    record_failure,
    shown,
    text_of,
)
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.records import Passage, Query, Split
from synthneg.run import Run, Stage

# What a query needs of its job: prompt, id and split of the passage. No text: thousands of these may wait.
About = tuple[Prompt, str, Split]


async def write_queries(run: Run, asker: Asks) -> None:
    """Write queries.jsonl: the queries of the chosen passages, in blocks of passages and there prompt by prompt.

    Of passages that were written, the queries are there: nothing is asked.

    Raises:
        PromptError: a prompt does not make queries.
        BackendError: the model cannot be asked.
        RunError: no passage is left to ask for.
    """
    run.need("corpus")
    if run.config.corpus.is_written:
        _take_made(run)
        return
    settings = run.config.generate.queries
    prompts = prompts_for(run.config.generate, "query")
    kept = run.books()["corpus"]["kept"]
    if not kept:
        raise RunError(
            f"{run.folder}: no passage of the corpus was kept; rejects.jsonl says why of each"
        )
    total = len(prompts) * min(run.limit or kept, kept) * settings.per_passage
    with (
        run.stage("generate.queries", "queries.jsonl") as stage,
        Progress("queries", total, "queries") as progress,
    ):
        asked = chain.from_iterable(
            query_jobs(run.config, prompts, block) for block in blocks_of_chosen(run)
        )
        async for about, job, outcome in answers(asker, asked, progress.advance):
            _keep(stage, about, job, outcome)


def _take_made(run: Run) -> None:
    with run.stage("generate.queries", "queries.jsonl") as stage:
        for passage in chain.from_iterable(blocks_of_chosen(run)):
            if passage.made:
                stage.take()
                stage.keep(passage.made.query)


def query_jobs(
    config: RunConfig, prompts: Sequence[Prompt], block: Sequence[Passage]
) -> Iterator[tuple[About, Job]]:
    """Yield the jobs that ask for the queries of a block of passages, prompt by prompt."""
    settings = config.generate
    for prompt, passage in product(prompts, block):
        values = {"passage": shown(passage, settings.passage_chars)}
        first = settings.queries.first_draw
        for number in range(first, first + settings.queries.per_passage):
            id = f"{passage.id}:{prompt.kind}:{number}"
            yield (prompt, passage.id, passage.split), job_for(prompt, id, values, config.seed)


def queries_of(about: About, job: Job, answer: Answer) -> list[Query]:
    """Return the queries that a reply holds: one, or as many as it has lines; none where the object lacks it."""
    prompt, passage_id, split = about
    origin = origin_of(prompt, answer, job.draws)
    value = answer.value if isinstance(answer.value, list) else text_of(prompt, answer)
    return [
        Query(id, " ".join(text.split()), passage_id, split, origin)
        for id, text in _named(job.id, value)
    ]


def _keep(stage: Stage, about: About, job: Job, outcome: Answer | Failure) -> None:
    """Put into the books what a job has come to; a reply may hold several queries, a failure counts as one."""
    if isinstance(outcome, Failure):
        stage.take()
        record_failure(stage, job.id, outcome)
        return
    queries = queries_of(about, job, outcome)
    for query in queries:
        stage.take()
        stage.keep(query)
    if not queries:
        stage.take()
        stage.reject(job.id, "missing", f"no reply had {', '.join(outcome.missing)}")


def _named(id: str, value: str | list[str] | None) -> Iterator[tuple[str, str]]:
    """Yield the id and text of each query in a reply: a text has the job's id, the lines of a list are numbered from 0.

    >>> list(_named("p:question:0", "why")), list(_named("p:questions:0", ["why", "how"]))
    ([('p:question:0', 'why')], [('p:questions:0.0', 'why'), ('p:questions:0.1', 'how')])
    """
    if isinstance(value, str):
        yield id, value
    elif value is not None:
        yield from ((f"{id}.{number}", text) for number, text in enumerate(value))
