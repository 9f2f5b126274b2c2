"""Documents for verified queries: the positive passage itself, and documents of graded relevance from one reply."""

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
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.records import Document
from synthneg.run import Run, Stage

_POSITIVE_GRADE = 3


async def write_documents(run: Run, asker: Asks) -> None:
    """Write to documents.jsonl the positives of all verified queries, then their graded documents.

    Raises:
        PromptError: a prompt does not make documents.
        BackendError: the model cannot be asked.
        RunError: the queries have not been checked, or are not in the order of the corpus.
    """
    prompts = prompts_for(run.config.generate.documents.prompts, "document")

    asked = chain.from_iterable(document_jobs(run.config, prompts, b) for b in verified(run))
    total = len(prompts) * count_of_verified(run)
    with run.stage("generate.documents", "documents.jsonl") as stage:
        for query, passage in chain.from_iterable(verified(run)):
            stage.take()
            stage.keep(
                Document(
                    passage.id, query.id, passage.text, passage.title, _POSITIVE_GRADE, "corpus"
                )
            )
        with Progress("graded documents", total, "queries") as progress:
            async for (prompt, query_id), job, outcome in answers(asker, asked, progress.advance):
                _keep_graded(stage, prompt, query_id, job, outcome)


def _keep_graded(
    stage: Stage, prompt: Prompt, query_id: str, job: Job, outcome: Answer | Failure
) -> None:
    for grade in prompt.head.grades:
        id = f"{job.id}:{grade}"
        stage.take()
        if isinstance(outcome, Failure):
            record_failure(stage, id, outcome)
        elif str(grade) in outcome.missing:
            stage.reject(id, "missing", "no reply to the query had a document of this grade")
        else:
            text = str(outcome.value[str(grade)]).strip()
            origin = origin_of(prompt, outcome, job.draws[str(grade)], str(grade))
            stage.keep(Document(id, query_id, text, "", grade, "graded", origin))
