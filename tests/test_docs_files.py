"""docs/reference/files.md says what a run's folder holds: each file, and each key of what programs read."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from world import Walked

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "reference" / "files.md").read_text("utf-8")
RECORDS = ("passages", "queries", "documents", "scores", "examples", "rejects")
# Keys that are names of stages, reasons and the like, by the place where they stand.
NAMES = {
    "stages": "STAGE",
    "rejected": "REASON",
    "failed": "REASON",
    "flagged": "FINDING",
    "versions": "PACKAGE",
    "models": "MODEL",
    "MODEL": "MEASURE",
}


def section(title: str) -> str:
    """Return the text below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def first_cells(text: str) -> set[str]:
    """Return what stands in backticks in the first cells of a table."""
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def keys(value: Any, place: str = "") -> Iterator[str]:
    """Yield the dotted name of each value; the items of a list have one name."""
    if isinstance(value, dict) and value:
        last = place.rpartition(".")[2]
        for key, inner in value.items():
            yield from keys(inner, f"{place}.{NAMES.get(last, key)}".lstrip("."))
    elif isinstance(value, list) and value:
        for inner in value:
            yield from keys(inner, f"{place}[]")
    elif value != {}:
        yield place


@pytest.mark.slow
def test_each_file_of_a_run_has_its_row(walked: Walked) -> None:
    """Whatever lies in a finished run's folder is named on the page."""
    named = first_cells(section("What lies there"))
    found = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in walked.folder.iterdir()
        if path.name != ".lock"
    }

    assert {name for name in found if not any(fnmatch(name, known) for known in named)} == set()
    assert {"run.json", "examples.jsonl", "dataset/", "ledger.sqlite"} <= found & named


def test_each_file_of_the_page_is_one_that_the_program_writes() -> None:
    """A file that the page names stands in the source of the program."""
    source = "".join(file.read_text("utf-8") for file in ROOT.glob("synthneg/**/*.py"))
    named = {name.rstrip("/") for name in first_cells(section("What lies there"))}

    assert {
        name for name in named if f'"{name}"' not in source and f'"{name}/' not in source
    } == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDS)
def test_each_key_of_a_record_has_its_row(name: str, walked: Walked) -> None:
    """The keys of a file's records are those of its table."""
    rows = (walked.folder / f"{name}.jsonl").read_bytes().split(b"\n")[:-1]

    found = {key for row in rows for key in json.loads(row)}

    assert first_cells(section(f"`{name}.jsonl`")) == found


@pytest.mark.slow
def test_each_key_of_run_json_has_its_row(walked: Walked) -> None:
    """What run.json holds is what the page says, no more and no less but for what this run had none of."""
    found = set(keys(json.loads((walked.folder / "run.json").read_bytes())))
    named = first_cells(section("`run.json`"))

    assert found <= named
    had_none = {f"stages.STAGE.{key}" for key in ("flagged.FINDING", "failed.REASON", "notes")}
    assert named - found <= had_none


@pytest.mark.slow
def test_each_key_of_an_evaluation_has_its_row(walked: Walked) -> None:
    """What evaluation/*.json and its values per query hold is what the page says."""
    files = sorted((walked.folder / "evaluation").glob("*.json"))
    named = first_cells(section("`evaluation/COLLECTION.json`"))

    assert len(files) > 1
    for file in files:
        assert set(keys(json.loads(file.read_bytes()))) == named
        [line, *_] = file.with_suffix(".per-query.jsonl").read_bytes().splitlines()
        assert set(json.loads(line)) == {"query_id", "model", "measure", "value"}
