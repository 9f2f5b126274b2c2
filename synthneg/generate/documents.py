"""Documents for verified queries: the positive passage itself, and documents of graded relevance from one reply."""

from itertools import chain

from synthneg.generate.beside import further
from synthneg.generate.jobs import (
    POSITIVE_GRADE,
    About,
    count_of_verified,
    document_jobs,
    origin_of,
    prompts_for,
    verified,
)
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.llm.jobs import Asks, record_failure
from synthneg.progress import Progress
from synthneg.records import Document, Passage, Query
from synthneg.run import Run
from synthneg.run.books import Stage


async def write_documents(run: Run, asker: Asks) -> None:
    """Write to documents.jsonl the positives of all verified queries, then their graded documents.

    A query that was written from several passages has as many positives.

    Raises:
        PromptError: a prompt does not make documents.
        BackendError: the model cannot be asked.
        RunError: the queries have not been checked, or are not in the order of the corpus.
    """
    prompts = prompts_for(run.config.generate, "document")

    asked = chain.from_iterable(document_jobs(run.config, prompts, b) for b in verified(run))
    askings = sum(len(p.head.grades) if p.grades_apart else 1 for p in prompts)
    total = askings * count_of_verified(run)
    with (
        further(run, prompts_for(run.config.generate, "query")) as passages,
        run.stage("generate.documents", "documents.jsonl") as stage,
    ):
        for query, passage in chain.from_iterable(verified(run)):
            for positive in (passage, *map(passages, query.also)):
                if positive is not None:
                    stage.take()
                    stage.keep(_positive(query, positive))
        with Progress("graded documents", total, "queries") as progress:
            async for about, job, outcome in asker.ask(asked, progress.advance):
                _keep_graded(stage, about, job, outcome)


def _positive(query: Query, passage: Passage) -> Document:
    return Document(
        passage.id,
        query.id,
        passage.text,
        passage.title,
        POSITIVE_GRADE,
        passage.source,
        passage.made.origin if passage.made else None,
    )


def _keep_graded(stage: Stage, about: About, job: Job, outcome: Answer | Failure) -> None:
    prompt = about.prompt
    for grade in about.grades:
        id = job.id if prompt.grades_apart else f"{job.id}:{grade}"
        stage.take()
        if isinstance(outcome, Failure):
            record_failure(stage, id, outcome)
            continue
        key = prompt.text_key if prompt.grades_apart else str(grade)
        if key in outcome.missing:
            stage.reject(id, "missing", "no reply to the query had a document of this grade")
        else:
            text = outcome.value[key] if isinstance(outcome.value, dict) else outcome.value
            draws = job.draws if prompt.grades_apart else job.draws[str(grade)]
            origin = origin_of(prompt, outcome, draws, key)
            document = Document(id, about.query_id, str(text).strip(), "", grade, "graded", origin)
            stage.keep(document)
