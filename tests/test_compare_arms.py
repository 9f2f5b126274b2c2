"""A comparison from its file to its table: real trainings of a static student, over a small run."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import forked
import pytest
from comparing import ARMS, WORDS, declared, planned, world
from tiny_model import save_static_model, save_tiny_model

from synthneg.cli.app import app
from synthneg.compare.arms import compare_arms
from synthneg.compare.examples import drawn, examples_of, pool_of
from synthneg.compare.runs import compare_runs
from synthneg.errors import RunError
from synthneg.run import Run
from synthneg.train import fit

pytestmark = pytest.mark.slow

SAME = ("query_id", "query", "passage_id", "split", "origin")


def compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, dict]:
    """Give the command over compare.yaml; return what it wrote to standard output, and compare.json."""
    arguments = ["compare", str(folder / "compare.yaml"), "--outputs", str(folder / "outputs")]
    app(arguments, standalone_mode=False)
    facts = json.loads((folder / "outputs" / "first" / "compare.json").read_bytes())
    return capsys.readouterr().out, facts


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a world whose comparison of four arms, with a curve, has been made."""
    folder = world(tmp_path_factory.mktemp("world"))
    plan = planned(folder, curve=[0.25, 0.5, 1], curve_of="random")
    lines = compare_arms(plan, folder / "outputs" / "small", folder / "outputs").lines
    (folder / "said.txt").write_text("\n".join(lines))
    return folder


def rows(folder: Path, arm: str, seed: int) -> list[dict]:
    """Return what an arm was trained on."""
    file = folder / "outputs" / "first" / "arms" / f"{arm}-seed-{seed}" / "examples.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_arms_have_the_same_queries_and_positives(done: Path) -> None:
    """In all arms and seeds queries, provenance and positives are equal to the byte; negatives are the arm's."""
    found = {(arm, seed): rows(done, arm, seed) for arm in ARMS for seed in (1, 2)}
    first = found["none", 1]
    assert len(first) > 70
    for of in found.values():
        assert [json.dumps([r[f] for f in SAME] + r["documents"][:1]) for r in of] == [
            json.dumps([r[f] for f in SAME] + r["documents"][:1]) for r in first
        ]
    for arm, sources in (
        ("none", []),
        ("random", ["random"] * 2),
        ("bm25", ["bm25"] * 2),
        ("generated", ["negative"] * 2),
    ):
        assert all([d["source"] for d in r["documents"][1:]] == sources for r in found[arm, 2]), arm


def test_a_smaller_amount_is_part_of_a_larger_one(done: Path) -> None:
    """The queries of a quarter are among those of half, by seed, with all queries of a passage; seeds differ."""
    quarter, half = (
        {seed: {r["query_id"] for r in rows(done, f"random-{a}", seed)} for seed in (1, 2)}
        for a in (0.25, 0.5)
    )
    assert quarter[1] < half[1]
    assert quarter[2] < half[2]
    assert quarter[1] != quarter[2]
    passages = {r["passage_id"] for r in rows(done, "random-0.25", 1)}
    assert quarter[1] == {
        r["query_id"] for r in rows(done, "random", 1) if r["passage_id"] in passages
    }


def test_the_file_has_every_figure(done: Path) -> None:
    """compare.json holds a value per query and seed of every row, whose means are the rows', and the settings."""
    facts = json.loads((done / "outputs" / "first" / "compare.json").read_bytes())
    [found] = facts["collections"]
    assert (found["split"], found["queries"]) == ("dev", 48)
    assert set(found["rows"]) == {"(base)", "(BM25)", *ARMS, "random-0.25", "random-0.5"}
    for name, of in facts["per_query"]["people"].items():
        means = [sum(seed["nDCG@10"].values()) / 48 for seed in of]
        row = found["rows"][name]["nDCG@10"]
        assert row["seeds"] == pytest.approx(means)
        assert row["mean"] == pytest.approx(sum(means) / len(means))
        assert row["low"] <= row["mean"] <= row["high"]
    assert {d["against"] for d in found["differences"]} == {"base", "first"}
    assert len(found["differences"]) == 6 + 5
    assert all(
        d["comparisons"] == (6 if d["against"] == "base" else 5) for d in found["differences"]
    )
    assert facts["arms"]["bm25"]["train"]["negatives"] == 2
    assert facts["settings"]["seeds"] == [1, 2]
    assert any(name.endswith("small/examples.jsonl") for name in facts["inputs"])


def test_the_table_says_it_in_words(done: Path) -> None:
    """Each arm has a row with an interval and a word, the split is named, and no line is longer than 100 characters."""
    said = (done / "said.txt").read_text()
    assert max(map(len, said.splitlines())) <= 100
    for name in ("(base)", "(BM25)", *ARMS, "random-0.25"):
        assert re.search(
            rf"^  {re.escape(name)} +0\.\d{{3}} \[0\.\d{{3}}, [01]\.\d{{3}}\]", said, re.M
        ), name
    assert "people · dev" in said
    assert re.search(
        r"^  generated +(better|worse|not distinguishable) +[+-]0\.\d{3} \[", said, re.M
    )
    assert re.search(
        r"learning curve, nDCG@10: more generation (still pays|stopped paying at) ", said
    )
    assert re.search(
        r"88 of 88 queries in every arm|\d+ of 88 queries in every arm; \d+ left out", said
    )


def test_the_plots_are_drawn(done: Path) -> None:
    """Points and curve are there as SVG and PNG, and the SVG names every arm."""
    folder = done / "outputs" / "first"
    assert (folder / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    drawn_in = (folder / "compare.svg").read_text()
    assert all(f"<!-- {name} -->" in drawn_in for name in ARMS)


def test_finished_runs_are_compared_by_what_their_queries_got(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two runs, base, BM25 and both models have rows, with the difference of the runs' own values query by query."""
    arms = done / "outputs" / "first" / "arms"
    names = ("none-seed-1", "random-seed-2")
    arguments = ["compare", *(str(arms / name) for name in names), "--to", str(tmp_path / "to")]
    app(arguments, standalone_mode=False)
    said = capsys.readouterr().out
    assert max(map(len, (line for line in said.splitlines() if "doctor" not in line))) <= 100
    for name in ("(base)", "(BM25)", *names):
        assert re.search(rf"^  {re.escape(name)} +0\.\d{{3}} \[", said, re.M), name
    facts = json.loads((tmp_path / "to" / "compare.json").read_bytes())
    [found] = facts["collections"]
    [gap] = [d["mean"] for d in found["differences"] if d["against"] == "first"]
    one, other = (facts["per_query"]["people"][name][0]["nDCG@10"] for name in names)
    assert gap == pytest.approx(sum(other[id] - one[id] for id in one) / len(one))
    assert (tmp_path / "to" / "compare.png").exists()


def test_runs_of_other_queries_are_refused(done: Path, tmp_path: Path) -> None:
    """A run measured on another split, or on other queries of one name, is not set beside the first."""
    arms = done / "outputs" / "first" / "arms"
    for change, words in (
        (
            lambda file, text: text.replace('"dev"', '"test"'),
            "measured on one collection and split",
        ),
        (lambda file, text: text.replace('"q1"', '"x1"'), "got other queries"),
    ):
        other = tmp_path / f"other-{words[:3]}"
        shutil.copytree(arms / "random-seed-1" / "evaluation", other / "evaluation")
        shutil.copy(arms / "random-seed-1" / "run.yaml", other)
        for file in (other / "evaluation").iterdir():
            file.write_text(change(file, file.read_text()))
        with pytest.raises(RunError, match=words):
            compare_runs([arms / "none-seed-1", other], None)


def test_the_same_command_trains_nothing_again(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished comparison is told anew to the byte without a training; a further arm is trained alone."""
    trained = []
    whole = fit._fit
    monkeypatch.setattr(
        fit, "_fit", lambda *given: trained.append(given[0].config.run) or whole(*given)
    )
    plan = planned(done, curve=[0.25, 0.5, 1], curve_of="random")
    place = done / "outputs"
    before = (place / "first" / "compare.json").read_bytes()
    lines = compare_arms(plan, place / "small", place).lines
    assert "\n".join(lines) == (done / "said.txt").read_text()
    assert (place / "first" / "compare.json").read_bytes() == before
    assert trained == []
    more = planned(
        done, ARMS | {"claims": {"prompts": ["query/claim"], "negatives": "none"}}, seeds=[2]
    )
    compare_arms(more, place / "small", place)
    assert trained == ["claims-seed-2"]
    compare_arms(plan, place / "small", place)
    assert {r["origin"]["prompt"] for r in rows(done, "claims", 2)} == {"query/claim@1b9d6bcd"}


def test_the_same_seeds_make_the_same_table(done: Path, tmp_path: Path) -> None:
    """Made anew in another place, every figure is the same."""
    folder = world(tmp_path)
    plan = planned(folder, {"random": {"negatives": "random:2"}})
    compare_arms(plan, folder / "outputs" / "small", folder / "outputs")
    one, other = (
        json.loads((f / "outputs" / "first" / "compare.json").read_bytes())["per_query"]["people"]
        for f in (done, folder)
    )
    assert {name: one[name] for name in ("(base)", "(BM25)", "random")} == other


def words_of(folder: Path, arms: dict) -> tuple[dict, tuple[str, ...]]:
    """Compare arms with three seeds; return the words by arm and whom it is beside, and the lines."""
    plan = planned(folder, arms, seeds=[1, 2, 3], settings={"train": {"epochs": 8}})
    found = compare_arms(plan, folder / "outputs" / "small", folder / "outputs")
    return {(t.difference.a, t.against): t.word for t in found.found[0].told}, found.lines


def test_negatives_of_the_positives_words_are_not_told_better(tmp_path: Path) -> None:
    """Planted: written negatives with the positive's own words in another order are never told better."""
    arms = {"none": {"negatives": "none"}, "copies": {"negatives": "negative:2"}}
    words, _ = words_of(world(tmp_path, near=True), arms)
    assert "better" not in {words["copies", "base"], words["copies", "first"]}


def test_an_arm_that_learns_the_wrong_is_told_worse(tmp_path: Path) -> None:
    """Planted: taught by scores that put negatives above the positive, an arm is worse, and the doctor is named."""
    lists = {"teacher": "score:upside_down", "length": 3, "near": 0, "further": 0}
    wrong = {"loss": "kl", "lists": lists, "infonce": {"weight": 0.0}}
    words, lines = words_of(
        world(tmp_path), {"none": {"negatives": "none"}, "wrong": {"train": wrong}}
    )
    assert (words["wrong", "base"], words["wrong", "first"]) == ("worse", "worse")
    remedies = [line.split()[-1] for line in lines if "synthneg doctor" in line]
    assert [Path(place).name for place in remedies if "wrong" in place] == ["wrong-seed-1"]


def test_every_student_has_a_base_of_its_own(tmp_path: Path) -> None:
    """Students of two models have a base row each, and are beside their own; one that knows fewer words gets less."""
    folder = world(tmp_path)
    other = str(save_static_model(folder / "poor", WORDS[:30]))
    arms = {"a": {"negatives": "none"}, "b": {"negatives": "none", "train": {"base_model": other}}}
    plan = planned(folder, arms, seeds=[1], settings={"train": {"epochs": 0.1}})
    found = compare_arms(plan, folder / "outputs" / "small", folder / "outputs")
    [of] = found.found
    means = {name: row["nDCG@10"].interval.mean for name, row in of.rows.items()}
    assert list(means) == ["(table)", "(poor)", "(BM25)", "a", "b"]
    assert means["(poor)"] < means["(table)"]
    beside = {(t.difference.a, t.difference.b) for t in of.told}
    assert beside == {("a", "(table)"), ("b", "(poor)"), ("b", "a")}


def test_a_student_of_another_kind_than_its_base_is_told(tmp_path: Path) -> None:
    """What a multi-vector student of a bi-encoder has above it may be the kind's: said of it, and of no other arm."""
    folder = world(tmp_path)
    base = str(save_tiny_model(folder / "tiny"))
    tokens = {"base_model": base, "student": "multi-vector", "epochs": 0.1}
    arms = {"none": {"negatives": "none"}, "tokens": {"negatives": "none", "train": tokens}}
    plan = planned(folder, arms, seeds=[1], settings={"train": {"epochs": 0.1}})
    lines = compare_arms(plan, folder / "outputs" / "small", folder / "outputs").lines
    [told] = [line for line in lines if "of another kind than their base" in line]
    assert ": tokens (multi-vector);" in told


def test_a_killed_comparison_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed after a training and within another, the same command ends with the figures of one that was not."""
    folder = world(tmp_path)
    arms = {"none": ARMS["none"], "random": ARMS["random"]}
    declared(folder, arms, settings={"train": {"epochs": 15}})
    place = folder / "outputs" / "first" / "arms"
    for sign in (place / "none-seed-1" / "model", place / "random-seed-2" / "examples.jsonl"):
        process = forked.synthneg(folder, os.environ, "compare", "compare.yaml")
        while process.poll() is None and not sign.exists():
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate(timeout=240)
        assert process.returncode == -signal.SIGKILL, said
        assert not (folder / "outputs" / "first" / "compare.json").exists()
    _, facts = compared(folder, capsys)
    other = world(tmp_path / "other")
    declared(other, arms, settings={"train": {"epochs": 15}})
    _, undisturbed = compared(other, capsys)
    assert facts["per_query"] == undisturbed["per_query"]
    assert facts["collections"] == undisturbed["collections"]


def test_a_query_for_which_one_arm_has_too_few_is_left_out_of_all(tmp_path: Path) -> None:
    """With three written negatives asked of two, nothing is left and the arm is named; with a share of two, all are."""
    folder = world(tmp_path)
    plan = planned(folder, {"none": ARMS["none"], "bm25": {"negatives": "bm25:12"}})
    run = Run(folder / "outputs", plan.run)
    pool = pool_of(run, plan)
    run.close()
    assert 0 < len(pool.examples) < pool.queries == 88
    assert pool.too_few["bm25:12"] >= pool.queries - len(pool.examples)
    one, other = (examples_of(pool, arm, 1) for arm in plan.arms)
    assert [e.query_id for e in one] == [e.query_id for e in other]
    assert all(len(e.documents) == 13 for e in other)


def test_what_is_drawn_is_nested() -> None:
    """Of ten passages every smaller share is part of every larger one, of at least one passage, and all at 1."""
    ids = {f"p{n}" for n in range(10)}
    shares = [drawn(ids, amount, 3) for amount in (0.01, 0.2, 0.55, 1)]
    assert [len(share) for share in shares] == [1, 2, 6, 10]
    assert all(small <= large for small, large in zip(shares, shares[1:], strict=False))
