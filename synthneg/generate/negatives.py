"""Hard negatives for verified queries: those that came with a written passage, and what the prompts write."""

from collections.abc import Sequence
from itertools import chain

from synthneg.generate.beside import Beside, mined
from synthneg.generate.jobs import (
    NEGATIVE_GRADE,
    About,
    count_of_verified,
    document_jobs,
    negative_ids,
    origin_of,
    prompts_for,
    text_of,
    verified,
)
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.llm.jobs import Asks, record_failure
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.records import Document
from synthneg.run import Run
from synthneg.run.books import Stage


async def write_negatives(run: Run, asker: Asks) -> None:
    """Write the hard negatives of all verified queries to documents.jsonl.

    Raises:
        PromptError: a prompt does not make negatives.
        BackendError: the model cannot be asked.
        RunError: the queries have not been checked, or are not in the order of the corpus.
    """
    settings = run.config.generate
    prompts = prompts_for(settings, "negative")
    per_query = settings.negatives.per_query

    total = len(prompts) * count_of_verified(run) * per_query
    with (
        mined(run, prompts) as beside,
        run.stage("generate.negatives", "documents.jsonl") as stage,
        Progress("hard negatives", total, "documents") as progress,
    ):
        for _, passage in chain.from_iterable(verified(run)):
            if passage.made and passage.made.negative:
                stage.take()
                stage.keep(passage.made.negative)
        _reject_unmined(run, prompts, beside, stage)
        asked = chain.from_iterable(
            document_jobs(run.config, prompts, block, beside) for block in verified(run)
        )
        async for about, job, outcome in asker.ask(asked, progress.advance):
            _keep(stage, about, job, outcome)


def _reject_unmined(run: Run, prompts: Sequence[Prompt], beside: Beside, stage: Stage) -> None:
    """Put into the books the negatives that are not asked for, since there is no passage to make them of."""
    in_need = [prompt for prompt in prompts if "mined" in prompt.head.needs]
    if not in_need:
        return
    for query, _ in chain.from_iterable(verified(run)):
        if beside(query.id) is None:
            for prompt in in_need:
                for id in negative_ids(run.config, prompt, query.id):
                    stage.take()
                    stage.reject(
                        id, "no_mined", f"no passage near {query.id} is safe as a negative"
                    )


def _keep(stage: Stage, about: About, job: Job, outcome: Answer | Failure) -> None:
    stage.take()
    if isinstance(outcome, Failure):
        record_failure(stage, job.id, outcome)
        return
    text = text_of(about.prompt, outcome)
    if text is None:
        stage.reject(job.id, "missing", f"no reply had {', '.join(outcome.missing)}")
        return
    origin = origin_of(about.prompt, outcome, job.draws)
    stage.keep(Document(job.id, about.query_id, text, "", NEGATIVE_GRADE, "negative", origin))
