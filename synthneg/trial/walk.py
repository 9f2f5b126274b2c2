"""Asking and checking the arms of a trial, with the stages that a run has.

Prompts that make queries are asked and checked by themselves. For prompts that make documents or negatives, queries are
written and checked first, in a run of their own, and every arm takes over the queries that passed, byte for byte. So it
is with prompts that judge, which are shown passages of the corpus beside them.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from synthneg.config import RunConfig
from synthneg.corpus.read import check_corpus
from synthneg.errors import RunError, SettingsError
from synthneg.files import disk_errors, write_whole
from synthneg.generate.asking import LEDGER, Writer, release, with_asker
from synthneg.generate.documents import write_documents
from synthneg.generate.negatives import write_negatives
from synthneg.generate.passages import check_written
from synthneg.generate.queries import write_queries
from synthneg.llm.ask import Job
from synthneg.llm.budget import check_budget
from synthneg.llm.jobs import Desk
from synthneg.llm.open import check_backend
from synthneg.progress import say
from synthneg.prompts.shelf import load
from synthneg.records import Passage, Query, Score
from synthneg.run import Run
from synthneg.scoring.base import Encoder
from synthneg.scoring.encoder import check_model
from synthneg.stages import (
    choose_passages,
    mine_passages,
    must_keep,
    open_encoder,
    open_reranker,
    read_corpus,
)
from synthneg.trial.arm import Arm, judge_arm, makes_of, open_run, query_arm, written_arm
from synthneg.trial.cases import cases
from synthneg.trial.judged import Judged, Said, judged, write_said
from synthneg.trial.replies import Keys
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries
from synthneg.verify.thresholds import DISTRIBUTION


@dataclass(frozen=True, slots=True)
class Walked:
    """An arm that has been asked and checked."""

    arm: Arm
    run: Run
    keys: Keys
    judged: tuple[Judged, ...] = ()  # by an arm that judges


@dataclass(frozen=True, slots=True)
class Plan:
    """What a trial is made of."""

    arms: tuple[Arm, ...]
    base: (
        Arm | None
    )  # that writes the queries which the arms are asked about; None: the arms write queries


def plan_trial(config: RunConfig, names: Sequence[str], count: int, queries_by: str) -> Plan:
    """Return the arms for one or two prompts; the same prompt twice gets independent replies.

    Args:
        config: settings of a run.
        names: of the prompts.
        count: passages that are asked about.
        queries_by: prompt that writes the queries, where the prompts need some.

    Raises:
        PromptError: the prompts are missing, broken, or do not make the same.
        CorpusError: the corpus is not there, or in no form that is known.
        SettingsError: prompts that make queries, and a corpus whose queries are there.
        SynthnegError: the settings have no backend or encoder that could be opened.
    """
    check_budget(config.llm)
    makes = makes_of(names)
    check_corpus(config.corpus)
    check_backend(config.llm)
    check_model(config.verify.encoder)
    if makes == "query" and config.corpus.is_written:
        raise SettingsError(
            f"{config.corpus.path}: its queries come with it, so no prompt is asked for queries; expected documents, or"
            " a prompt that makes documents, negatives or judgements"
        )
    base = None if makes == "query" else query_arm(config, queries_by, count)
    arms: list[Arm] = []
    for name in names:
        arm = _arm(config, name, base, count, 0)
        if any(arm.prompt.tag == other.prompt.tag for other in arms):
            arm = _arm(config, name, base, count, 1)
        arms.append(arm)
    check_written(arms[0].config)
    return Plan(tuple(arms), base)


def _arm(config: RunConfig, name: str, base: Arm | None, count: int, draw: int) -> Arm:
    if base is None:
        return query_arm(config, name, count, draw)
    if load(name).head.makes == "judgement":
        return judge_arm(config, name, base, draw)
    return written_arm(config, name, base, draw)


@contextmanager
def walked(plan: Plan, outputs: Path) -> Iterator[list[Walked]]:
    """Ask and check the arms; their runs stay open within the context.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when what was in flight is in the ledger.
        RunError: another process is at work in an arm, no query passed its checks, or the budget ends within an arm.
    """
    with ExitStack() as open_runs:
        runs = []
        for arm in plan.arms:
            runs.append(open_run(arm, outputs))
            open_runs.callback(runs[-1].close)
        base = None
        if plan.base is not None:
            base = open_run(plan.base, outputs)
            open_runs.callback(base.close)
        with disk_errors(runs[0].folder.parent):
            if base is None:
                yield _walk_queries(plan.arms, runs)
            elif plan.arms[0].makes == "judgement":
                yield _walk_judges(plan.arms, runs, base)
            else:
                yield _walk_written(plan.arms, runs, base)


def _walk_queries(arms: Sequence[Arm], runs: Sequence[Run]) -> list[Walked]:
    keys = []
    for arm, run in zip(arms, runs, strict=True):
        read_corpus(run)
        choose_passages(run)
        say(f"{arm.prompt.tag}: asking, in {run.folder}")
        keys.append(_ask(run, [write_queries]))
        release(run)
    encoder = open_encoder(runs[0])
    for run in runs:
        verify_queries(run, encoder, open_reranker(run))
    return [Walked(*found) for found in zip(arms, runs, keys, strict=True)]


def _walk_judges(arms: Sequence[Arm], runs: Sequence[Run], base: Run) -> list[Walked]:
    encoder = _write_base(base)
    shown = list(cases(base, encoder))
    del encoder  # the language model needs the memory
    walks = []
    for arm, run in zip(arms, runs, strict=True):
        take_over_queries(run, base)
        say(f"{arm.prompt.tag}: asking, in {run.folder}")
        said: dict[str, Said] = {}

        async def judge(
            run: Run, asker: Desk, arm: Arm = arm, said: dict[str, Said] = said
        ) -> None:
            said |= await write_said(arm, run, shown, asker)

        keys = _ask(run, [judge])
        release(run)
        walks.append(Walked(arm, run, keys, tuple(judged(arm, run, shown, said, keys))))
    return walks


def _walk_written(arms: Sequence[Arm], runs: Sequence[Run], base: Run) -> list[Walked]:
    encoder = _write_base(base)
    for run in runs:
        take_over_queries(run, base)
        choose_passages(run)
        mine_passages(run, lambda: encoder)
    del encoder  # the language model needs the memory
    keys = []
    for arm, run in zip(arms, runs, strict=True):
        say(f"{arm.prompt.tag}: asking, in {run.folder}")
        keys.append(_ask(run, [write_documents, write_negatives]))
        release(run)
    encoder = open_encoder(runs[0])
    for run in runs:
        verify_documents(run, encoder, open_reranker(run))
    return [Walked(*found) for found in zip(arms, runs, keys, strict=True)]


def _write_base(base: Run) -> Encoder:
    """Write and check the queries that all arms are asked about; return the encoder."""
    read_corpus(base)
    choose_passages(base)
    if not base.config.corpus.is_written:
        say(f"{', '.join(base.config.generate.queries.prompts)}: asking, in {base.folder}")
    _ask(base, [write_queries])
    encoder = open_encoder(base)
    verify_queries(base, encoder, open_reranker(base))
    must_keep(base, "verify.queries", "queries")
    return encoder


def take_over_queries(run: Run, base: Run) -> None:
    """Give `run` the passages and the verified queries of `base`, with their scores; its books count what was taken."""
    with run.stage("corpus", "passages.jsonl") as stage:
        for passage in base.read("passages.jsonl", Passage):
            stage.take()
            stage.keep(passage)
    run.write_part("verify.queries", "scores.jsonl", base.read("scores.jsonl", Score))
    if base.has(DISTRIBUTION):
        write_whole(run.file(DISTRIBUTION), base.file(DISTRIBUTION).read_bytes())
    with run.stage("verify.queries", "verified_queries.jsonl") as stage:
        for query in base.read("verified_queries.jsonl", Query):
            stage.take()
            stage.keep(query)


def _ask(run: Run, writers: Sequence[Writer]) -> Keys:
    """Let the writers ask, and return which replies each job took.

    Raises:
        RunError: the budget of the settings ends before all was asked.
    """
    keys: Keys = {}

    async def work(run: Run, asker: Desk) -> None:
        asker.listen(heard)
        for write in writers:
            await write(run, asker)

    def heard(job: Job, key: str) -> None:
        keys.setdefault(job.id, []).append(key)

    with_asker(run, work)
    over = sum(counts["failed"].get("budget", 0) for counts in run.books().values())
    if over:
        raise RunError(
            f"{run.folder / LEDGER}: llm.budget leaves {over:,} records of this trial without a reply; raise it, or try"
            " fewer passages with -n"
        )
    return keys
