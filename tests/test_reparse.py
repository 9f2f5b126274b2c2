"""`synthneg reparse`: the files of a run from its ledger alone, by the parser as it is now."""

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import llm_server
import pytest
from asking import PASSAGES, Asking, sentence
from typer.testing import CliRunner
from world import RUN, Walked, World, snapshot

from synthneg.cli.app import app
from synthneg.config import LLMConfig
from synthneg.errors import RunError
from synthneg.llm.local import LocalBackend, local_identity
from synthneg.reparse import Reparsed, reparse
from synthneg.run import Run
from synthneg.settings import load

# One of each way in which a record is lost, and one that is cut once and kept at the second asking.
FAULTS = (
    "[id:3]:empty",
    "[id:4]:refusal",
    "[id:5]:500",
    "[id:6]:429",
    "[id:7]:too_long",
    "[id:8]:length:1",
    "[id:9]:reset",
)


@contextmanager
def asked(folder: Path, **llm: object) -> Iterator[tuple[Asking, llm_server.Server]]:
    """Give a run that has asked for its queries, with its server."""
    faults = [llm_server.Fault(*_split(fault)) for fault in FAULTS]
    with llm_server.serving(faults, log=folder / "requests.log") as server:
        asking = Asking(folder, server.url)
        asking.build_small(**{"retries": 1, "reasks": 1, **llm})
        asking.generate()
        yield asking, server


def _split(fault: str) -> tuple[str, str, int]:
    marker, _, rest = fault.rpartition("]:")
    kind, *times = rest.split(":")
    return f"{marker}]", kind, int(times[0]) if times else 0


def everything(run: Path) -> dict[str, bytes]:
    """Return all files of a run, the ledger's bytes included."""
    return snapshot(run) | {"ledger.sqlite": (run / "ledger.sqlite").read_bytes()}


def reparsed(run: Path) -> list[Reparsed]:
    """Parse a run anew in this process, where the parser can be changed."""
    opened = Run(run.parent, load(run / "run.yaml", ()))
    try:
        return reparse(opened)
    finally:
        opened.close()


def edit(run: Path, pattern: str, new: str) -> None:
    """Change the settings of a run."""
    text = (run / "run.yaml").read_text()
    changed = re.sub(pattern, new, text, count=1, flags=re.MULTILINE)
    assert changed != text
    (run / "run.yaml").write_text(changed)


def test_what_is_read_as_before_changes_nothing(tmp_path: Path) -> None:
    """With the server down, an unchanged parser writes every file byte for byte, each lost record with its reason."""
    with asked(tmp_path) as (asking, _):
        before, log = everything(asking.run), asking.log.read_bytes()
        books = asking.books()
    assert set(books["failed"]) >= {"http_429", "http_500", "too_long_for_model"}
    assert sum(books["failed"].values()) == 4
    assert books["rejected"] == {"empty": 1, "refusal": 1}
    said = asking.synthneg("reparse", RUN).stdout
    assert f"generate.queries: kept {books['kept']}, as before" in said
    assert "Every reply is read as before" in said
    assert everything(asking.run) == before
    assert asking.log.read_bytes() == log


def test_a_budget_is_still_the_reason_of_what_it_did_not_allow(tmp_path: Path) -> None:
    """What a budget left unasked leaves no failed try in the ledger, and keeps its reason all the same."""
    with asked(tmp_path) as (asking, _):
        pass
    rejects = asking.run / "rejects.jsonl"
    rows = [json.loads(line) for line in rejects.read_text().splitlines()]
    changed = next(row for row in rows if row["reason"] == "http_500")
    changed |= {"reason": "budget", "detail": "llm.budget.requests: 12 of 12 are used"}
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    part = asking.run / "parts" / "rejects.jsonl" / "generate.queries.jsonl"
    corpus = asking.run / "parts" / "rejects.jsonl" / "corpus.jsonl"
    assert not corpus.read_bytes()
    for file in (rejects, part):
        file.write_text(text)
    books = json.loads((asking.run / "books.json").read_text())
    failed = books["generate.queries"]["failed"]
    failed["budget"] = failed.pop("http_500")
    (asking.run / "books.json").write_text(json.dumps(books))
    [stage] = reparsed(asking.run)
    assert stage.after["failed"]["budget"] == 1
    assert rejects.read_text() == text


def test_the_passages_are_those_that_the_budget_afforded(tmp_path: Path) -> None:
    """Of a run whose budget reached through a part of the corpus, that part alone is read anew."""
    with asked(tmp_path, budget={"requests": 80}) as (asking, _):
        before = everything(asking.run)
    assert 0 < asking.books()["in"] < PASSAGES
    [stage] = reparsed(asking.run)
    assert not stage.changed
    assert everything(asking.run) == before


def test_a_better_parser_keeps_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that the parser has learnt to read becomes a record; unlearnt, the files are those of before."""
    with asked(tmp_path) as (asking, _):
        before = everything(asking.run)
    with monkeypatch.context() as patched:
        patched.setattr("synthneg.llm.parse.refuses", lambda _: False)
        [stage] = reparsed(asking.run)
        assert (stage.stage, stage.changed) == ("generate.queries", True)
        assert stage.after["kept"] == stage.before["kept"] + 1
        assert stage.after["rejected"] == {"empty": 1}
        assert "p4:question:0" in asking.queries()
    said = CliRunner().invoke(app, ["reparse", str(asking.run)]).output
    kept = stage.before["kept"]
    assert f"generate.queries: kept {kept + 1} -> {kept}, rejected refusal 0 -> 1\n" in said
    assert "Next: `synthneg run" in said
    assert everything(asking.run) == before


def test_a_stricter_parser_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that would have to be asked for again is not_asked, and the failed tries are those of before."""
    with asked(tmp_path) as (asking, _):
        ledger = asking.ledger.read_bytes()
    monkeypatch.setattr(
        "synthneg.llm.parse.refuses", lambda t: t == llm_server.REFUSAL or len(t) % 3 == 0
    )
    [stage] = reparsed(asking.run)
    lost = stage.after["failed"].pop("not_asked")
    assert lost > 0
    assert stage.after["failed"] == stage.before["failed"]
    assert stage.after["kept"] <= stage.before["kept"] - lost
    assert stage.after["in"] == stage.before["in"]
    assert asking.ledger.read_bytes() == ledger


@pytest.mark.parametrize(
    ("pattern", "new", "words"),
    [
        (r"^seed: \d+", "seed: 999", "no reply to query/question@"),
        (r"loopback-llm", "another", "no reply of http://127.0.0.1"),
        (r"base_url: \S+", "base_url: http://127.0.0.1:9/v1", "no reply of http://127.0.0.1:9/v1"),
    ],
)
def test_what_was_never_asked_is_not_parsed(
    tmp_path: Path, pattern: str, new: str, words: str
) -> None:
    """Where the settings would ask something else, the files stand and one line says what has changed."""
    with asked(tmp_path) as (asking, _):
        edit(asking.run, pattern, new)
        before = everything(asking.run)
    assert words in sentence(asking.synthneg("reparse", RUN, status=2).stderr)
    assert everything(asking.run) == before


def test_a_model_without_a_name_is_found_in_the_ledger(tmp_path: Path) -> None:
    """A run that took the only model of its server is parsed without asking the server which that was."""
    with asked(tmp_path, model=None) as (asking, _):
        before = everything(asking.run)
    [stage] = reparsed(asking.run)
    assert not stage.changed
    assert everything(asking.run) == before


def test_without_a_stage_that_has_asked_there_is_nothing_to_parse(tmp_path: Path) -> None:
    """A run that was begun and has asked nothing says so, and that `synthneg run` begins."""
    asking = Asking(tmp_path, "http://127.0.0.1:9/v1")
    asking.build_small()
    run = Run(tmp_path / "outputs", load(tmp_path / "synthneg.yaml", ()))
    try:
        with pytest.raises(RunError, match="nothing to parse anew; begin with `synthneg run`"):
            reparse(run)
    finally:
        run.close()


@pytest.mark.slow
def test_local_weights_are_known_without_loading_them(
    smollm2: tuple[LocalBackend, asyncio.Runner],
) -> None:
    """The identity of the embedded model is that of its loaded weights."""
    assert local_identity(LLMConfig()) == smollm2[0].identity


@pytest.mark.slow
def test_a_finished_run_stays_finished(
    world: World, walked: Walked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All three stages are read anew and nothing moves; where more is kept, what follows waits for `synthneg run`."""
    monkeypatch.chdir(world.folder)
    run = tmp_path / RUN
    shutil.copytree(walked.folder, run)
    before, requests = everything(run), len(world.asked())
    stages = [stage.stage for stage in reparsed(run)]
    assert stages == ["generate.queries", "generate.documents", "generate.negatives"]
    assert everything(run) == before
    monkeypatch.setattr("synthneg.llm.parse.refuses", lambda _: False)
    [stage] = reparsed(run)
    assert stage.after["kept"] > stage.before["kept"]
    assert set(json.loads((run / "books.json").read_bytes())) == {"corpus", "generate.queries"}
    assert not (run / "run.json").exists()
    assert len(world.asked()) == requests
