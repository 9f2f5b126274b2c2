"""Asking a judge about cases, and what it said of each passage."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from synthneg.generate.asking import LEDGER
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.llm.history import History
from synthneg.llm.jobs import Desk, job_for, record_failure, shown
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.prompts.render import seed_of
from synthneg.records import Passage, Score
from synthneg.run import Run
from synthneg.trial.arm import Arm
from synthneg.trial.cases import Case, Which
from synthneg.trial.replies import Keys, Replies
from synthneg.verify.asked import CREDIT, NAME, Kind, judge_prompt
from synthneg.verify.judge import grade_of, verdicts_of, yes_probability
from synthneg.verify.span import span_of

_BEST_GRADE = 3


class Said(NamedTuple):
    """What a judge said of one passage."""

    value: float | None  # how well it answers, in [0, 1]; None: nothing that can be read
    words: str  # the same for a person: a grade, a probability, a span, or why there is none
    raw: str  # the reply


@dataclass(frozen=True, slots=True)
class Judged:
    """A case with what was said of each passage, and what that took."""

    case: Case
    said: Mapping[Which, Said]
    tokens: float


class _Asked(NamedTuple):
    case: Case
    shown: tuple[Which, ...]  # in the order of the request


async def write_said(arm: Arm, run: Run, cases: Sequence[Case], asker: Desk) -> dict[str, Said]:
    """Ask the arm's judge about all cases; what can be read goes to scores.jsonl, and all is in the books.

    Returns:
        what was said, by the id of the job and the passage's place among those it was about.

    Raises:
        PromptError: the prompt makes no judgement that can be read.
        BackendError: the model cannot be asked.
    """
    found: dict[str, Said] = {}
    prompt, kind = _prompt(run)
    jobs = _jobs(arm, run, prompt, kind, cases)
    with (
        run.stage(NAME, "scores.jsonl") as stage,
        Progress("judged", None, "requests") as progress,
    ):
        async for asked, job, outcome in asker.ask(jobs, progress.advance):
            passages = [asked.case.passages[which] for which in asked.shown]
            for place, said in enumerate(_read(kind, passages, outcome)):
                stage.take()
                found[f"{job.id}:{place}"] = said
                id = f"{job.id}:{asked.shown[place]}"
                if isinstance(outcome, Failure):
                    record_failure(stage, id, outcome)
                elif said.value is None:
                    stage.reject(id, "unreadable", said.words)
                else:
                    scorer = f"judge_{kind}"
                    row = Score(asked.case.query.id, passages[place].id, scorer, said.value)
                    stage.keep(row)
    return found


def judged(
    arm: Arm, run: Run, cases: Sequence[Case], found: Mapping[str, Said], keys: Keys
) -> list[Judged]:
    """Return what was said of each case, in their order, with the tokens of all its askings."""
    prompt, kind = _prompt(run)
    ids = {case.query.id: place for place, case in enumerate(cases)}
    said: list[dict[Which, Said]] = [{} for _ in cases]
    spent = [0.0] * len(cases)
    with closing(History(run.file(LEDGER))) as history:
        replies = Replies(history, keys)
        for asked, job in _jobs(arm, run, prompt, kind, cases):
            place = ids[asked.case.query.id]
            used = replies.spent(job.id)
            spent[place] += used.tokens_in + used.tokens_out
            for number, which in enumerate(asked.shown):
                said[place][which] = found[f"{job.id}:{number}"]
    return [Judged(*row) for row in zip(cases, said, spent, strict=True)]


def _prompt(run: Run) -> tuple[Prompt, Kind]:
    found = judge_prompt(run.config)
    if found is None:
        raise AssertionError("an arm of a judge names it")
    return found


def _jobs(
    arm: Arm, run: Run, prompt: Prompt, kind: Kind, cases: Sequence[Case]
) -> Iterator[tuple[_Asked, Job]]:
    """Yield one job a passage, or one a case for a judge of lists, which is shown them in a random order."""
    seed, chars = run.config.seed, run.config.generate.passage_chars
    for case in cases:
        query = {"text": case.query.text}
        id = f"{case.query.id}:{prompt.kind}:{arm.draw}"
        if kind == "list":
            order = list(case.passages)
            random.Random(seed_of(seed, id, prompt.tag)).shuffle(order)
            documents = [shown(case.passages[which], chars) for which in order]
            values = {"query": query, "documents": documents}
            yield _Asked(case, tuple(order)), job_for(prompt, id, values, seed)
            continue
        for which, passage in case.passages.items():
            values = {"query": query, "document": shown(passage, chars)}
            yield _Asked(case, (which,)), job_for(prompt, f"{id}:{which}", values, seed)


def _read(kind: Kind, passages: Sequence[Passage], outcome: Answer | Failure) -> list[Said]:
    if isinstance(outcome, Failure):
        return [Said(None, f"{outcome.reason}: {outcome.detail}", "") for _ in passages]
    raw = outcome.reply.text
    if kind == "list":
        verdicts = verdicts_of(outcome.value, len(passages)).of
        return [Said(CREDIT.get(verdict), verdict, raw) for verdict in verdicts]
    [passage] = passages
    if kind == "grade":
        grade = grade_of(outcome.value)
        if grade is None:
            return [Said(None, "no grade", raw)]
        reasons = f": {grade.reasons}" if grade.reasons else ""
        return [Said(grade.grade / _BEST_GRADE, f"grade {grade.grade}{reasons}", raw)]
    if kind == "yes":
        yes = yes_probability(outcome.reply)
        if yes is None:
            return [Said(None, "neither yes nor no", raw)]
        how = "by its word" if yes.by_text else "by its probability"
        return [Said(yes.probability, f"yes {yes.probability:.2f}, {how}", raw)]
    span = span_of(outcome.value, passage.text)
    value = {"span": 1.0, "no_answer": 0.0}.get(span.outcome)
    words = passage.text[span.start : span.end] or span.outcome.replace("_", " ")
    return [Said(value, words if value is not None else span.outcome.replace("_", " "), raw)]
