"""A stage that asks is walked again where anything that it was made of has changed, and only then."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from examples import settings
from llm_server import MODEL, Server, serving

from synthneg.generate.asking import LEDGER, Desk
from synthneg.generate.queries import write_queries
from synthneg.generate.standing import ask_unless_it_stands
from synthneg.records import Passage
from synthneg.run import Run

STAGE, FILE = "generate.queries", "queries.jsonl"
TEXT = "Green tea is steeped at eighty degrees for three minutes."


class Walks(list[str]):
    """The walks over a stage, and the server that it asks."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def write(self, run: Run, desk: Desk) -> None:
        """Walk over the stage."""
        self.append(STAGE)
        await write_queries(run, desk)


@pytest.fixture
def walks() -> Iterator[Walks]:
    """Count walks, each of which asks for one query."""
    with serving() as server:
        yield Walks(server)


def opened(folder: Path, walks: Walks, seed: int = 7, model: str | None = MODEL) -> Run:
    """Return a run whose corpus has been read."""
    llm = {"backend": "openai", "base_url": walks.server.url, "model": model}
    generate = {"queries": {"prompts": ["query/question"], "rounds": 0}}
    run = Run(folder, settings(llm=llm, seed=seed, generate=generate))
    with run.stage("corpus", "passages.jsonl") as stage:
        stage.take()
        stage.keep(Passage("a", TEXT))
    return run


def ask(run: Run, walks: Walks) -> None:
    """Give the command."""
    ask_unless_it_stands(run, STAGE, FILE, walks.write)
    assert run.books()[STAGE]["kept"] == 1
    run.close()


def test_what_stands_is_not_walked_again(tmp_path: Path, walks: Walks) -> None:
    """The same command a second time walks over nothing."""
    ask(opened(tmp_path, walks), walks)
    ask(opened(tmp_path, walks), walks)
    assert len(walks) == 1


def test_another_seed_is_walked(tmp_path: Path, walks: Walks) -> None:
    """Other settings of what is asked make the stage again."""
    ask(opened(tmp_path, walks), walks)
    ask(opened(tmp_path, walks, seed=8), walks)
    assert len(walks) == 2


def test_other_passages_are_walked(tmp_path: Path, walks: Walks) -> None:
    """Another corpus makes the stage again."""
    ask(opened(tmp_path, walks), walks)
    run = opened(tmp_path, walks)
    run.file("passages.jsonl").write_text(
        '{"id":"b","text":"Iron rusts when water and oxygen reach its surface.","title":"","split":"train"}\n'
    )
    ask(run, walks)
    assert len(walks) == 2


def test_without_its_ledger_it_is_walked(tmp_path: Path, walks: Walks) -> None:
    """Whoever takes the replies away has them asked for anew."""
    ask(opened(tmp_path, walks), walks)
    (tmp_path / "small" / LEDGER).unlink()
    ask(opened(tmp_path, walks), walks)
    assert len(walks) == 2


def test_an_edited_file_is_walked(tmp_path: Path, walks: Walks) -> None:
    """A file that is not as the stage has written it is written again."""
    ask(opened(tmp_path, walks), walks)
    (tmp_path / "small" / FILE).write_text("{}\n")
    ask(opened(tmp_path, walks), walks)
    assert len(walks) == 2


def test_a_server_that_names_its_model_itself_is_asked(tmp_path: Path, walks: Walks) -> None:
    """Where the settings name no model, the server may have another one by now."""
    ask(opened(tmp_path, walks, model=None), walks)
    ask(opened(tmp_path, walks, model=None), walks)
    assert len(walks) == 2
