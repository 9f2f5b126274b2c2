"""The card of a dataset: what it says, that its examples run, and that no text in it is taken for Markdown."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from examples import example, run_of
from markdown_it import MarkdownIt
from markdown_it.token import Token

from synthneg.dataset.card import MOST_BYTES
from synthneg.dataset.export import export
from synthneg.dataset.markdown import code, fenced, plain, table
from synthneg.prompts.shelf import load

HOSTILE = """\
---
makes: query
about: "Ends <details> </details> and a table | of bars"
needs: [passage]
reply: text
sampling: {temperature: 0.5, max_tokens: 40, stop: ["|", "`"]}
---
=== user
````python
{{ passage.text }}
``````
</details>

## Limits

| a | b |
<script>alert(1)</script> <!-- --> ~~~
"""
EXAMPLES = [
    example("tea", 0, negatives=2),
    example("bread", 0, negatives=1),
    example("iron", 0, negatives=1, split="held_out"),
]


def tokens(text: str) -> list[Token]:
    """Return what a reader of Markdown with tables sees, without the metadata."""
    _, _, body = text.partition("\n---\n")
    return MarkdownIt("commonmark").enable("table").parse(body)


def exported(folder: Path, examples: list = EXAMPLES, **sections: object) -> Path:
    """Export a run of the examples and return its dataset."""
    run = run_of(examples, folder, **sections)
    export(run)
    run.close()
    return run.file("dataset")


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Path]:
    """Return a prompt file whose text looks like Markdown and HTML."""
    file = tmp_path / "hostile.j2"
    file.write_text(HOSTILE)
    yield file
    load.cache_clear()


@pytest.mark.slow
def test_the_examples_of_the_card_run(tmp_path: Path) -> None:
    """Every block of Python in a card runs on the dataset that the card is of, and prints what is in it."""
    dataset = exported(tmp_path)
    text = (dataset / "README.md").read_text(encoding="utf-8")
    blocks = [t.content for t in tokens(text) if t.type == "fence" and t.info == "python"]
    assert len(blocks) == 2
    assert all("path/to/dataset" in block for block in blocks)
    script = "\n".join(blocks).replace("path/to/dataset", str(dataset))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "what about tea, asked in way 0?" in first
    assert second.startswith("what about tea, asked in way 0? 3 Green tea is steeped")


def test_a_prompt_stands_in_the_card_as_it_is(tmp_path: Path, hostile: Path) -> None:
    """Fences, HTML and headings within a prompt are its text: it is read back whole, and ends no part of the card."""
    dataset = exported(tmp_path, generate={"queries": {"prompts": [str(hostile)]}})
    found = tokens((dataset / "README.md").read_text(encoding="utf-8"))
    assert HOSTILE in [t.content for t in found if t.type == "fence" and t.info == "jinja"]
    heads = [
        following.content
        for token, following in zip(found, found[1:], strict=False)
        if token.type == "heading_open"
    ]
    assert heads.count("Limits") == 1
    assert heads[-1] == "Limits"
    html = "".join(t.content for t in found if t.type == "html_block")
    assert html.count("<details>") == html.count("</details>") == 3
    assert "script" not in html
    assert (dataset / "prompts" / "query" / "hostile.j2").read_text() == HOSTILE


def test_names_that_others_gave_end_no_cell(tmp_path: Path) -> None:
    """A model that calls itself by bars, marks and HTML, and such a stop sequence, stay within their cells."""
    name, stop = "a|b `c` <b>*d*</b>\nnext", "|`\n"
    origin = replace(EXAMPLES[0].origin, model=name, sampling={"stop": [stop]})
    dataset = exported(tmp_path, [replace(EXAMPLES[0], origin=origin), *EXAMPLES[1:]])
    found = tokens((dataset / "README.md").read_text(encoding="utf-8"))
    cells = [
        "".join(child.content for child in t.children or () if child.type != "softbreak")
        for before, t in zip(found, found[1:], strict=False)
        if before.type == "td_open"
    ]
    assert "a|b `c` <b>*d*</b> next" in cells
    assert '{"stop":["|`\\n"]}' in cells
    assert not [c for t in found for c in t.children or () if c.type == "html_inline"]


def test_a_card_that_would_be_too_long_links_to_its_prompts(tmp_path: Path, hostile: Path) -> None:
    """Prompts that would make a card longer than 60 kB are linked to, each a file of the dataset."""
    hostile.write_text(HOSTILE + "tea and more tea\n" * 5000)
    dataset = exported(tmp_path, generate={"queries": {"prompts": [str(hostile)]}})
    text = (dataset / "README.md").read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    links = [
        str(child.attrs["href"])
        for t in tokens(text)
        for child in t.children or ()
        if child.type == "link_open"
    ]
    assert "prompts/query/hostile.j2" in links
    assert all((dataset / link).is_file() for link in links if "://" not in link)


def test_the_card_tells_how_negatives_were_made_and_checked(tmp_path: Path) -> None:
    """Sources with their counts, witnesses with their bounds, and what becomes of a negative that answers."""
    sections = {
        "mine": {"bm25": 3, "dense": 0, "random": 1, "first_rank": 2, "last_rank": 50},
        "verify": {
            "reranker": "org/reranker",
            "judge": "judge/listwise",
            "documents": {"on_answers": "relabel", "max_answering": 8, "min_negative_margin": 0.07},
        },
    }
    text = (exported(tmp_path, **sections) / "README.md").read_text(encoding="utf-8")
    assert "for each query up to 3 by BM25, 1 by chance; taken from ranks 2 to 50" in text
    assert "and 0.07 below it" in text
    assert "Reranker org/reranker" in text
    assert f"asked by `{load('judge/listwise').tag}`" in text
    assert "given the grade that it deserves" in text
    assert "more than 8 negatives that answer is dropped" in text
    assert "| negative | 1 | 4 | none |" in text


def test_prompts_that_were_edited_since_are_told_as_they_were_asked(
    tmp_path: Path, hostile: Path
) -> None:
    """Where records carry the hash of an earlier text that the run has kept, that text goes with the dataset."""
    sections = {"generate": {"queries": {"prompts": [str(hostile)]}}}
    old = load(str(hostile))
    origin = replace(EXAMPLES[0].origin, prompt=old.tag)
    run = run_of([replace(e, origin=origin) for e in EXAMPLES], tmp_path, **sections)
    kept = run.file("prompts") / f"query.hostile@{old.tag.partition('@')[2]}.j2"
    kept.parent.mkdir()
    kept.write_text(HOSTILE)
    hostile.write_text(HOSTILE + "More of it.\n")
    load.cache_clear()
    export(run)
    run.close()
    assert (run.file("dataset") / "prompts/query/hostile.j2").read_text() == HOSTILE
    assert f"<code>{old.tag}</code>" in (run.file("dataset") / "README.md").read_text()


@pytest.mark.parametrize("text", ["", "a", "`", "a``b", "``` x", "|", "`|`", "\\|", "a\\"])
def test_code_is_read_back_from_a_cell(text: str) -> None:
    """Whatever backticks and bars a text holds, as code in a cell it is one cell, and reads as it was."""
    found = tokens("---\n---\n" + table(["x", "y"], [(f"a {code(text)}", "z")])) if text else []
    cells = [
        t.children or [] for b, t in zip(found, found[1:], strict=False) if b.type == "td_open"
    ]
    assert not text or [child.content for child in cells[0]][-1] == text
    assert len(cells) == (2 if text else 0)


@pytest.mark.parametrize("text", ["a\n", "```\na\n```\n", "~~~\n", "`````", "a\n    b\n"])
def test_a_block_is_read_back(text: str) -> None:
    """Whatever fences a text holds, it is read back from its own, with a line's end."""
    [block] = tokens("---\n---\n" + fenced(text, "jinja"))
    assert block.content == text.removesuffix("\n") + "\n"
    assert block.info == "jinja"


def test_plain_text_has_no_marks() -> None:
    """Text with marks and HTML is read as its characters."""
    text = "*a* _b_ [c](d) `e` <f> ~~g~~ \\h"
    [_, inline, _] = tokens(f"---\n---\n{plain(text)}")
    assert "".join(child.content for child in inline.children or ()) == text


def test_a_further_round_is_made_again_from_the_first(tmp_path: Path) -> None:
    """The dataset of a second round carries the settings of the first, from which the second follows, and says so."""
    run_of(EXAMPLES, tmp_path, run="tea", seed=3).close()
    after = {"rounds": {"after": "tea", "number": 2}, "seed": 3, "mine": {"bm25": 1}}
    dataset = exported(tmp_path, run="tea-round-2", **after)
    written = (dataset / "synthneg.yaml").read_text()
    values = yaml.safe_load(written)
    assert (values["run"], values["rounds"]["after"], values["mine"]["bm25"]) == ("tea", None, 4)
    assert "synthneg.yaml --round 2`" in written
    assert "synthneg run again/synthneg.yaml --round 2" in (dataset / "README.md").read_text()
