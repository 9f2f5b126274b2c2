"""Hard negatives for verified queries, written by the model: no corpus is needed for them."""

from collections.abc import Iterator

from synthneg.generate.jobs import (
    answers,
    job_for,
    origin_of,
    prompts_for,
    record_failure,
    values_of,
    verified,
)
from synthneg.llm.ask import Asker, Failure, Job
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.records import Document, Query
from synthneg.run import Run

_NEGATIVE_GRADE = 1


async def write_negatives(run: Run, asker: Asker) -> None:
    """Write the hard negatives of all verified queries to documents.jsonl.

    Raises:
        PromptError: a prompt does not make negatives.
        BackendError: the model cannot be asked.
    """
    settings = run.config.generate
    prompts = prompts_for(settings.negatives.prompts, "negative")
    queries, positives = verified(run)
    per_query = settings.negatives.per_query

    def asked() -> Iterator[tuple[tuple[Prompt, Query], Job]]:
        for prompt in prompts:
            for query in queries:
                values = values_of(
                    prompt, query, positives[query.passage_id], settings.passage_chars
                )
                for number in range(per_query):
                    id = f"{query.id}:{prompt.kind}:{number}"
                    yield (prompt, query), job_for(prompt, id, values, run.config.seed)

    with (
        run.stage("generate.negatives", "documents.jsonl") as stage,
        Progress(
            "hard negatives", len(prompts) * len(queries) * per_query, "documents"
        ) as progress,
    ):
        async for (prompt, query), job, outcome in answers(asker, asked(), progress.advance):
            stage.take()
            if isinstance(outcome, Failure):
                record_failure(stage, job.id, outcome)
            else:
                origin = origin_of(prompt, outcome, job.draws)
                stage.keep(
                    Document(
                        job.id, query.id, outcome.value, "", _NEGATIVE_GRADE, "negative", origin
                    )
                )
