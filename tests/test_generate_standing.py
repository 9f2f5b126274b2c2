"""A stage that asks is walked again where anything that it was made of has changed, and only then."""

from pathlib import Path

import pytest
from examples import settings

from synthneg.generate import standing
from synthneg.generate.asking import LEDGER
from synthneg.llm.ledger import Ledger
from synthneg.records import Passage
from synthneg.run import Run

STAGE, FILE = "generate.queries", "queries.jsonl"
SERVER = {"backend": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count walks, each of which keeps one record and has a ledger."""
    walked: list[str] = []

    def walk(run: Run, write: object) -> None:
        walked.append(STAGE)
        Ledger(run.file(LEDGER)).close()
        with run.stage(STAGE, FILE) as stage:
            stage.take()
            stage.keep({"text": "why"})

    monkeypatch.setattr(standing, "ask_within_budget", walk)
    return walked


def opened(folder: Path, seed: int = 7, **llm: object) -> Run:
    """Return a run whose corpus has been read."""
    run = Run(folder, settings(llm=SERVER | llm, seed=seed))
    with run.stage("corpus", "passages.jsonl") as stage:
        stage.take()
        stage.keep(Passage("a", "tea"))
    return run


def ask(run: Run) -> None:
    """Give the command."""
    standing.ask_unless_it_stands(run, STAGE, FILE, lambda run, desk: None)  # type: ignore[arg-type, return-value]
    run.close()


def test_what_stands_is_not_walked_again(tmp_path: Path, walks: list[str]) -> None:
    """The same command a second time walks over nothing."""
    ask(opened(tmp_path))
    ask(opened(tmp_path))
    assert len(walks) == 1


def test_another_seed_is_walked(tmp_path: Path, walks: list[str]) -> None:
    """Other settings of what is asked make the stage again."""
    ask(opened(tmp_path))
    ask(opened(tmp_path, seed=8))
    assert len(walks) == 2


def test_other_passages_are_walked(tmp_path: Path, walks: list[str]) -> None:
    """Another corpus makes the stage again."""
    ask(opened(tmp_path))
    run = opened(tmp_path)
    run.file("passages.jsonl").write_text('{"id":"b","text":"iron","title":"","split":"train"}\n')
    ask(run)
    assert len(walks) == 2


def test_without_its_ledger_it_is_walked(tmp_path: Path, walks: list[str]) -> None:
    """Whoever takes the replies away has them asked for anew."""
    ask(opened(tmp_path))
    (tmp_path / "small" / LEDGER).unlink()
    ask(opened(tmp_path))
    assert len(walks) == 2


def test_an_edited_file_is_walked(tmp_path: Path, walks: list[str]) -> None:
    """A file that is not as the stage has written it is written again."""
    ask(opened(tmp_path))
    (tmp_path / "small" / FILE).write_text("{}\n")
    ask(opened(tmp_path))
    assert len(walks) == 2


def test_a_server_that_names_its_model_itself_is_asked(tmp_path: Path, walks: list[str]) -> None:
    """Where the settings name no model, the server may have another one by now."""
    ask(opened(tmp_path, model=None))
    ask(opened(tmp_path, model=None))
    assert len(walks) == 2
