"""The stage verify.judge: the language model judges the negatives of which the encoder is in doubt.

A prompt of `prompts/judge` is read by what its reply is: one word, a grade, a span, or verdicts on a list. What it says
is kept as scores (`judge_yes`, `judge_grade`, `judge_span`, `judge_list` with `judge_above`), of which
verify.documents makes its verdicts.
"""

import random
from collections.abc import Iterator, Sequence
from mmap import mmap
from typing import Literal, NamedTuple

import orjson

from synthneg.config import DocumentChecks, RunConfig
from synthneg.errors import PromptError
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.llm.jobs import Asks, job_for, record_failure, shown
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.prompts.render import seed_of
from synthneg.prompts.shelf import load
from synthneg.records import Document, Query, Score, from_row
from synthneg.run import Run
from synthneg.run.books import Stage
from synthneg.verify.facts import DocumentFacts, Group
from synthneg.verify.judge import grade_of, verdicts_of, yes_probability
from synthneg.verify.measure import groups, mapped
from synthneg.verify.ruling import judge_documents
from synthneg.verify.span import span_of
from synthneg.verify.thresholds import document_checks
from synthneg.verify.witnesses import JUDGE_ABOVE, wants_judge

NAME = "verify.judge"
CREDIT = {"answers": 1.0, "partly": 0.5, "none": 0.0}  # of a verdict on a list
_MOST_LISTED = 9  # negatives in one list, beside the positive
_BEST_NEGATIVE_GRADE = 1

Kind = Literal["yes", "grade", "span", "list"]


class Shown(NamedTuple):
    """What one request is about: a query and the documents that the judge sees, the positive among them in a list."""

    query_id: str
    documents: tuple[Document, ...]
    positive_id: str


class Judged(NamedTuple):
    """What a reply says of one document: a score, or why it says nothing."""

    document_id: str
    scorer: str
    value: float | None
    reason: str = ""
    above: bool | None = None  # of a list: whether it stands above the positive


def judge_prompt(config: RunConfig) -> tuple[Prompt, Kind] | None:
    """Return the prompt that judges, and what its replies are; None where the settings name none.

    Raises:
        PromptError: there is no such prompt, or what it asks for or is made of is nothing that can be used here.
    """
    if config.verify.judge is None:
        return None
    prompt = load(config.verify.judge)
    kind = _kind(prompt)
    if prompt.head.makes != "judgement" or kind is None:
        raise PromptError(
            f"{prompt.name}: verify.judge needs a prompt that makes a judgement of a query and a document, whose reply"
            " is a word or has `grade` or `span`, or of a query and documents, whose reply has `verdicts`"
        )
    return prompt, kind


def _kind(prompt: Prompt) -> Kind | None:
    form, needs = prompt.form, set(prompt.head.needs)
    keys = set(form.get("required", ())) if isinstance(form, dict) else set()
    if needs == {"query", "documents"}:
        return "list" if "verdicts" in keys else None
    if needs != {"query", "document"}:
        return None
    if "grade" in keys:
        return "grade"
    if "span" in keys:
        return "span"
    return "yes" if form == "word" else None


async def write_judgements(run: Run, asker: Asks) -> None:
    """Write what the judge says of doubtful negatives to scores.jsonl. The books count pairs of query and negative.

    Raises:
        PromptError: as `judge_prompt` says.
        BackendError: the model cannot be asked.
    """
    found = judge_prompt(run.config)
    if found is None:
        raise AssertionError("the stage is not asked for")
    prompt, kind = found
    with (
        run.stage(NAME, "scores.jsonl") as stage,
        Progress("judged negatives", None, "requests") as progress,
        mapped(run, "documents.jsonl") as texts,
    ):
        asked = _jobs(run, prompt, kind, texts)
        async for context, job, outcome in asker.ask(asked, progress.advance):
            _keep(stage, kind, context, job, outcome)


def forget_judgements(run: Run) -> None:
    """Take away what an earlier start has judged, where there was one: these settings ask no judge."""
    if run.part("scores.jsonl", NAME).exists():
        with run.stage(NAME, "scores.jsonl"):
            pass


def _jobs(run: Run, prompt: Prompt, kind: Kind, texts: bytes | mmap) -> Iterator[tuple[Shown, Job]]:
    chars = run.config.generate.passage_chars
    checks = document_checks(run)
    queries = run.read("verified_queries.jsonl", Query)
    for group in groups(run):
        if group.state == "query_rejected":
            return
        query = next(queries)
        wanted = doubted(group, checks)
        documents = [from_row(Document, orjson.loads(texts[d.at[0] : d.at[1]])) for d in wanted]
        values = {"query": {"text": query.text}}
        own_id = f"{query.id}:{prompt.kind}"
        if kind != "list":
            for document in documents:
                pair = values | {"document": shown(document, chars)}
                job = job_for(prompt, f"{own_id}:{document.id}", pair, run.config.seed)
                yield Shown(query.id, (document,), ""), job
            continue
        for start in range(0, len(documents), _MOST_LISTED):
            positive = from_row(Document, orjson.loads(texts[slice(*group.documents[0].at[:2])]))
            listed = [positive, *documents[start : start + _MOST_LISTED]]
            id = f"{own_id}:{start}"
            # A judge must not learn from its place which one is the positive.
            random.Random(seed_of(run.config.seed, id, prompt.tag)).shuffle(listed)
            job = job_for(
                prompt,
                id,
                values | {"documents": [shown(document, chars) for document in listed]},
                run.config.seed,
            )
            yield Shown(query.id, tuple(listed), positive.id), job


def doubted(group: Group, checks: DocumentChecks) -> list[DocumentFacts]:
    """Return the negatives of a query that a judge is shown: those in doubt that no other check drops."""
    if group.state != "whole":
        return []
    positive = group.documents[0].scores
    rulings = judge_documents(group.documents, checks)
    return [
        document
        for document, ruling in zip(group.documents, rulings, strict=True)
        if not document.is_passage
        and min(document.grade, ruling.grade) <= _BEST_NEGATIVE_GRADE
        and (ruling.refusal is None or ruling.refusal.reason in ("answers", "query_dropped"))
        and wants_judge(document.scores, positive, checks)
    ]


def _keep(stage: Stage, kind: Kind, about: Shown, job: Job, outcome: Answer | Failure) -> None:
    negatives = [d for d in about.documents if d.id != about.positive_id]
    stage.take(len(negatives))
    if isinstance(outcome, Failure):
        for document in negatives:
            record_failure(stage, document.id, outcome)
        return
    for said in read(kind, about, outcome):
        if said.value is None:
            stage.reject(said.document_id, said.reason, f"{job.id}: {outcome.reply.text[:120]}")
            continue
        key = outcome.asked.key
        stage.keep(Score(about.query_id, said.document_id, said.scorer, said.value, key))
        if said.above is not None:
            above = Score(about.query_id, said.document_id, JUDGE_ABOVE, float(said.above), key)
            stage.keep(above, count=0)


def read(kind: Kind, about: Shown, answer: Answer) -> list[Judged]:
    """Return what a reply says of each negative that it was shown."""
    if kind == "list":
        return _listed(about, answer)
    [document] = about.documents
    if kind == "grade":
        judged = grade_of(answer.value)
        grade = None if judged is None else float(judged.grade)
        return [Judged(document.id, "judge_grade", grade, "no_grade")]
    if kind == "yes":
        yes = yes_probability(answer.reply)
        probability = None if yes is None else round(yes.probability, 6)
        return [Judged(document.id, "judge_yes", probability, "neither_yes_nor_no")]
    outcome = span_of(answer.value, document.text).outcome
    proof = {"span": 1.0, "no_answer": 0.0}.get(outcome)
    return [Judged(document.id, "judge_span", proof, f"span_{outcome}")]


def _listed(about: Shown, answer: Answer) -> list[Judged]:
    verdicts = verdicts_of(answer.value, len(about.documents))
    ids: Sequence[str] = [document.id for document in about.documents]
    positive = ids.index(about.positive_id)
    ranks = {place: rank for rank, place in enumerate(verdicts.order)}
    known = verdicts.of[positive] != "unjudged"
    found = []
    for place, (id, verdict) in enumerate(zip(ids, verdicts.of, strict=True)):
        if place == positive:
            continue
        above = None
        if place in ranks and known:
            above = ranks[place] < ranks.get(positive, len(ranks))
        found.append(Judged(id, "judge_list", CREDIT.get(verdict), "unjudged", above))
    return found
