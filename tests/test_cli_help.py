"""The help of every command, the README's table of commands, and the settings that the program itself writes."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from synthneg.cli import main
from synthneg.cli.app import app
from synthneg.config import RunConfig, Section
from synthneg.evaluate.measure import parse
from synthneg.prompts.shelf import load as load_prompt
from synthneg.settings import load

ROOT = Path(__file__).parent.parent
CLI = ROOT / "synthneg" / "cli"


def commands(of: Any = None, name: str = "synthneg") -> Iterator[tuple[str, Any]]:
    """Yield each command of the program by its full name, such as `synthneg prompts list`."""
    of = of or typer.main.get_command(app)
    below = getattr(of, "commands", None)
    if below is None:
        yield name, of
    for word, command in (below or {}).items():
        yield from commands(command, f"{name} {word}")


COMMANDS = dict(commands())


def synthneg(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_teaches(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--help` says in a sentence what the command does, and in words what each argument and option means."""
    status, said = synthneg([*name.split()[1:], "--help"], monkeypatch, capsys)

    assert status == 0
    assert re.search(r"[A-Z][^.]{20,}\.", " ".join(said.split()))
    for parameter in COMMANDS[name].params:
        assert parameter.help, parameter.name
        assert parameter.help.endswith("."), parameter.help
    assert max(map(len, said.splitlines())) <= 100


def test_help_of_the_program_lists_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`synthneg --help` has a line with words for each command, and says where to begin."""
    _, said = synthneg(["--help"], monkeypatch, capsys)

    listed = re.findall(r"^  ([a-z]+)  +\S", said, re.MULTILINE)
    assert set(listed) == {name.split()[1] for name in COMMANDS}
    assert "synthneg demo" in said


def test_the_readmes_table_is_the_programs() -> None:
    """Each command of the program has a row in the README's table of commands, and each row is a command."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^## Commands\n(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)
    assert section
    rows = re.findall(r"^\| *`(synthneg[a-z ]*?)`[^|]*\| *(\S.*?) *\|$", section[1], re.MULTILINE)

    assert sorted(name for name, _ in rows) == sorted(COMMANDS)


@pytest.mark.parametrize("name", ["settings.yaml", "demo.yaml"])
def test_settings_of_the_program_load(name: str) -> None:
    """The file that `init` writes and the demo's settings are sound as they stand, their prompts and measures too."""
    config = load(CLI / name)

    assert isinstance(config, RunConfig)
    prompts = config.generate
    for prompt in (
        *prompts.queries.prompts,
        *prompts.documents.prompts,
        *prompts.negatives.prompts,
    ):
        assert load_prompt(prompt).name == prompt
    assert parse(config.evaluate.measures)


def test_settings_of_init_are_the_defaults() -> None:
    """What `init` writes down for a person to see says the same as leaving it out, but for what one has to choose."""
    written = load(CLI / "settings.yaml")
    bare = RunConfig.model_validate({"run": written.run, "corpus": {"path": written.corpus.path}})
    chosen = {"corpus.limit", "llm.backend", "llm.base_url"}

    assert set(differences(written, bare)) == chosen


def differences(a: Section, b: Section, name: str = "") -> Iterator[str]:
    """Yield the dotted names of the settings in which two sections differ."""
    for key in type(a).model_fields:
        one, other = getattr(a, key), getattr(b, key)
        if isinstance(one, Section):
            yield from differences(one, other, f"{name}{key}.")
        elif one != other:
            yield f"{name}{key}"


def test_every_commented_setting_of_init_is_one() -> None:
    """A line of the written settings that is only to be uncommented is a setting."""
    text = (CLI / "settings.yaml").read_text(encoding="utf-8")
    uncommented = re.sub(r"^( *)# ([a-z_]+: )", r"\1\2", text, flags=re.MULTILINE)

    assert uncommented != text
    assert RunConfig.model_validate(yaml.safe_load(uncommented)).publish.repo == "name/dataset"


def test_init_writes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`init DIR` makes the folder and its settings file, says what to do next, and never overwrites."""
    folder = tmp_path / "a" / "b"

    status, said = synthneg(["init", str(folder)], monkeypatch, capsys)
    assert status == 0
    assert "corpus.path" in said
    assert f"synthneg run {folder / 'synthneg.yaml'}" in said
    assert load(folder / "synthneg.yaml").run == "my-run"

    (folder / "synthneg.yaml").write_text("mine")
    status, said = synthneg(["init", str(folder)], monkeypatch, capsys)
    assert status == 2
    assert "exists already" in said
    assert (folder / "synthneg.yaml").read_text() == "mine"


def test_prompts_are_listed_and_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`prompts list` gives each shipped prompt with its hash, and `prompts show` its file to the byte."""
    status, listed = synthneg(["prompts", "list"], monkeypatch, capsys)
    names = re.findall(r"^  (\S+)@[0-9a-f]{8}  from ", listed, re.MULTILINE)
    assert status == 0
    assert names == sorted(
        p.relative_to(ROOT / "prompts").with_suffix("").as_posix()
        for p in (ROOT / "prompts").glob("*/*.j2")
    )

    for name in names:
        status, shown = synthneg(["prompts", "show", name], monkeypatch, capsys)
        assert (status, shown) == (0, (ROOT / "prompts" / f"{name}.j2").read_text(encoding="utf-8"))
