"""A pilot: a few passages taken through all that is asked for, to learn what each of them uses.

Its requests are those of the real run, so its replies are in the ledger when the run comes to them. It checks nothing:
documents are asked for as if every query had passed. What is asked again because of the set as a whole, such as
duplicates, is not in it: of a few passages nobody knows how many that will be.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from synthneg.errors import BackendError, RunError
from synthneg.generate.beside import related
from synthneg.generate.jobs import document_jobs, prompts_for
from synthneg.generate.passages import passage_made, passages_asked
from synthneg.generate.query_jobs import queries_of, query_jobs
from synthneg.generate.titles import title_query
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.llm.jobs import Desk
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.records import Passage, Query
from synthneg.run import Run
from synthneg.scoring.choice import chosen

C = TypeVar("C")
STAGE_OF = {
    "query": "generate.queries",
    "document": "generate.documents",
    "negative": "generate.negatives",
}


class OverBudget(BackendError):
    """The budget ends within a pilot."""


@dataclass(frozen=True, slots=True)
class Use:
    """What one passage has used of the model for one prompt, askings anew and failed tries included."""

    stage: str
    prompt: str
    requests: float
    tokens_in: float
    tokens_out: float
    seconds: float  # of all its requests, one after the other


@dataclass(frozen=True, slots=True)
class Pilot:
    """What was found: for each passage what it used."""

    passages: tuple[tuple[Use, ...], ...]
    keys: frozenset[str] = frozenset()  # of its replies in the ledger
    busy_s: float = 0.0  # seconds in which any of them was waited for


async def pilot(run: Run, asker: Desk, count: int) -> Pilot:
    """Ask all prompts for `count` passages: those that a run with that limit would choose, or would have written.

    Raises:
        BackendError: nothing was answered.
        OverBudget: the budget ends within the pilot.
    """
    config = run.config
    written = config.corpus.is_written
    asked = list(await passages_asked(config, asker, count)) if written else []
    block = [] if written else list(chosen(run, count))
    keys: dict[str, set[str]] = {}
    asker.listen(lambda job, key: keys.setdefault(job.id, set()).add(key))
    of_job: dict[str, tuple[str, Prompt]] = {}  # passage and prompt
    names = config.generate
    passage_of = {passage.id: passage for passage in block}
    pairs: list[tuple[Query, Passage]] = []
    ids = [job.id for _, job in asked] or list(passage_of)
    if not ids:
        raise RunError(
            f"{run.folder}: there is nothing to write passages for: no query of the file can be used, or no task"
            " of the topic came"
        )

    of_job |= {job.id: (job.id, wanted.prompt) for wanted, job in asked}
    async for wanted, job, answer in _answered(asker, asked, "pilot: passages"):
        passage = passage_made(wanted, job, answer)
        pairs += [(passage.made.query, passage)] if passage and passage.made else []

    prompts = [] if written else prompts_for(names, "query")
    with related(run, prompts) as beside:
        jobs = list(query_jobs(config, prompts, block, beside))
    of_job |= {job.id: (about.passage_id, about.prompt) for about, job in jobs}
    async for about, job, answer in _answered(asker, jobs, "pilot: queries"):
        pairs += [(query, passage_of[query.passage_id]) for query in queries_of(about, job, answer)]
    if names.queries.titles:
        pairs += [(query, passage) for passage in block if (query := title_query(passage))]

    prompts = [
        *prompts_for(names, "document"),
        *prompts_for(names, "negative"),
    ]
    passage_id_of = {query.id: query.passage_id for query, _ in pairs}
    # Nothing is mined before queries are verified: each passage of the pilot stands in for those of another's queries.
    next_of = dict(zip(passage_of, [*block[1:], block[0]], strict=True)) if block[1:] else {}
    stand_ins = {query.id: next_of[query.passage_id] for query, _ in pairs if next_of}
    more = list(document_jobs(config, prompts, pairs, stand_ins.get))
    of_job |= {job.id: (passage_id_of[about.query_id], about.prompt) for about, job in more}
    async for _ in _answered(asker, more, "pilot: documents"):
        pass
    return Pilot(
        tuple(_uses(asker, id, of_job, keys) for id in ids),
        frozenset(key for some in keys.values() for key in some),
    )


async def _answered(
    asker: Desk, jobs: Sequence[tuple[C, Job]], name: str
) -> AsyncIterator[tuple[C, Job, Answer]]:
    failures: list[Failure] = []
    with Progress(name, len(jobs), "records") as progress:
        async for about, job, outcome in asker.ask(jobs, progress.advance):
            if isinstance(outcome, Answer):
                yield about, job, outcome
            else:
                failures.append(outcome)
    over = next((failure for failure in failures if failure.reason == "budget"), None)
    if over is not None:
        raise OverBudget(
            f"the budget does not reach through a pilot of a few passages ({over.detail}); raise it, or take it away"
        )
    if jobs and len(failures) == len(jobs):
        raise BackendError(
            f"{name}: none of {len(jobs)} records was answered ({failures[0].reason}: {failures[0].detail});"
            " see that the model can do what the prompts ask"
        )


def _uses(
    asker: Desk, passage_id: str, of_job: dict[str, tuple[str, Prompt]], keys: dict[str, set[str]]
) -> tuple[Use, ...]:
    """Return what a passage has used, prompt by prompt."""
    of_prompt: dict[tuple[str, Prompt], set[str]] = {}
    for job_id, (passage, prompt) in of_job.items():
        if passage == passage_id:
            # What is called as its passage has written it.
            stage = "corpus" if job_id == passage else STAGE_OF[prompt.head.makes]
            of_prompt.setdefault((stage, prompt), set()).update(keys.get(job_id, ()))
    uses = []
    for (stage, prompt), some in of_prompt.items():
        spent = asker.spent(sorted(some))
        uses.append(Use(stage, prompt.name, *spent))
    return tuple(uses)
