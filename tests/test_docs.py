"""What the documents say is true of the program."""

import re
from pathlib import Path

import pytest
import yaml

from synthneg.cli.run import _STAGES
from synthneg.prompts.shelf import load, shipped
from synthneg.run.books import STAGES
from synthneg.settings import resolve

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("prompts/*.md"),
        *ROOT.glob("benchmarks/**/*.md"),
    ]
)
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_settings_in_the_readme_are_settings(block: str) -> None:
    """Every YAML block of the README is a whole settings file."""
    assert resolve(yaml.safe_load(block), "README.md").run


def test_the_readme_shows_each_way_in() -> None:
    """The README has settings for a folder, an API, a local server, vLLM, a file of weights, and a file of queries."""
    assert len(blocks("yaml")) == 6


def test_the_catalogue_lists_the_shipped_prompts() -> None:
    """prompts/README.md has one row for each shipped prompt, with what it is written from, and no other."""
    text = (ROOT / "prompts" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+/[\w-]+)` \| ([\w, ]+) \|", text, re.MULTILINE)
    assert sorted(rows) == [(name, ", ".join(load(name).head.needs)) for name in shipped()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_and_named_files_exist(document: Path) -> None:
    """Relative links, and files named in backticks under docs, tests, benchmarks, prompts or synthneg, are there."""
    text = document.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    named = re.findall(r"`((?:docs|tests|benchmarks|synthneg)/[\w./-]+\.\w+)`", text)

    missing = [x for x in links if not (document.parent / x).exists()]
    missing += [x for x in named if not (ROOT / x).exists()]

    assert missing == []


def test_make_targets_in_the_documents_exist() -> None:
    """Every `make x` that a document names is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    commands = re.findall(r"(?:^|`)make ([a-z ]+?)(?:`|\s+#|$)", text, re.MULTILINE)
    named = {word for command in commands for word in command.split()}

    assert named
    assert named <= targets


def test_the_help_of_run_names_all_stages() -> None:
    """`synthneg run --help` lists the stages of a run, in their order."""
    assert tuple(_STAGES.split(", ")) == STAGES


def test_no_placeholder_is_left() -> None:
    """No document waits for a text that was to be filled in."""
    for document in DOCUMENTS:
        assert not re.search(
            r"\b(?:DEMO_OUTPUT|REAL_RUN|TODO|TBD|XXX)\b", document.read_text(encoding="utf-8")
        )


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/explanation/*.md")), ids=lambda p: p.name)
def test_figures_of_an_explanation_are_measured_ones(page: Path) -> None:
    """Each figure with an interval in an explanation stands, to the digit, where it was measured."""
    sources = [*ROOT.glob("benchmarks/**/*.md"), ROOT / "README.md"]
    measured = " ".join(" ".join(s.read_text(encoding="utf-8") for s in sources).split())
    text = " ".join(page.read_text(encoding="utf-8").split())
    figures = re.findall(r"[+−]?\.\d+ \[[+−]?\.\d+, [+−]?\.\d+\]", text)

    assert [figure for figure in figures if figure not in measured] == []


def test_the_index_names_every_page() -> None:
    """docs/README.md links to each page of the documents, once."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([\w/.-]+\.md)\)", index)
    pages = {p.relative_to(ROOT / "docs").as_posix() for p in ROOT.glob("docs/**/*.md")}

    named = {link for link in linked if not link.startswith("..")}
    assert named == {p for p in pages if not p.startswith("tutorial/") and p != "README.md"}
    assert len(linked) == len(set(linked))
