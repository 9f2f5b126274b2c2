"""Hard negatives for verified queries, written by the model: no corpus is needed for them."""

from itertools import chain

from synthneg.generate.jobs import (
    Asks,
    answers,
    count_of_verified,
    document_jobs,
    origin_of,
    prompts_for,
    record_failure,
    verified,
)
from synthneg.llm.ask import Failure
from synthneg.progress import Progress
from synthneg.records import Document
from synthneg.run import Run

_NEGATIVE_GRADE = 1


async def write_negatives(run: Run, asker: Asks) -> None:
    """Write the hard negatives of all verified queries to documents.jsonl.

    Raises:
        PromptError: a prompt does not make negatives.
        BackendError: the model cannot be asked.
        RunError: the queries have not been checked, or are not in the order of the corpus.
    """
    settings = run.config.generate
    prompts = prompts_for(settings.negatives.prompts, "negative")
    per_query = settings.negatives.per_query

    asked = chain.from_iterable(document_jobs(run.config, prompts, b) for b in verified(run))
    total = len(prompts) * count_of_verified(run) * per_query
    with (
        run.stage("generate.negatives", "documents.jsonl") as stage,
        Progress("hard negatives", total, "documents") as progress,
    ):
        async for (prompt, query_id), job, outcome in answers(asker, asked, progress.advance):
            stage.take()
            if isinstance(outcome, Failure):
                record_failure(stage, job.id, outcome)
            else:
                origin = origin_of(prompt, outcome, job.draws)
                stage.keep(
                    Document(
                        job.id, query_id, outcome.value, "", _NEGATIVE_GRADE, "negative", origin
                    )
                )
