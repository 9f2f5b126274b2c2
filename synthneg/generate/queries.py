"""Queries from passages: one job per prompt, chosen passage and draw; then rounds for what the set as a whole shows."""

from collections.abc import Sequence
from itertools import chain

from synthneg.errors import RunError
from synthneg.generate.beside import Beside, related
from synthneg.generate.jobs import blocks_of_chosen, prompts_for
from synthneg.generate.query_jobs import AboutQuery, ids_of, queries_of, query_jobs
from synthneg.generate.rounds import Rounds
from synthneg.generate.titles import add_titles
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.llm.jobs import Asks, record_failure
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.run import Run
from synthneg.run.books import Stage


async def write_queries(run: Run, asker: Asks) -> None:
    """Write queries.jsonl: the queries of the chosen passages, in blocks of passages and there prompt by prompt.

    What says again what others say, and what is in the wrong language, is asked again in rounds; see `Rounds`. Titles
    come last, for they are not asked for; see `add_titles`. Of passages that were written, the queries are there.

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
        related(run, prompts) as beside,
        run.stage("generate.queries", "queries.jsonl") as stage,
        Rounds(run, stage, prompts, beside) as rounds,
    ):
        _reject_unrelated(run, prompts, beside, stage)
        with Progress("queries", total, "queries") as progress:
            asked = chain.from_iterable(
                query_jobs(run.config, prompts, block, beside) for block in blocks_of_chosen(run)
            )
            async for about, job, outcome in asker.ask(asked, progress.advance):
                _keep(stage, rounds, about, job, outcome)
        await rounds.ask(asker)
        add_titles(run, stage)


def _reject_unrelated(run: Run, prompts: Sequence[Prompt], beside: Beside, stage: Stage) -> None:
    """Put into the books the queries that are not asked for, since no passage is near theirs."""
    in_need = [prompt for prompt in prompts if "related" in prompt.head.needs]
    if not in_need:
        return
    for passage in chain.from_iterable(blocks_of_chosen(run)):
        if beside(passage.id) is None:
            for id in chain.from_iterable(
                ids_of(run.config, prompt, passage) for prompt in in_need
            ):
                stage.take()
                stage.reject(id, "no_related", f"no other passage is near {passage.id}")


def _take_made(run: Run) -> None:
    with run.stage("generate.queries", "queries.jsonl") as stage:
        for passage in chain.from_iterable(blocks_of_chosen(run)):
            if passage.made:
                stage.take()
                stage.keep(passage.made.query)


def _keep(
    stage: Stage, rounds: Rounds, about: AboutQuery, job: Job, outcome: Answer | Failure
) -> None:
    """Put into the books what a job has come to; a reply may hold several queries, a failure counts as one."""
    if isinstance(outcome, Failure):
        stage.take()
        record_failure(stage, job.id, outcome)
        return
    queries = queries_of(about, job, outcome)
    rounds.keep_first(about, job, queries)
    if not queries:
        stage.take()
        stage.reject(job.id, "missing", f"no reply had {', '.join(outcome.missing)}")
