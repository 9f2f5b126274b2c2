"""What publishing would send, shown without a network."""

import dataclasses
import shutil
import socket
from pathlib import Path

import published
import pytest

from synthneg.cli.publish import What
from synthneg.config import RunConfig
from synthneg.errors import RunError, SettingsError
from synthneg.publish.plan import WHATS, plan
from synthneg.publish.show import describe
from synthneg.settings import load

REPOS = ("publish.repo=ann/tea", "publish.model_repo=ann/tea-model")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run that is to be copied, not changed."""
    return published.build(tmp_path_factory.mktemp("outputs"))


@pytest.fixture
def run_folder(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the run; no socket opens."""

    def closed(*_: object) -> None:
        raise AssertionError("a plan reaches for the network")

    monkeypatch.setattr(socket.socket, "connect", closed)
    return Path(shutil.copytree(built, tmp_path / "outputs" / published.RUN))


def settings(run_folder: Path, *changes: str) -> RunConfig:
    """Return the run's settings with its repositories named."""
    return load(run_folder / "run.yaml", [*REPOS, *changes])


def test_plan_lists_every_exported_file(run_folder: Path) -> None:
    """A plan of the dataset holds each of its files as it lies on disk, a card anew, and a message with the run."""
    planned = plan(run_folder, settings(run_folder))
    [upload] = planned.uploads
    on_disk = {p.relative_to(upload.folder).as_posix() for p in upload.folder.rglob("*.*")}
    assert {file.path for file in upload.files} == on_disk
    assert all(f.source == upload.folder / f.path for f in upload.files if f.path != "README.md")
    assert (upload.kind, upload.repo, upload.private) == ("dataset", "ann/tea", True)
    assert upload.message == "Dataset of the synthneg run small"
    assert (planned.collection, upload.page) == (None, "datasets/ann/tea")
    with pytest.raises(dataclasses.FrozenInstanceError):
        upload.repo = "bob/tea"  # type: ignore[misc]


def test_both_are_planned_with_a_collection(run_folder: Path) -> None:
    """Dataset and model come in this order, the model's files with it, and the collection is the run's by default."""
    planned = plan(run_folder, settings(run_folder), "both")
    dataset, model = planned.uploads
    assert (model.kind, model.repo, model.page) == ("model", "ann/tea-model", "ann/tea-model")
    assert model.message == "Model of the synthneg run small"
    assert {"README.md", "model.safetensors", "modules.json"} <= {f.path for f in model.files}
    assert planned.collection == "small"
    assert "ann/tea-model" in dataset.card
    assert "ann/tea" in model.card
    named = settings(run_folder, "publish.collection=All of tea")
    assert plan(run_folder, named, "both").collection == "All of tea"


def test_a_model_alone_needs_no_dataset_on_the_hub(run_folder: Path) -> None:
    """Without publish.repo the model's card holds the prompts themselves, and links to no dataset."""
    config = settings(run_folder, "publish.repo=null")
    [upload] = plan(run_folder, config, "model").uploads
    assert "hf.co/datasets" not in upload.card
    assert "=== system" in upload.card


def test_plan_leaves_out_hidden_and_unfinished_files(run_folder: Path) -> None:
    """Neither a hidden file or folder nor the `.part` of a killed export is planned."""
    count = len(plan(run_folder, settings(run_folder)).uploads[0].files)
    for name in (".DS_Store", ".cache/x.json", "triplet/train.parquet.part"):
        (run_folder / "dataset" / name).parent.mkdir(exist_ok=True)
        (run_folder / "dataset" / name).write_bytes(b"x")
    assert len(plan(run_folder, settings(run_folder)).uploads[0].files) == count


def test_description_shows_all_that_would_be_sent(run_folder: Path) -> None:
    """The description names repositories, visibility, each size, the totals, both cards and the collection."""
    planned = plan(run_folder, settings(run_folder, "publish.private=false"), "both")
    shown = describe(planned)
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    for upload in planned.uploads:
        assert f"{upload.kind} {upload.repo} (public)" in shown
        assert upload.card.rstrip() in shown
        assert {file.path for file in upload.files} <= {
            line.split(" ")[0] for line in lines if line
        }
    assert "triplet/part-1.parquet 2.0 MB" in lines
    assert any(line.startswith("24 files 6.1 MB") for line in lines)
    assert "collection 'small'" in shown


def test_the_command_line_offers_what_can_be_planned() -> None:
    """`--what` takes what `plan` knows."""
    assert tuple(what.value for what in What) == WHATS


def test_unexported_run_is_an_error(run_folder: Path) -> None:
    """Without dataset/ the error says to export, in one line."""
    shutil.rmtree(run_folder / "dataset")
    with pytest.raises(RunError, match="found none; run `synthneg export`") as caught:
        plan(run_folder, settings(run_folder))
    assert "\n" not in str(caught.value)


def test_dataset_older_than_the_records_is_an_error(run_folder: Path) -> None:
    """Where an earlier stage was run again since the export, the old dataset is not published."""
    (run_folder / "books.json").write_text('{"corpus": {}}')
    with pytest.raises(RunError, match="found an older one; run `synthneg export`"):
        plan(run_folder, settings(run_folder))


@pytest.mark.parametrize("gone", ["model", "parts/train.done"])
def test_a_model_that_is_not_of_these_examples_is_an_error(run_folder: Path, gone: str) -> None:
    """Where there is no model, or what it was trained on has changed since, the error says to train."""
    target = run_folder / gone
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(RunError, match="found none; run `synthneg train`"):
        plan(run_folder, settings(run_folder), "model")
    assert plan(run_folder, settings(run_folder))


@pytest.mark.parametrize(
    ("setting", "what"), [("publish.repo", "dataset"), ("publish.model_repo", "model")]
)
def test_unset_repository_is_an_error(run_folder: Path, setting: str, what: str) -> None:
    """Without the repository of what is to be sent, the error shows how to set it."""
    with pytest.raises(SettingsError, match=rf"--set {setting}=name/{what}"):
        plan(run_folder, settings(run_folder, f"{setting}=null"), what)


@pytest.mark.parametrize("setting", ["publish.repo", "publish.model_repo"])
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
        "a/t.git",
    ],
)
def test_impossible_repository_names_are_errors(run_folder: Path, setting: str, name: str) -> None:
    """A name that no repository can have is refused in one line that begins with the setting."""
    with pytest.raises(SettingsError, match=rf"^{setting}: ") as caught:
        plan(run_folder, settings(run_folder, f"{setting}='{name}'"), "both")
    assert "\n" not in str(caught.value)
