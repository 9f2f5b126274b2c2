"""Files of arms that make no sense: one line with what was expected and seen, status 2, nothing trained."""

import re
import sys
from pathlib import Path

import pytest
import yaml
from comparing import ARMS, declared, world

from synthneg.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a world in which nothing has been compared."""
    return world(tmp_path_factory.mktemp("world"))


def refused(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> str:
    """Run the command line and return the one line that it ends with, less the lines of progress before it."""
    monkeypatch.setattr(sys, "argv", ["synthneg", "compare", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capfd.readouterr()
    assert (ended.value.code, out) == (2, ""), err
    [line] = [line for line in err.splitlines() if line.startswith("synthneg: ")]
    assert err.endswith(f"{line}\n")
    assert len(line) < 700
    return line


WRONG = {
    "no run": ({"run": "other"}, {"a": {}}, "there is no run of that name"),
    "an unknown key": ({"seed": [1]}, {}, "unknown setting seed; did you mean seeds?"),
    "an unknown key of an arm": ({}, {"a": {"negativs": "none"}}, "did you mean negatives?"),
    "an unknown setting": (
        {},
        {"a": {"train": {"epoch": 2}}},
        "arms.a: unknown setting train.epoch; did you mean epochs?",
    ),
    "a value out of bounds": ({"settings": {"train": {"epochs": 0}}}, {"a": {}}, "train.epochs"),
    "no arms": ({}, {}, "arms: "),
    "a name too long": ({}, {"a" * 30: {}}, "at most 20"),
    "an unknown source": (
        {},
        {"a": {"negatives": "dance"}},
        "arms.a: negatives: expected sources of .*'dance', or none",
    ),
    "other counts": (
        {},
        {"a": {"negatives": "bm25:2"}, "b": {"negatives": "dense:3"}},
        r"as many negatives .* got a 2 \(bm25:2\), b 3 \(dense:3\); change their counts so that",
    ),
    "another number of negatives": (
        {},
        {"a": {"negatives": "bm25:2", "train": {"negatives": 3}}},
        "expected 2, as .* got 3",
    ),
    "a seed twice": ({"seeds": [1, 1]}, {"a": {}}, "seeds: expected each once"),
    "no seed": ({"seeds": []}, {"a": {}}, "seeds"),
    "an amount of nothing": ({}, {"a": {"amount": 0}}, "amount"),
    "a curve of no arm": (
        {"curve": [0.5], "curve_of": "b"},
        {"a": {}},
        "expected one of the arms a, got 'b'",
    ),
    "a curve over a part": (
        {"curve": [0.5]},
        {"a": {"amount": 0.5}},
        "expected an arm of all passages",
    ),
    "no collection": ({"evaluate": {}}, {"a": {}}, "evaluate.collections: expected a BEIR folder"),
    "no such split": (
        {"evaluate": {"collections": ["people"], "split": "test"}},
        {"a": {}},
        "qrels/test.tsv: expected",
    ),
    "an unknown measure": (
        {"evaluate": {"collections": ["people"], "split": "dev", "measures": ["nDGC@10"]}},
        {"a": {}},
        "did you mean nDCG@10",
    ),
    "no such model": (
        {},
        {"a": {"train": {"base_model": "nowhere/table/of/words"}}},
        "nowhere/table/of/words",
    ),
    "a prompt that wrote nothing": (
        {},
        {"a": {"prompts": ["query/keywords"]}},
        "such as query/question, query/claim, got query/keywords",
    ),
    "too small an amount": ({}, {"a": {"amount": 0.001}}, "expected at least 2 passages, got 1"),
    "a reranker that is not there": (
        {},
        {"a": {"negatives": "reranked:2"}},
        "overlap: expected a model",
    ),
    "more negatives than there are": (
        {},
        {"a": {"negatives": "negative:9"}},
        "too few, by arm: negative:9 ",
    ),
    "the name of a run": (
        {"compare": "small"},
        {"a": {}},
        "expected no run of the comparison's name",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_makes_no_sense_is_one_line(
    name: str, made: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each wrong file ends with status 2 and a line with what was expected and seen, before anything is trained."""
    changes, arms, words = WRONG[name]
    monkeypatch.chdir(made)
    declared(made, arms, **changes)
    line = refused(["compare.yaml"], monkeypatch, capfd)
    assert re.search(words, line), line
    assert not list(made.rglob("model"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no settings file can be read there"),
        ("arms: [", "expected YAML"),
        ("- a\n- b", "expected a mapping"),
        ("compare: x", "run is missing; arms is missing"),
    ],
)
def test_what_is_no_file_of_arms_is_one_line(
    text: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    """No file, no YAML, no mapping, nothing in it: the line names the file."""
    file = tmp_path / "arms.yaml"
    if text is not None:
        file.write_text(text)
    line = refused([str(file)], monkeypatch, capfd)
    assert words in line
    assert str(file) in line


def test_a_run_that_was_not_checked_for_leaks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Measured on what the run was not checked against: the line has the command for it; allowed, it goes on."""
    folder = world(tmp_path)
    monkeypatch.chdir(folder)
    qrels = folder / "people" / "qrels"
    (qrels / "test.tsv").write_bytes((qrels / "dev.tsv").read_bytes())
    evaluated = {"collections": ["people"], "split": "test"}
    declared(folder, {"none": ARMS["none"]}, evaluate=evaluated)
    line = refused(["compare.yaml"], monkeypatch, capfd)
    assert "checked for leaks from people/test, but they were checked against people/dev" in line
    assert "--set 'verify.leaks.collections=[people:test]'" in line
    settings = {"train": {"allow_leaks": True, "epochs": 0.1}}
    declared(folder, {"none": ARMS["none"]}, evaluate=evaluated, settings=settings, seeds=[1])
    monkeypatch.setattr(sys, "argv", ["synthneg", "compare"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert "people · test" in capfd.readouterr().out


def test_runs_that_cannot_be_compared_are_one_line(
    made: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run without measures, one named twice, none of that name, and options of the other form: one line each."""
    monkeypatch.chdir(made)
    for arguments, words in (
        (["small", "other"], "there is no run of that name"),
        (["small", "small"], "named twice"),
        (["a", "b", "--set", "seeds=[1]"], "--set changes a file of arms"),
        (["compare.yaml", "--to", "x"], "--to goes with runs"),
    ):
        assert words in refused(arguments, monkeypatch, capfd)
    again = made / "outputs" / "again"
    again.mkdir(exist_ok=True)
    values = yaml.safe_load((made / "outputs" / "small" / "run.yaml").read_text())
    (again / "run.yaml").write_text(yaml.safe_dump(values | {"run": "again"}))
    assert "expected a run that was measured" in refused(["small", "again"], monkeypatch, capfd)
