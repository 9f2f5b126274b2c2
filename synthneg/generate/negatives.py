"""Hard negatives for verified queries: those that came with a written passage, and what the prompts write."""

from itertools import chain

from synthneg.generate.jobs import (
    NEGATIVE_GRADE,
    About,
    Asks,
    answers,
    count_of_verified,
    document_jobs,
    origin_of,
    prompts_for,
    record_failure,
    text_of,
    verified,
)
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.progress import Progress
from synthneg.records import Document
from synthneg.run import Run, Stage


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

    asked = chain.from_iterable(document_jobs(run.config, prompts, b) for b in verified(run))
    total = len(prompts) * count_of_verified(run) * per_query
    with (
        run.stage("generate.negatives", "documents.jsonl") as stage,
        Progress("hard negatives", total, "documents") as progress,
    ):
        for _, passage in chain.from_iterable(verified(run)):
            if passage.made and passage.made.negative:
                stage.take()
                stage.keep(passage.made.negative)
        async for about, job, outcome in answers(asker, asked, progress.advance):
            _keep(stage, about, job, outcome)


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
