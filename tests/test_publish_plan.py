"""What publishing would send, shown without a network."""

import dataclasses
import socket
from pathlib import Path

import pytest

from synthneg.config import RunConfig
from synthneg.errors import RunError, SettingsError
from synthneg.publish import describe, plan
from synthneg.settings import resolve

CARD = "---\nlicense: cc-by-4.0\n---\n# Tea, 2 queries\n"


def settings(repo: str | None = "ann/tea", path: str = "docs/", **publish: object) -> RunConfig:
    values = {"run": "tea-run", "corpus": {"path": path}, "publish": {"repo": repo, **publish}}
    return resolve(values, "test")


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with an exported dataset, made by hand; the environment holds no key, and no socket opens."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def closed(*_: object) -> None:
        raise AssertionError("a plan reaches for the network")

    monkeypatch.setattr(socket.socket, "connect", closed)
    dataset = tmp_path / "tea-run" / "dataset"
    for name, data in {
        "README.md": CARD.encode(),
        "triplet/train.parquet": b"PAR1" + bytes(1500),
        "beir/corpus.jsonl": b'{"_id":"p1","text":"tea"}\n',
        "beir/qrels/train.tsv": b"query-id\tcorpus-id\tscore\nq1\tp1\t3\n",
    }.items():
        (dataset / name).parent.mkdir(parents=True, exist_ok=True)
        (dataset / name).write_bytes(data)
    return dataset.parent


def test_plan_lists_every_exported_file(run_folder: Path) -> None:
    """A plan holds each file with its size in bytes, the card's text, and a message that names the run."""
    planned = plan(run_folder, settings())
    assert {tuple(file) for file in planned.files} == {
        ("README.md", len(CARD)),
        ("beir/corpus.jsonl", 26),
        ("beir/qrels/train.tsv", 33),
        ("triplet/train.parquet", 1504),
    }
    assert (planned.repo, planned.private, planned.card) == ("ann/tea", True, CARD)
    assert "tea-run" in planned.message
    with pytest.raises(dataclasses.FrozenInstanceError):
        planned.repo = "bob/tea"  # type: ignore[misc]


def test_plan_leaves_out_hidden_and_unfinished_files(run_folder: Path) -> None:
    """Neither a hidden file or folder nor the `.part` of a killed export is planned."""
    for name in (".DS_Store", ".cache/x.json", "triplet/train.parquet.part"):
        (run_folder / "dataset" / name).parent.mkdir(exist_ok=True)
        (run_folder / "dataset" / name).write_bytes(b"x")
    assert len(plan(run_folder, settings()).files) == 4


def test_description_shows_all_that_would_be_sent(run_folder: Path) -> None:
    """The description names repository, visibility, each size, the total and the card, and ends with --yes."""
    lines = describe(plan(run_folder, settings())).splitlines()
    assert "dataset ann/tea (private)" in lines[0]
    assert [" ".join(line.split()) for line in lines[1:6]] == [
        f"README.md {len(CARD)} B",
        "beir/corpus.jsonl 26 B",
        "beir/qrels/train.tsv 33 B",
        "triplet/train.parquet 1.5 kB",
        "4 files 1.6 kB",
    ]
    assert "\n".join(CARD.splitlines()) in "\n".join(lines)
    assert "Nothing has been sent" in lines[-1]
    assert "--yes" in lines[-1]


def test_description_says_public(run_folder: Path) -> None:
    """With publish.private=false the description says public, and does not say private."""
    first = describe(plan(run_folder, settings(private=False))).splitlines()[0]
    assert "(public)" in first
    assert "private" not in first


@pytest.mark.parametrize("missing", ["dataset", "dataset/README.md"])
def test_run_without_a_dataset_is_an_error(run_folder: Path, missing: str) -> None:
    """A run that was not exported is one line that names `synthneg export`."""
    (run_folder / missing).rename(run_folder / "elsewhere")
    with pytest.raises(RunError, match="run `synthneg export`") as caught:
        plan(run_folder, settings())
    assert "\n" not in str(caught.value)


def test_dataset_older_than_the_records_is_an_error(run_folder: Path) -> None:
    """Where an earlier stage was run again since the export, the old dataset is not published."""
    (run_folder / "books.json").write_text('{"corpus": {}, "export": {}}')
    assert plan(run_folder, settings())
    (run_folder / "books.json").write_text('{"corpus": {}}')
    with pytest.raises(RunError, match="found an older one; run `synthneg export`"):
        plan(run_folder, settings())


def test_unset_repository_is_an_error(run_folder: Path) -> None:
    """Without publish.repo the error shows how to set it."""
    with pytest.raises(SettingsError, match=r"--set publish\.repo=name/dataset"):
        plan(run_folder, settings(repo=None))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "tea",
        "ann/",
        "/tea",
        "ann/tea/x",
        "ann/te a",
        "ann/-tea",
        "a--b/tea",
        "ann/té",
        "ann/t.git",
    ],
)
def test_impossible_repository_names_are_errors(run_folder: Path, name: str) -> None:
    """A name that no repository can have is refused in one line that begins with the setting."""
    with pytest.raises(SettingsError, match=r"^publish\.repo: ") as caught:
        plan(run_folder, settings(repo=name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variable", ["HF_TOKEN", "OPENAI_API_KEY"])
@pytest.mark.parametrize("name", ["README.md", "beir/corpus.jsonl", "triplet/train.parquet"])
def test_key_of_the_environment_is_refused(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    """A file that holds the value of a key's variable is refused by its name, without showing the value."""
    secret = "sk-4f9a0b71c2"
    monkeypatch.setenv(variable, secret)
    with (run_folder / "dataset" / name).open("ab") as stream:
        stream.write(f"asked with {secret}.".encode())
    with pytest.raises(RunError) as caught:
        plan(run_folder, settings())
    assert name in str(caught.value)
    assert variable in str(caught.value)
    assert secret not in str(caught.value)


def test_key_across_two_reads_is_found(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is found wherever it lies, also where one read of the file ends in the middle of it."""
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    monkeypatch.setattr("synthneg.publish._READ_BYTES", 16)
    for before in range(40):
        (run_folder / "dataset/beir/corpus.jsonl").write_bytes(bytes(before) + b"hf_abcdefgh")
        with pytest.raises(RunError, match="HF_TOKEN"):
            plan(run_folder, settings())


def test_placeholder_key_is_not_searched(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A placeholder such as EMPTY, given to servers without keys, does not stop a dataset that has the word."""
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    (run_folder / "dataset/beir/corpus.jsonl").write_text("EMPTY")
    assert plan(run_folder, settings())


def test_paths_of_the_machine_are_refused_in_the_card(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card may hold neither home, nor the run's folder, nor an absolute path of the settings; a passage may."""
    monkeypatch.setenv("HOME", "/home/ann")
    config = settings(path="/data/private/docs")
    for path in ("/home/ann/x", str(run_folder), "/data/private/docs"):
        (run_folder / "dataset/beir/corpus.jsonl").write_text(path)
        (run_folder / "dataset/README.md").write_text(CARD)
        assert plan(run_folder, config)
        (run_folder / "dataset/README.md").write_text(f"{CARD}made from {path}\n")
        with pytest.raises(RunError, match=r"README\.md: holds the path /"):
            plan(run_folder, config)
