"""Queries from passages: one job per prompt, chosen passage and draw."""

from collections.abc import Iterator

from synthneg.corpus.sample import choose
from synthneg.errors import RunError
from synthneg.generate.jobs import answers, job_for, origin_of, prompts_for, record_failure, shown
from synthneg.llm.ask import Asker, Failure, Job
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.records import Passage, Query
from synthneg.run import Run


async def write_queries(run: Run, asker: Asker) -> None:
    """Write queries.jsonl: the queries of the chosen passages, prompt by prompt, in the order of the corpus.

    Raises:
        PromptError: a prompt does not make queries.
        BackendError: the model cannot be asked.
        RunError: no passage is left to ask for.
    """
    run.need("corpus")
    corpus, settings = run.config.corpus, run.config.generate.queries
    prompts = prompts_for(settings.prompts, "query")
    kept = run.books()["corpus"]["kept"]
    if not kept:
        raise RunError(
            f"{run.folder}: no passage of the corpus was kept; rejects.jsonl says why of each"
        )

    def read() -> Iterator[Passage]:
        return run.read("passages.jsonl", Passage)

    def asked() -> Iterator[tuple[tuple[Prompt, Passage], Job]]:
        # Prompt by prompt, so that requests with a common beginning meet in the server's prefix cache.
        for prompt in prompts:
            for passage in choose(read, corpus.limit, corpus.sample, run.config.seed):
                values = {"passage": shown(passage, run.config.generate.passage_chars)}
                for number in range(settings.per_passage):
                    id = f"{passage.id}:{prompt.kind}:{number}"
                    yield (prompt, passage), job_for(prompt, id, values, run.config.seed)

    total = len(prompts) * min(corpus.limit or kept, kept) * settings.per_passage
    with (
        run.stage("generate.queries", "queries.jsonl") as stage,
        Progress("queries", total, "queries") as progress,
    ):
        async for (prompt, passage), job, outcome in answers(asker, asked(), progress.advance):
            stage.take()
            if isinstance(outcome, Failure):
                record_failure(stage, job.id, outcome)
            else:
                text = " ".join(outcome.value.split())
                origin = origin_of(prompt, outcome, job.draws)
                stage.keep(Query(job.id, text, passage.id, passage.split, origin))
