"""`synthneg init --from`: the settings and prompts behind a dataset, with which anyone makes it again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hub
import pytest
import yaml
from examples import example, run_of
from hub_repo import Repo
from world import RUN, answered, snapshot

from synthneg.dataset.export import export
from synthneg.errors import PromptError, SettingsError
from synthneg.prompts.shelf import find, load
from synthneg.publish.fetch import write_again
from synthneg.settings import load as load_settings

if TYPE_CHECKING:
    from world import World

CODE = "import sys; from synthneg.cli import main; sys.argv[0] = 'synthneg'; main()"
FILLED = {
    "corpus.path": "corpus.jsonl",
    "verify.encoder": "tiny",
    "train.base_model": "tiny",
    "evaluate.collections": "[people]",
}
MADE = ("queries.jsonl", "documents.jsonl", "examples.jsonl", "rejects.jsonl", "scores.jsonl")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset that was exported on this machine."""
    outputs = tmp_path_factory.mktemp("outputs")
    run = run_of([example("tea"), example("bread")], outputs, corpus={"path": "/data/ada/docs"})
    export(run)
    run.close()
    return run.file("dataset")


def at_hub(
    folder: Path, server: hub.Hub, *arguments: str, status: int = 0
) -> "subprocess.CompletedProcess[str]":
    """Run `synthneg` in `folder`, in a process of its own that knows the Hub and its token."""
    hidden = ("HF_", "HUGGING")
    given = {"HF_ENDPOINT": server.url, "HF_TOKEN": hub.TOKEN, "HF_HOME": str(folder / "hf-home")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith(hidden)} | given,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


@pytest.mark.slow
@pytest.mark.timeout(900)  # five processes, one after the other
def test_a_published_dataset_is_made_again_to_the_byte(world: "World") -> None:
    """With its ledger and what is to be filled in, the settings from the Hub give the same files, and nothing is asked.

    One prompt is the user's own, and its file is gone since the run.
    """
    own = world.folder / "own" / "odd.j2"
    own.parent.mkdir()
    own.write_bytes(find("query/claim").read_bytes() + b"\n")
    prompts = "generate.queries.prompts=[query/question, own/odd.j2]"
    world.synthneg("run", "--until", "export", "--outputs", "first", "--set", prompts)
    first = world.run_folder("first")
    own.unlink()

    with hub.running() as server:
        named = ("--set", "publish.repo=ann/whole")
        at_hub(world.folder, server, "publish", f"first/{RUN}", "--yes", *named)
        said = at_hub(world.folder, server, "init", "again", "--from", "ann/whole").stdout
        again = world.folder / "again"
        received = server.repos["ann/whole"].files
    assert f"again/synthneg.yaml is written, with {len(list(again.rglob('*.j2')))} prompts" in said
    assert [line.split(":")[0].strip() for line in said.splitlines()[2:-1]] == list(FILLED)
    assert (again / "prompts/query/odd.j2").read_bytes() == received["prompts/query/odd.j2"]

    second = world.run_folder("second")
    second.mkdir(parents=True)
    shutil.copy(first / "ledger.sqlite", second / "ledger.sqlite")
    known, before = answered(first), len(world.asked())
    changes = [word for key, value in FILLED.items() for word in ("--set", f"{key}={value}")]
    run = ("run", "again/synthneg.yaml", "--until", "export", "--outputs", "second")
    world.synthneg(*run, *changes)
    assert not known & set(world.asked()[before:])
    made, made_again = snapshot(first), snapshot(second)
    of_dataset = {name for name in made if name.startswith("dataset/")}
    assert len(of_dataset) > 15
    for name in (*MADE, *of_dataset):
        assert made_again[name] == made[name], name


def test_settings_of_a_folder_are_written(dataset: Path, tmp_path: Path) -> None:
    """From a dataset on disk come its settings, what is to be filled in, and its prompts, each under its own tag."""
    written = write_again(str(dataset), tmp_path / "again")
    assert written.file == tmp_path / "again" / "synthneg.yaml"
    assert [key for key, _ in written.left] == ["corpus.path"]
    config = load_settings(written.file, ["corpus.path=docs"])
    assert config.run == "small"
    for name in (*config.generate.queries.prompts, *config.generate.negatives.prompts):
        assert Path(name).is_relative_to(tmp_path / "again" / "prompts")
        assert load(name).tag == load(load(name).name).tag
    with pytest.raises(SettingsError, match="still to be filled in: corpus.path"):
        load_settings(written.file)


def test_nothing_is_overwritten(dataset: Path, tmp_path: Path) -> None:
    """Where one of the files is there, none is written, and the error names it."""
    (tmp_path / "prompts" / "query").mkdir(parents=True)
    taken = tmp_path / "prompts" / "query" / "claim.j2"
    taken.write_text("mine")
    with pytest.raises(SettingsError, match=r"claim.j2 exists already; name another folder"):
        write_again(str(dataset), tmp_path)
    assert taken.read_text() == "mine"
    assert not (tmp_path / "synthneg.yaml").exists()


def changed(dataset: Path, to: Path, **sections: object) -> Path:
    """Copy a dataset and change its settings, as somebody else might."""
    shutil.copytree(dataset, to)
    file = to / "synthneg.yaml"
    values = yaml.safe_load(file.read_text())
    for name, section in sections.items():
        values[name] = values.get(name, {}) | section
    file.write_text(yaml.safe_dump(values))
    return to


def test_settings_of_a_stranger_reach_no_server_and_run_no_code(
    dataset: Path, tmp_path: Path
) -> None:
    """A foreign address, paths and permission to run a model's code are not taken over, whatever a dataset says."""
    source = changed(
        dataset,
        tmp_path / "theirs",
        llm={
            "backend": "openai",
            "base_url": "https://evil.example/v1",
            "engine": {"trust_remote_code": True, "download_dir": "/etc"},
        },
        corpus={"path": "/etc/passwd"},
        evaluate={"collections": ["/home/me/secret"]},
    )
    written = write_again(str(source), tmp_path / "again")
    text = written.file.read_text()
    for word in ("evil", "/etc", "trust_remote_code", "/home/me"):
        assert word not in text
    assert {"llm.base_url", "corpus.path", "evaluate.collections"} <= {k for k, _ in written.left}


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd.j2",
        "../../my.j2",
        "prompts/../../my.j2",
        "prompts/query/../../my.j2",
        "~/my.j2",
        "prompts/query/.j2",
        "my.j2",
    ],
)
def test_prompts_outside_the_dataset_are_refused(dataset: Path, tmp_path: Path, name: str) -> None:
    """A prompt that would be read or written anywhere but below prompts/ is refused, and nothing is written."""
    source = changed(dataset, tmp_path / "theirs", generate={"queries": {"prompts": [name]}})
    with pytest.raises(SettingsError, match=r"expected prompts such as prompts/query/question.j2"):
        write_again(str(source), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_broken_prompt_is_refused(dataset: Path, tmp_path: Path) -> None:
    """A prompt that is no prompt is refused by its file and line, and nothing is written."""
    source = changed(dataset, tmp_path / "theirs")
    (source / "prompts/query/claim.j2").write_text("import os")
    with pytest.raises(PromptError, match=r"claim.j2:1: expected a front matter"):
        write_again(str(source), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_settings_that_this_version_does_not_know_are_refused(
    dataset: Path, tmp_path: Path
) -> None:
    """An unknown setting is named, with the dataset it stands in."""
    source = changed(dataset, tmp_path / "theirs", mine={"telepathy": 3})
    with pytest.raises(
        SettingsError, match=r"theirs/synthneg.yaml: unknown setting mine.telepathy"
    ):
        write_again(str(source), tmp_path / "again")


@pytest.mark.parametrize("gone", ["synthneg.yaml", "prompts/query/claim.j2"])
def test_a_folder_that_lacks_a_file_is_refused(dataset: Path, tmp_path: Path, gone: str) -> None:
    """The error names the file that is missing, and what was expected."""
    source = changed(dataset, tmp_path / "theirs")
    (source / gone).unlink()
    with pytest.raises(SettingsError, match=rf"{gone}: cannot be read .*synthneg has exported"):
        write_again(str(source), tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.slow
def test_what_the_hub_does_not_have_is_one_line(tmp_path: Path) -> None:
    """A dataset that is not there, one that was made otherwise, and a Hub that is away are each one line."""
    with hub.running() as server:
        server.repos["ann/other"] = Repo(private=False, files={"README.md": b"# Tea\n"})
        gone = at_hub(tmp_path, server, "init", "a", "--from", "ann/gone", status=2).stderr
        other = at_hub(tmp_path, server, "init", "a", "--from", "ann/other", status=2).stderr
        named = at_hub(tmp_path, server, "init", "a", "--from", "ann/a/b", status=2).stderr
    away = at_hub(tmp_path, server, "init", "a", "--from", "ann/other", status=2).stderr
    assert "ann/gone: neither a folder here nor a dataset that the Hub shows to you" in gone
    assert "ann/other: has no synthneg.yaml, so it was not published by synthneg" in other
    assert "--from ann/a/b: expected name/dataset on the Hub, or the folder" in named
    assert f"{server.url} cannot be reached" in away
    for said in (gone, other, named, away):
        assert said.startswith("synthneg: ")
        assert said.count("\n") == 1
    assert not (tmp_path / "a").exists()
