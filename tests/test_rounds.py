"""The settings of a further round, from a run whose tuned model has random weights."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from examples import TOPICS, example, run_of
from tiny_model import save_tiny_model

from synthneg.config import dump
from synthneg.errors import RunError, SettingsError
from synthneg.prompts.shelf import load as load_prompt
from synthneg.records import Example
from synthneg.rounds.earlier import check_earlier
from synthneg.rounds.failed import write_failed
from synthneg.rounds.further import check_rounds, further
from synthneg.run import Run
from synthneg.settings import load

pytestmark = pytest.mark.slow

TAG = load_prompt("query/question").tag
EXAMPLES = [
    replace(e, origin=replace(e.origin, prompt=TAG))
    for e in (example(topic, i) for topic in TOPICS for i in range(2))
]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[list[Run]]:
    """Return a list of runs that are closed after the test."""
    runs: list[Run] = []
    yield runs
    for run in runs:
        run.close()


def trained(
    folder: Path, opened: list[Run], examples: list[Example] = EXAMPLES, **rounds: object
) -> Run:
    """Return a run with a model; all its queries fail where the margin is above what cosines can be apart."""
    run = run_of(examples, folder, rounds={"margin": 2, **rounds})
    opened.append(run)
    save_tiny_model(run.file("model"))
    return run


def test_settings_of_a_further_round(tmp_path: Path, opened: list[Run]):
    """They load, keep what was set, and differ in name, passages, draws and exemplars; so does the round after."""
    run = trained(tmp_path, opened, exemplars=2)
    second = further(run)
    file = tmp_path / "second.yaml"
    file.write_text(dump(second))

    assert load(file) == second
    assert (second.run, second.rounds.after, second.rounds.number) == ("small-round-2", "small", 2)
    assert second.generate.queries.first_draw == run.config.generate.queries.per_passage
    asked = {id for one in write_failed(run) for id in one.ask}
    assert second.corpus.limit == len(asked)
    same = {"run", "corpus", "generate", "rounds"}
    assert second.model_dump(exclude=same) == run.config.model_dump(exclude=same)
    pool = [row["query"] for row in second.generate.replace["query/question"].examples]
    assert len(pool) == 3  # as many as the prompt draws: two failures, one of its own
    assert set(pool[:2]) <= {e.query for e in EXAMPLES}

    third, alone = Run(tmp_path, second), Run(tmp_path / "elsewhere", second)
    opened.extend((third, alone))
    with pytest.raises(RunError, match="--round 2"):
        check_earlier(alone)
    check_earlier(third)
    for name in ("examples.jsonl", "passages.jsonl"):
        third.file(name).write_bytes(run.file(name).read_bytes())
    save_tiny_model(third.file("model"))
    after = further(third)
    assert (after.run, after.rounds.after) == ("small-round-3", "small-round-2")
    assert after.generate.queries.first_draw == 2 * run.config.generate.queries.per_passage


def test_held_out_passages_are_left_alone(tmp_path: Path, opened: list[Run]):
    """No failure is sought among queries of held-out passages, and no held-out passage is asked about."""
    split = [
        replace(e, split="held_out") if e.passage_id in ("rain", "wolf") else e for e in EXAMPLES
    ]
    failed = write_failed(trained(tmp_path, opened, split, neighbours=7, exemplars=0))

    assert {one.query_id for one in failed} == {e.query_id for e in split if e.split == "train"}
    assert {id for one in failed for id in one.ask} == TOPICS.keys() - {"rain", "wolf"}


def test_exemplars_are_half_at_most(tmp_path: Path, opened: list[Run]):
    """Half of the failures are exemplars where more are allowed; none of few whose passages would all fall silent."""
    many = write_failed(trained(tmp_path / "many", opened, exemplars=50))
    few = write_failed(trained(tmp_path / "few", opened, EXAMPLES[:2] + EXAMPLES[2:4], top_k=1))
    one = [replace(e, passage_id=EXAMPLES[0].passage_id) for e in EXAMPLES[:2]]
    silent = write_failed(trained(tmp_path / "one", opened, one))

    assert sum(failed.exemplar for failed in many) == len(many) // 2
    assert any(failed.ask for failed in few)
    assert not any(failed.exemplar for failed in silent)
    assert all(failed.ask for failed in silent)


def test_what_stands_is_not_measured_again(tmp_path: Path, opened: list[Run]):
    """failed.jsonl is written once for a model and bounds, and anew for others."""
    run = trained(tmp_path, opened)
    write_failed(run)
    made = run.file("failed.jsonl").stat().st_mtime_ns
    write_failed(run)
    assert run.file("failed.jsonl").stat().st_mtime_ns == made
    (run.file("model") / "README.md").write_text("another")
    write_failed(run)
    assert run.file("failed.jsonl").stat().st_mtime_ns != made


def test_nothing_to_ask_is_said(tmp_path: Path, opened: list[Run]):
    """A model that fails nothing, and passages that are written for their queries, end with what to change."""
    run = trained(tmp_path, opened, top_k=100, margin=-2)
    with pytest.raises(RunError, match="lower top_k"):
        further(run)
    written = run.config.model_copy(
        update={"corpus": run.config.corpus.model_copy(update={"path": "tasks:tea"})}
    )
    with pytest.raises(SettingsError, match="raise corpus.limit"):
        check_rounds(written, 2)
    check_rounds(written, 1)
