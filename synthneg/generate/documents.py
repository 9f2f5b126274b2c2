"""Documents for verified queries: the positive passage itself, and documents of graded relevance from one reply."""

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
from synthneg.llm.ask import Answer, Asker, Failure, Job
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.records import Document, Query
from synthneg.run import Run, Stage

_POSITIVE_GRADE = 3


async def write_documents(run: Run, asker: Asker) -> None:
    """Write the positives and the graded documents of all verified queries to documents.jsonl.

    Raises:
        PromptError: a prompt does not make documents.
        BackendError: the model cannot be asked.
    """
    settings = run.config.generate
    prompts = prompts_for(settings.documents.prompts, "document")
    queries, positives = verified(run)

    def asked() -> Iterator[tuple[tuple[Prompt, Query], Job]]:
        for prompt in prompts:
            for query in queries:
                values = values_of(
                    prompt, query, positives[query.passage_id], settings.passage_chars
                )
                yield (
                    (prompt, query),
                    job_for(prompt, f"{query.id}:{prompt.kind}", values, run.config.seed),
                )

    with run.stage("generate.documents", "documents.jsonl") as stage:
        for query in queries:
            passage = positives[query.passage_id]
            stage.take()
            stage.keep(
                Document(
                    passage.id, query.id, passage.text, passage.title, _POSITIVE_GRADE, "corpus"
                )
            )
        with Progress("graded documents", len(prompts) * len(queries), "queries") as progress:
            async for (prompt, query), job, outcome in answers(asker, asked(), progress.advance):
                _keep_graded(stage, prompt, query, job, outcome)


def _keep_graded(
    stage: Stage, prompt: Prompt, query: Query, job: Job, outcome: Answer | Failure
) -> None:
    for grade in prompt.head.grades:
        id = f"{job.id}:{grade}"
        stage.take()
        if isinstance(outcome, Failure):
            record_failure(stage, id, outcome)
        else:
            text = str(outcome.value[str(grade)]).strip()
            origin = origin_of(prompt, outcome, job.draws[str(grade)])
            stage.keep(Document(id, query.id, text, "", grade, "graded", origin))
