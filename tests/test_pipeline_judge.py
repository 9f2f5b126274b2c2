"""A run with a judge and a reranker, from the corpus to the examples, with a scripted model that judges as well."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from examples import TOPICS, example, run_of, settings
from test_pipeline_near import topic_passages
from typer.testing import CliRunner

from synthneg import pipeline, stages
from synthneg.cli.app import app
from synthneg.generate.asking import release
from synthneg.llm.base import Request
from synthneg.records import Judged
from synthneg.run import Run
from synthneg.testing import HashingEncoder, OverlapReranker, ScriptedBackend, invented
from synthneg.train.data import training_pairs

CHECKS = {
    "queries": {"round_trip_k": 40, "near_duplicate": 1.0, "max_copied_words": 40},
    "documents": {"doubt_below": 2, "on_answers": "relabel", "max_similarity_to_positive": 1},
}
Walk = Callable[..., tuple[Path, list[Request]]]


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """Return a function that builds a run up to its examples, and tells what was asked of a judge."""
    rows = [orjson.dumps(row) + b"\n" for row in topic_passages()]
    (tmp_path / "corpus.jsonl").write_bytes(b"".join(rows))

    def walked(reranker: bool = False, **verify: object) -> tuple[Path, list[Request]]:
        backend = ScriptedBackend(invented)
        monkeypatch.setattr("synthneg.generate.asking.open_backend", lambda *_: backend)
        for module in (pipeline, stages):
            monkeypatch.setattr(
                module, "open_encoder", lambda run: release(run) or HashingEncoder()
            )
        if reranker:
            monkeypatch.setattr(pipeline, "open_reranker", lambda _: OverlapReranker())
        values = {
            "corpus": {"path": str(tmp_path / "corpus.jsonl"), "limit": 8},
            "generate": {"documents": {"prompts": ["document/graded"]}},
            "verify": CHECKS | verify,
        }
        with closing(Run(tmp_path / "outputs", settings(**values))) as run:
            pipeline.build(run, "verify.documents")
            return run.folder, [
                r for r in backend.asked if "You check search" in str(r.messages[0].content)
            ]

    return walked


def books_of(folder: Path) -> dict[str, dict]:
    """Return the books, which balance in every stage."""
    books = orjson.loads((folder / "books.json").read_bytes())
    for name, counts in books.items():
        ended = counts["kept"] + sum(counts["rejected"].values()) + sum(counts["failed"].values())
        assert counts["in"] == ended, name
    return books


def test_a_run_with_a_judge_balances_and_is_asked_once(walk: Walk) -> None:
    """Every doubtful negative is one request; the second start asks nothing and changes no byte of the examples."""
    folder, asked = walk(judge="judge/answers")
    books = books_of(folder)
    assert books["verify.judge"]["in"] == len(asked) > 0
    before = (folder / "examples.jsonl").read_bytes()
    kept = [d for e in map(orjson.loads, before.splitlines()) for d in e["documents"]]
    assert sum("judge_yes" in d["scores"] for d in kept) > 0
    relabelled = [d for d in kept if "relabelled" in d["verdicts"]]
    assert books["verify.documents"].get("flagged", {}).get("relabelled", 0) == len(relabelled)
    assert all((d["grade"], d["wanted_grade"] < 2) == (3, True) for d in relabelled)
    again, more = walk(judge="judge/answers")
    assert more == []
    assert (again / "examples.jsonl").read_bytes() == before


def test_what_a_judge_said_of_a_document_is_shown(walk: Walk) -> None:
    """`synthneg show` of a judged document prints its score with the judge's prompt as sent and the raw reply."""
    folder, _ = walk(judge="judge/answers")
    scores = map(orjson.loads, (folder / "scores.jsonl").read_bytes().splitlines())
    score = next(row for row in scores if row["scorer"] == "judge_yes")
    shown = CliRunner().invoke(
        app, ["show", folder.name, score["document_id"], "--outputs", str(folder.parent)]
    )
    assert shown.exit_code == 0
    judged = shown.stdout.partition(f"value: {score['value']}\nkey: {score['key']}\n")[2]
    assert judged.lstrip().startswith("=== system")
    assert "You check search" in judged
    assert "=== raw reply (stop" in judged


def test_with_a_reranker_the_judge_is_asked_less(walk: Walk) -> None:
    """What encoder and reranker agree on costs no request."""
    _, alone = walk(judge="judge/answers")
    folder, disputed = walk(judge="judge/answers", reranker=True)
    assert disputed == []  # what is still in doubt was asked before
    books = books_of(folder)
    assert books["verify.judge"]["in"] < len(alone)


def test_a_run_whose_judge_is_taken_away_forgets_it(walk: Walk) -> None:
    """Without the judge the books say that it judged nothing, and no score of it is left in the examples."""
    walk(judge="judge/answers")
    folder, _ = walk(documents={"min_words": 15})
    assert books_of(folder)["verify.judge"]["in"] == 0
    assert b"judge_yes" not in (folder / "examples.jsonl").read_bytes()


def test_a_mined_passage_that_answers_counts_as_an_answer(tmp_path: Path) -> None:
    """Relabelled, it is no negative in training, and one to be found where held-out queries are measured."""
    kept = example("tea", negatives=1, split="held_out")
    mined = Judged("bread", TOPICS["bread"], "", 3, "bm25", {}, None, 1, ("relabelled",))
    kept = replace(kept, documents=(*kept.documents, mined))
    with closing(run_of([kept], tmp_path)) as run:
        collection = pipeline.held_out(run)
    assert collection is not None
    assert collection.qrels == {kept.query_id: {"tea": 1, "bread": 1}}
    [pair] = training_pairs([replace(kept, split="train")], 9)
    assert TOPICS["bread"] in pair.also
    assert TOPICS["bread"] not in pair.negatives
