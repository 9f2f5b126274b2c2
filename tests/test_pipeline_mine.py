"""Mining within a run: its place among the stages, what becomes of what it finds, and what `show` says of that."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from examples import settings
from world import Walked, World, passages, snapshot

from synthneg import pipeline, preflight, stages
from synthneg.cli.app import app
from synthneg.errors import ModelError, SettingsError
from synthneg.records import MINED, Document, Example, Query, Reject, Score
from synthneg.run import Run
from synthneg.run.books import read_records
from synthneg.testing import HashingEncoder, OverlapReranker, ScriptedBackend

Walk = Callable[..., Path]
ALL = {"bm25": 2, "dense": 2, "reranked": 2, "random": 2}
LOOSE = {"max_negative_share": 2.0, "min_negative_margin": 0.0}


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """Return a function that walks a run to its export, with models that need no weights."""
    rows = [orjson.dumps(row) + b"\n" for row in passages()]
    (tmp_path / "corpus.jsonl").write_bytes(b"".join(rows))
    monkeypatch.setattr("synthneg.generate.asking.open_backend", lambda *_: ScriptedBackend())
    for module in (pipeline, stages):
        monkeypatch.setattr(module, "open_encoder", lambda _: HashingEncoder())
        monkeypatch.setattr(module, "open_reranker", lambda _: OverlapReranker())
    (tmp_path / "reranker").mkdir()
    (tmp_path / "reranker" / "config.json").write_text("{}")

    def walked(outputs: str, until: str = "export", **changes: Any) -> Path:
        values: dict[str, Any] = {
            "corpus": {"path": str(tmp_path / "corpus.jsonl"), "limit": 12},
            "generate": {
                "queries": {"prompts": ["query/question"]},
                "documents": {"prompts": []},
                "negatives": {"prompts": ["negative/from-query"]},
            },
            "mine": ALL,
            "verify": {"queries": {"round_trip_k": 40}, "reranker": str(tmp_path / "reranker")},
        }
        with closing(Run(tmp_path / outputs, settings(**values | changes))) as run:
            pipeline.build(run, until)
            return run.folder

    return walked


def rows(folder: Path, file: str, kind: type) -> list:
    """Return the records of a run's file."""
    return list(read_records(folder / file, kind))


def test_what_is_mined_goes_all_the_way(walk: Walk) -> None:
    """Mined passages are verified, stand in examples after what was written, and come out with their source."""
    folder = walk("whole")
    books = orjson.loads((folder / "books.json").read_bytes())
    verified = {q.id for q in rows(folder, "verified_queries.jsonl", Query)}
    documents = [d for d in rows(folder, "documents.jsonl", Document) if d.source in MINED]
    examples = rows(folder, "examples.jsonl", Example)

    assert {d.source for d in documents} == set(MINED)
    assert books["mine"]["in"] == 8 * len(verified)
    assert books["mine"]["kept"] == len(documents)
    written = books["generate.documents"]["kept"] + books["generate.negatives"]["kept"]
    assert books["verify.documents"]["in"] == written + len(documents)

    scored = {(s.query_id, s.document_id, s.scorer) for s in rows(folder, "scores.jsonl", Score)}
    for one in documents:
        assert (one.query_id, one.id, "cosine") in scored
        if one.source != "random":
            assert {
                (one.query_id, one.id, one.source),
                (one.query_id, one.id, f"{one.source}_rank"),
            } <= scored
    texts = {row["_id"]: row["text"] for row in passages()}
    for example in examples:
        kinds = [d.source in MINED for d in example.documents]
        assert kinds == sorted(kinds)
        assert all(texts[d.id] == d.text for d in example.documents if d.source in MINED)
        assert [d.source for d in example.documents].count("corpus") == 1
    kept = {(e.query_id, d.id) for e in examples for d in e.documents if d.source in MINED}
    assert kept
    assert {d.source for e in examples for d in e.negatives} >= set(MINED)

    corpus = (folder / "dataset" / "beir" / "corpus.jsonl").read_text().splitlines()
    ids = [json.loads(line)["_id"] for line in corpus]
    assert len(ids) == len(set(ids))


def test_verification_drops_what_mining_let_pass(walk: Walk) -> None:
    """Mined under looser rules, a passage nearer than the positive allows is rejected as `answers`, by its own id."""
    strict = {"documents": {"max_negative_share": 0.3, "min_negative_margin": 0.2}}
    verify = {"queries": {"round_trip_k": 40}, **strict}
    mine = {"bm25": 0, "dense": 3, **LOOSE}
    folder = walk("loose", mine=mine, verify=verify)
    mined = {d.id for d in rows(folder, "documents.jsonl", Document) if d.source == "dense"}
    lost = [r for r in rows(folder, "rejects.jsonl", Reject) if r.stage == "verify.documents"]

    assert {r.reason for r in lost if r.id in mined} == {"answers"}


def test_changed_settings_mine_anew_and_ask_nothing(walk: Walk) -> None:
    """Other counts give other negatives; back at the old ones every file is as it was, byte for byte."""
    folder = walk("run")
    before = snapshot(folder)
    walk("run", mine={"bm25": 0, "dense": 1})
    assert {d.source for d in rows(folder, "documents.jsonl", Document)} == {
        "corpus",
        "negative",
        "dense",
    }
    walk("run")
    assert snapshot(folder) == before


def test_verify_mines_what_is_not_mined_yet(walk: Walk) -> None:
    """Stage by stage, checking documents mines first; a run that was mined is not mined again by it."""
    folder = walk("stages", until="generate.negatives", mine={"bm25": 1, "dense": 1})
    assert "mine" not in orjson.loads((folder / "books.json").read_bytes())
    config = settings(corpus={"path": "x"}, mine={"bm25": 1, "dense": 1})
    with closing(Run(folder.parent, config)) as run:
        pipeline.check_documents(run)
        first = run.books()
        assert first["mine"]["kept"] > 0
        assert first["verify.documents"]["in"] > first["mine"]["kept"]
        stages.mine_negatives(run)
        assert run.books() == first


def test_show_tells_source_rank_and_score(walk: Walk, capsys: pytest.CaptureFixture[str]) -> None:
    """`synthneg show` of a mined passage's id names the query, the source, the score and the rank."""
    folder = walk("shown")
    one = next(d for d in rows(folder, "documents.jsonl", Document) if d.source == "bm25")
    app(["show", str(folder), one.id], standalone_mode=False)
    said = capsys.readouterr().out
    for line in (f"query_id: {one.query_id}", "source: bm25", "scorer: bm25", "scorer: bm25_rank"):
        assert line in said.splitlines()


def test_a_reranker_is_demanded_before_anything_is_asked(tmp_path: Path) -> None:
    """Negatives of a reranker without one in the settings, or of a folder that is none: one line, at once."""
    corpus = {"path": "docstrings:markupsafe", "limit": 3}
    with pytest.raises(SettingsError, match=r"verify\.reranker names none") as caught:
        settings(corpus=corpus, mine={"reranked": 2})
    assert "\n" not in str(caught.value)
    verify = {"reranker": str(tmp_path / "none")}
    config = settings(corpus=corpus, mine={"reranked": 2}, verify=verify)
    with pytest.raises(ModelError, match="no such folder exists"):
        preflight.check_settings(config, "mine")


@pytest.mark.slow
def test_a_run_of_the_world_has_mined(walked: Walked, world: World) -> None:
    """A real run mines by default, and `synthneg mine` over it leaves every file as it was."""
    books = json.loads((walked.folder / "run.json").read_bytes())["stages"]["mine"]
    assert (
        books["in"]
        == 8
        * json.loads((walked.folder / "run.json").read_bytes())["stages"]["verify.queries"]["kept"]
    )
    assert books["kept"] > 100
    before = snapshot(walked.folder)
    world.synthneg("mine", str(walked.folder))
    assert snapshot(walked.folder) == before
