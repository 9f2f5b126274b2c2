"""`synthneg doctor`: faults that were planted into runs with a real model, and a healthy run."""

import json
import shutil
from pathlib import Path

import pytest
from ailments import AILMENTS
from sick_runs import (
    Plan,
    carry_out,
    material_of_docstrings,
    plan_of,
    save_first_layers,
)
from tiny_model import save_static_model

from synthneg.cli import main
from synthneg.doctor.examine import Report, examine
from synthneg.doctor.finding import Diagnosis
from synthneg.doctor.lines import lines
from synthneg.doctor.patient import Patient
from synthneg.settings import load

pytestmark = pytest.mark.slow

DIAGNOSES = 13
# Of each way in which a training fails one or two: how texts are read, what is measured on, how it learns.
# `make trials-doctor` plants all of them.
IN_THE_SUITE = ("another prefix", "truncation", "trained on the test", "rate too high")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the model and of the vectors that all runs share."""
    folder = tmp_path_factory.mktemp("doctor")
    save_first_layers(folder / "minilm", "all-MiniLM-L6-v2", 2)
    return folder


@pytest.fixture(scope="module")
def plan(shared: Path) -> Plan:
    """Return the plan of a healthy run on docstrings."""
    material = material_of_docstrings(("numpy", "sklearn"), 300)
    learn = {"max_length": 64, "epochs": 2, "learning_rate": 5e-5, "batch_size": 8}
    return plan_of(material, str(shared / "minilm"), shared / "vectors", 7, 64, **learn)


@pytest.fixture(scope="module")
def healthy(plan: Plan, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run without a planted fault, trained and measured."""
    return carry_out(plan, tmp_path_factory.mktemp("healthy"), shared / "vectors")


def examined(run: Path) -> Report:
    """Return what the doctor says of a run."""
    return examine(Patient(run, load(run / "run.yaml")))


def told(report: Report) -> dict[str, str]:
    """Return the word of each diagnosis."""
    return {finding.name: finding.word for finding in report.findings}


@pytest.mark.parametrize("name", IN_THE_SUITE)
def test_a_planted_fault_is_named(name: str, plan: Plan, shared: Path, tmp_path: Path):
    """The doctor has the word that a planted fault deserves, with a number, a reason and a remedy."""
    change, wanted, word = AILMENTS[name]
    report = examined(carry_out(change(plan, tmp_path), tmp_path, shared / "vectors"))

    assert told(report).get(wanted) == word, "\n".join(line for line, _ in lines(report))
    finding = next(f for f in report.findings if f.name == wanted)
    assert finding.value is not None
    assert any(letter.isdigit() for letter in finding.seen)
    assert finding.why
    assert finding.remedy
    assert len(report.findings) == DIAGNOSES


def test_a_healthy_run_has_nothing_bad(healthy: Path, monkeypatch, capsys):
    """Of a run without a planted fault nothing is called bad, and the command says so, as text and as JSON."""
    before = {file: file.read_bytes() for file in healthy.rglob("*") if file.is_file()}

    assert "bad" not in told(examined(healthy)).values()
    monkeypatch.setattr("sys.argv", ["synthneg", "doctor", str(healthy), "--json"])
    main_ends_well()
    found = json.loads(capsys.readouterr().out)
    assert {"run", "compared", "findings"} <= found.keys()
    assert found["compared"][0]["verdict"] in ("better", "worse", "not distinguishable")
    assert [f["word"] for f in found["findings"] if f["word"] == "bad"] == []
    monkeypatch.setattr(
        "sys.argv", ["synthneg", "doctor", healthy.name, "--outputs", str(healthy.parent)]
    )
    main_ends_well()
    said = capsys.readouterr().out
    assert "bad" not in said
    assert max(map(len, said.splitlines())) <= 100
    after = {
        f: f.read_bytes() for f in healthy.rglob("*") if f.is_file() and "vectors" not in f.parts
    }
    assert after == {f: b for f, b in before.items() if "vectors" not in f.parts}


def main_ends_well() -> None:
    """Run the command line; exit status 0, or none, is well."""
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def test_a_table_that_does_not_move_is_told(plan: Plan, shared: Path, tmp_path: Path):
    """A static table of word vectors trained at a transformer's rate has not moved; the remedy is about 0.2."""
    words = [word for text in plan.passages.values() for word in text.split()]
    base = save_static_model(tmp_path / "table", words)
    run = carry_out(plan.with_train(base_model=str(base)), tmp_path / "run", shared / "vectors")
    report = examined(run)

    assert told(report)["no movement"] == "bad"
    assert "0.2" in next(f.remedy for f in report.findings if f.name == "no movement")
    assert told(report)["truncation"] == "well"


def test_what_cannot_be_measured_is_said(healthy: Path, tmp_path: Path):
    """Without a model, measures and evaluation sets those diagnoses are not known, and the others are as they were."""
    run = tmp_path / healthy.name
    shutil.copytree(healthy, run)
    whole = told(examined(healthy))
    (run / "model").rename(run / "gone")
    (run / "leaks.json").unlink()
    (run / "train_log.jsonl").unlink()
    (run / "evaluation" / "people.json").unlink()
    found = told(examined(run))

    unknown = {name for name, word in found.items() if word == "not known"}
    assert unknown == {"forgetting", "overlap", "loss curve", "visible difference"}
    assert {n: w for n, w in found.items() if n not in unknown} == {
        n: w for n, w in whole.items() if n not in unknown
    }


@pytest.mark.parametrize(
    ("value", "most", "word"),
    [
        (0.0, "bad", "well"),
        (0.1, "bad", "suspect"),
        (0.2, "bad", "bad"),
        (0.2, "suspect", "suspect"),
    ],
)
def test_words_go_by_bounds(value: float, most: str, word: str):
    """A value below the first bound is well, below the second suspect, and from there bad unless less may be said."""
    found = Diagnosis("d", "why", "do", suspect=0.1, bad=0.2).of(value, "seen", most=most)

    assert (found.word, found.value, found.remedy) == (word, value, "do")
