"""What the checks of the whole set have found is told where people look: the card, `synthneg status`, the summary."""

import orjson
import pytest
from examples import example, run_of

from synthneg.cli.checks import checks_lines
from synthneg.dataset.export import export

OVERLAP = {
    "set": "harbour/test",
    "kind": "query",
    "found": 3,
    "by": {"exact": 1, "jaccard": 2, "cosine": 0},
    "left": 1,
    "examples": [],
}
PROBE = {
    "question": "source",
    "features": "length",
    "auc": 0.93,
    "low": 0.9,
    "high": 0.95,
    "documents": 400,
    "passages": 100,
    "note": "",
    "warning": "have documents written as long as the corpus's",
}
UNSURE = PROBE | {"features": "style", "auc": None, "note": "3 against 4 documents", "warning": ""}


@pytest.fixture
def run(tmp_path):
    """Return a run with two examples and planted findings."""
    opened = run_of([example("tea"), example("moon")], tmp_path)
    leaks = {"sets": ["harbour/test"], "inputs": "", "overlaps": [OVERLAP]}
    opened.file("leaks.json").write_bytes(orjson.dumps(leaks))
    lines = b"".join(orjson.dumps(row) + b"\n" for row in (PROBE, UNSURE))
    opened.file("probe.jsonl").write_bytes(lines)
    yield opened
    opened.close()


def test_the_card_has_the_overlaps_and_the_shortcuts(run):
    """Each evaluation set stands with what was found and left, each probe with its AUC or why there is none."""
    export(run)
    card = run.file("dataset/README.md").read_text()

    overlap = "| harbour/test | queries that equal or nearly equal one of its queries | 3 | exact 1, jaccard 2 | 1 |"
    assert overlap in card
    assert "| generated or corpus document | length | 0.93 (0.90 to 0.95) | 400 | 100 |" in card
    assert "| generated or corpus document | style | 3 against 4 documents | 400 | 100 |" in card
    assert "| leaks.query_jaccard | 0.7 |" in card


def test_the_card_says_that_nothing_was_compared(run):
    """Without an evaluation set the card does not leave its reader in the belief that there was one."""
    run.file("leaks.json").write_bytes(orjson.dumps({"sets": [], "inputs": "", "overlaps": []}))
    run.file("probe.jsonl").unlink()
    export(run)
    card = run.file("dataset/README.md").read_text()

    assert "No evaluation set was declared, so nothing was compared." in card
    assert "## Shortcuts" not in card


def test_status_tells_what_stands_in_the_books(run):
    """Overlaps are told once documents are verified, probes once there is a dataset, with the remedy of a shortcut."""
    export(run)
    overlap, probe = checks_lines(run.folder, run.books())

    assert overlap == (
        "  overlap with harbour/test: 3 of kind query (exact 1, jaccard 2), 1 left to train on"
    )
    assert probe == (
        "  probe, source from length alone: AUC 0.93 (0.90 to 0.95); a shortcut: have documents written as long as the"
        " corpus's"
    )
    assert checks_lines(run.folder, {"corpus": run.books()["corpus"]}) == []
