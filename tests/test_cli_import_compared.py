"""What is made of an imported run afterwards: its arms are compared, and the doctor examines its training."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from comparing import PASSAGES, WORDS, collection
from tiny_model import save_static_model

from synthneg.cli import main
from synthneg.run.books import read_books

pytestmark = pytest.mark.slow

LOOSE = {  # a table of random vectors lets nearly everything pass
    "verify.queries.round_trip_k": PASSAGES,
    "verify.queries.near_duplicate": 1.0,
    "verify.duplicates.query_cosine": "null",
    "verify.leaks.query_cosine": "null",
    "verify.leaks.collections": "[people:dev]",
    "mine.positive_aware": "false",
    "train.learning_rate": 0.2,
    "train.epochs": 2,
    "train.batch_size": 16,
    "evaluate.collections": "[people]",
    "evaluate.split": "dev",
    "evaluate.resamples": 200,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run that was imported from a labelled collection and verified."""
    made = tmp_path_factory.mktemp("imported")
    save_static_model(made / "table", WORDS)
    collection(made / "labels", "train")
    collection(made / "people", "dev")
    models = {"verify.encoder": "table", "train.base_model": "table"}
    given = (LOOSE | models).items()
    changes = [word for key, value in given for word in ("--set", f"{key}={value}")]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        synthneg(patch, "import", "labels", "--run", "mine", *changes)
        synthneg(patch, "verify", "mine")
    return made


def synthneg(patch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run the command line in this process, and check that it ends well."""
    patch.setattr(sys, "argv", ["synthneg", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)


@pytest.fixture
def _here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.mark.usefixtures("_here")
def test_arms_of_an_imported_run_are_compared(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over its labelled queries arms without and with mined negatives are trained, measured and told apart."""
    kept = read_books(folder / "outputs" / "mine")["verify.queries"]["kept"]
    plan = {
        "compare": "labelled",
        "run": "mine",
        "seeds": [1],
        "evaluate": {"collections": ["people:dev"], "measures": ["nDCG@10"], "resamples": 200},
        "arms": {"none": {"negatives": "none"}, "bm25": {"negatives": "bm25:2"}},
    }
    (folder / "compare.yaml").write_text(yaml.safe_dump(plan))

    synthneg(monkeypatch, "compare", "compare.yaml")

    said = capsys.readouterr().out
    assert kept > PASSAGES / 2
    assert f"{kept} of {kept} queries in every arm; 0 left out" in said
    facts = json.loads((folder / "outputs" / "labelled" / "compare.json").read_text())
    (found,) = facts["collections"]
    assert set(found["rows"]) == {"(base)", "(BM25)", "none", "bm25"}
    pairs = {frozenset((d["a"], d["b"])) for d in found["differences"]}
    assert {frozenset(("none", "(base)")), frozenset(("bm25", "none"))} <= pairs


@pytest.mark.usefixtures("_here")
def test_the_doctor_examines_an_imported_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained on labels alone it hears that no query had a negative of its own, with the remedy; the rest is judged."""
    synthneg(monkeypatch, "train", "mine")
    synthneg(monkeypatch, "evaluate", "mine")
    kept = read_books(folder / "outputs" / "mine")["verify.queries"]["kept"]
    capsys.readouterr()

    synthneg(monkeypatch, "doctor", "mine", "--json")

    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["findings"]}
    borrowed = found["borrowed negatives"]
    assert borrowed["word"] == "bad"
    assert f"none of {kept} queries has a negative" in borrowed["seen"]
    assert "mine.bm25" in borrowed["remedy"]
    assert found["positives"]["word"] == "well"
    assert found["overlap"]["word"] == "well"
    assert found["false negatives"]["word"] == "well"
