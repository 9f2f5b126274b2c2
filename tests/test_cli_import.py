"""`synthneg import`, and all that a run which was imported goes through: verified, exported, trained, measured."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from world import TOPICS, passages

from synthneg.cli import main
from synthneg.run.books import read_books
from synthneg.settings import load

# Under these a model of random weights lets nearly everything pass.
LOOSE = {
    "verify.queries.round_trip_k": 40,
    "verify.queries.near_duplicate": 1.0,
    "verify.duplicates.query_cosine": "null",
    "verify.leaks.query_cosine": "null",
    "verify.documents.max_negative_share": 2.0,
    "verify.documents.min_negative_margin": 0.0,
    "verify.documents.max_similarity_to_positive": 1.0,
    "train.batch_size": 8,
    "train.max_length": 32,
    "evaluate.resamples": 200,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder in which commands are given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def synthneg(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    """Run the command line in this process; return its exit status and all that it wrote."""
    monkeypatch.setattr(sys, "argv", ["synthneg", *arguments])
    try:
        main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    else:
        status = 0
    written = capsys.readouterr()
    return status, written.out + written.err


def rows() -> list[dict[str, Any]]:
    """Return a row of Tevatron's for each topic: its first passage answers, that of the next topic does not."""
    texts = {p["_id"]: p for p in passages()}

    def passage(topic: str) -> dict[str, str]:
        row = texts[f"{topic}-1"]
        return {"docid": row["_id"], "title": row["title"], "text": row["text"]}

    return [
        {
            "query_id": f"q {topic}",
            "query": f"what is old about the {topic}",
            "positive_passages": [passage(topic)],
            "negative_passages": [passage(TOPICS[(place + 1) % len(TOPICS)])],
        }
        for place, topic in enumerate(TOPICS)
    ]


def write(file: Path, found: list[dict[str, Any]]) -> None:
    """Write rows as lines of JSON."""
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in found))


def test_an_import_says_what_came_in_and_what_is_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The format is told, the books are shown, and the run's settings ask for nothing and mine nothing."""
    write(folder / "rows.jsonl", rows())

    status, said = synthneg(monkeypatch, capsys, "import", "rows.jsonl", "--run", "mine")

    assert status == 0, said
    assert re.search(r"generate\.documents +40 +40 +none", said)
    assert re.search(r"verify\.documents +40 +40 +kept, but unverified 40", said)
    assert "Next: `synthneg verify outputs/mine`" in said
    config = load(folder / "outputs" / "mine" / "run.yaml")
    assert config.corpus.path == "tevatron:rows.jsonl"
    assert config.mine.counts == {}
    assert config.generate.negatives.prompts == ()


def test_an_import_spoils_no_other_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that is taken by a run of other documents is refused, and its settings stay as they are."""
    write(folder / "rows.jsonl", rows())
    taken = folder / "outputs" / "mine" / "run.yaml"
    taken.parent.mkdir(parents=True)
    taken.write_text(yaml.safe_dump({"run": "mine", "corpus": {"path": "docs"}}))
    before = taken.read_bytes()

    status, said = synthneg(monkeypatch, capsys, "import", "rows.jsonl", "--run", "mine")

    assert status == 2
    assert "made of docs; name another with --run" in said
    assert taken.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rows.jsonl", "--format", "frog"), "--format frog: expected one of pair, triplet"),
        (("nowhere.jsonl",), "found nothing there"),
        (("odd.jsonl",), "odd.jsonl, line 1: expected the columns of a known format, found 'a'"),
        (("none.jsonl",), "none.jsonl: expected rows, found none"),
        (("lost.jsonl",), "generate.queries kept none of 1 queries (no_positive 1)"),
        (("rows.jsonl", "--set", "corpus.limit=3"), "choose passages that get queries"),
        (("rows.jsonl", "--set", "llm.budget.requests=3"), "is taken whole; leave it out"),
    ],
)
def test_what_cannot_be_imported_is_one_line(
    arguments: tuple[str, ...],
    said: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each mistake ends with status 2 and a line that says what was expected and seen."""
    write(folder / "rows.jsonl", rows())
    write(folder / "odd.jsonl", [{"a": 1, "b": 2}])
    write(folder / "none.jsonl", [])
    write(folder / "lost.jsonl", [{"query": "a", "pos": [], "neg": ["b"]}])

    status, written = synthneg(monkeypatch, capsys, "import", *arguments, "--run", "x")

    assert status == 2
    (error,) = [line for line in written.splitlines() if line.startswith("synthneg: ")]
    assert said in error


def test_what_asks_about_documents_says_that_a_dataset_has_its_queries(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan and a further round need passages of which more can be asked; the error names the remedy."""
    write(folder / "rows.jsonl", rows())
    synthneg(monkeypatch, capsys, "import", "rows.jsonl", "--run", "mine")
    for command in (("plan", "mine"), ("run", "mine", "--round", "2")):
        status, said = synthneg(monkeypatch, capsys, *command)
        assert status == 2, said
        assert "dataset with queries of its own" in said
        assert "name its documents alone as corpus.path" in said


@pytest.mark.slow
def test_an_imported_run_goes_all_the_way(
    folder: Path, tiny: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verified, exported in another format, trained and measured: books balance, scores appear, documents stand."""
    write(folder / "data" / "train.jsonl", rows()[4:])
    write(folder / "data" / "validation.jsonl", rows()[:4])
    given = LOOSE | {"verify.encoder": tiny, "train.base_model": tiny}
    changes = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
    status, said = synthneg(monkeypatch, capsys, "import", "data", "--run", "mine", *changes)
    assert status == 0, said
    run = folder / "outputs" / "mine"
    documents = (run / "documents.jsonl").read_bytes()

    status, said = synthneg(monkeypatch, capsys, "verify", "mine")
    assert status == 0, said
    books = read_books(run)
    assert "unverified" not in json.dumps(books)
    assert books["verify.queries"]["in"] == len(TOPICS)
    assert books["verify.documents"]["in"] == 2 * len(TOPICS)
    assert (run / "documents.jsonl").read_bytes() == documents
    (first, *_) = map(json.loads, (run / "examples.jsonl").read_text().splitlines())
    assert "cosine" in first["documents"][0]["scores"]

    status, said = synthneg(monkeypatch, capsys, "run", "mine")
    assert status == 0, said
    assert (run / "documents.jsonl").read_bytes() == documents
    assert "held-out" in said
    assert (run / "run.json").exists()

    model = (run / "model" / "model.safetensors").stat().st_mtime_ns
    status, said = synthneg(monkeypatch, capsys, "export", "mine", "--shape", "flagembedding")
    assert status == 0, said
    assert (run / "dataset" / "flagembedding" / "train.jsonl").exists()
    assert (run / "dataset" / "triplet" / "train.parquet").exists()
    assert list((run / "evaluation").iterdir())
    status, said = synthneg(monkeypatch, capsys, "run", "mine")
    assert status == 0, said
    assert (run / "model" / "model.safetensors").stat().st_mtime_ns == model
