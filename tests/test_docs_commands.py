"""Every command that the documents tell a reader to type: it runs as it stands there, or it is at least one."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from doc_pages import ROOT, blocks, pages, refusal
from furniture import Desk, copied, environment, furnished

from synthneg.compare.plan import read_file
from synthneg.settings import resolve

PAGES = pages()
NEEDS = {"gpu", "key", "network", "cluster"}


def name_of(page: Path) -> str:
    """Return a page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Give what a reader has at hand."""
    with furnished(tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_of_a_page_run(page: Path, desk: Desk, tmp_path: Path) -> None:
    """Typed one after the other, with its files saved under their names, each command of a page ends well."""
    own, variables = copied(desk, tmp_path / "page"), environment()
    if any("synthneg init" in line for block in blocks(page) for line in block.commands):
        (own.folder / "synthneg.yaml").unlink()
    for block in blocks(page):
        if block.file:
            own.save(block)
        if not block.needs:
            for line in block.commands:
                own.type(line, variables)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_of_a_page_parse(page: Path) -> None:
    """Each `synthneg` line names commands, options and settings of the program, also where it cannot run here."""
    lines = [line for block in blocks(page) for line in block.commands]

    assert [why for line in lines if (why := refusal(line))] == []
    assert {block.needs for block in blocks(page)} - {""} <= NEEDS


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=name_of)
def test_settings_of_a_page_are_settings(page: Path, tmp_path: Path) -> None:
    """Each YAML block of a page is a settings file, a part of one, or a file of arms."""
    for block in blocks(page):
        if block.language == "yaml":
            values = yaml.safe_load(block.text)
            if "compare" in values:
                (tmp_path / "compare.yaml").write_text(block.text)
                assert read_file(tmp_path / "compare.yaml", ()).arms
            else:
                whole = {"run": "page", "corpus": {"path": "documents"}} | values
                assert resolve(whole, page.name).run


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_extras_of_a_page_are_extras(page: Path) -> None:
    """Each extra in a `pip install` line is one of the package's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"pip install '(?:synthneg|\.)\[([\w,]+)\]'", page.read_text("utf-8"))

    assert {extra for extras in named for extra in extras.split(",")} <= set(
        project["optional-dependencies"]
    )


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("synthneg runn synthneg.yaml", "no command of the program"),
        ("synthneg run synthneg.yaml --untill train", "No such option"),
        ("synthneg run synthneg.yaml --set llm.concurency=4", "did you mean concurrency?"),
        ("synthneg prompts try", "Missing parameter"),
        ("synthneg run synthneg.yaml --until train", ""),
        ("ollama pull qwen2.5:7b", ""),
    ],
)
def test_what_is_no_command_is_found(line: str, why: str) -> None:
    """A misspelt command, option or setting, and a missing argument, are told; other programs' lines are left alone."""
    assert why in refusal(line)
    assert bool(refusal(line)) == bool(why)


def test_pages_of_all_kinds_are_read() -> None:
    """The pages that are parsed and run are those of the README, the tutorial and each how-to."""
    assert {"README.md", "docs/tutorial.md", "prompts/README.md"} <= set(map(name_of, PAGES))
    assert {*ROOT.glob("docs/how-to/*.md")} <= set(PAGES)
