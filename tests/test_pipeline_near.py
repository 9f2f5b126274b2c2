"""Runs whose passages are chosen by clusters, whose queries need two passages and whose negatives are rewritten."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from examples import settings
from world import passages as topic_passages
from world import snapshot

from synthneg import pipeline, preflight, stages
from synthneg.errors import ModelError, SettingsError
from synthneg.generate.asking import release
from synthneg.llm.base import Request
from synthneg.records import Chosen, Document, Example, Mined, Query, Reject, Related
from synthneg.run import Run
from synthneg.scoring.vectors import CachedEncoder
from synthneg.testing import HashingEncoder, ScriptedBackend, invented

HOP = """---
makes: query
about: A question over two passages.
needs: [passage, related]
reply: text
sampling: {temperature: 0.7, max_tokens: 60}
---
=== system
You write one question on one line.
=== user
{{ passage.text }} {{ related.text }}
"""
REWRITE = """---
makes: negative
about: A mined passage, rewritten.
needs: [query, mined]
reply: text
sampling: {temperature: 0.7, max_tokens: 200}
---
=== system
You rewrite passages.
=== user
Query: {{ query.text }}
Mined: {{ mined.text }}
"""
STEPS = (
    pipeline.read_corpus,
    pipeline.generate_queries,
    pipeline.check_queries,
    pipeline.generate_documents,
    pipeline.generate_negatives,
    pipeline.check_documents,
    pipeline.export_dataset,
)
Walk = Callable[..., Path]


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """Return a function that walks a run to its export, with a scripted model and a hashing encoder."""
    for name, text in (("hop", HOP), ("rewrite", REWRITE)):
        (tmp_path / f"{name}.j2").write_text(text)
    rows = [orjson.dumps(row) + b"\n" for row in topic_passages()]
    (tmp_path / "corpus.jsonl").write_bytes(b"".join(rows))

    def walked(
        outputs: str,
        model: Callable[[Request], str] = invented,
        steps: int = len(STEPS),
        asked: list[Request] | None = None,
        **changes: object,
    ) -> Path:
        backend = ScriptedBackend(model)
        monkeypatch.setattr("synthneg.generate.asking.open_backend", lambda *_: backend)
        vectors = tmp_path / outputs / "vectors"
        encoder = CachedEncoder(HashingEncoder(), vectors, "hashing")

        def load(run: Run) -> CachedEncoder:
            release(run)
            return encoder

        for module in (pipeline, stages):
            monkeypatch.setattr(module, "open_encoder", load)
        corpus = {"path": str(tmp_path / "corpus.jsonl"), "sample": "cluster", "limit": 12}
        values: dict[str, object] = {
            "corpus": corpus,
            "llm": {"concurrency": 3},
            "generate": {
                "queries": {"prompts": [str(tmp_path / "hop.j2"), "query/question"]},
                "negatives": {"prompts": [str(tmp_path / "rewrite.j2")], "per_query": 2},
                "documents": {"prompts": []},
            },
            "verify": {"queries": {"round_trip_k": 40, "near_duplicate": 1.0}},
            "export": {"shapes": ["labeled-list"]},
        }
        with closing(Run(tmp_path / outputs, settings(**values | changes))) as run:
            try:
                for step in STEPS[:steps]:
                    step(run)
            finally:
                if asked is not None:
                    asked += backend.asked
            return run.folder

    return walked


def rows_of(folder: Path, file: str, kind: type) -> list:
    """Return the records of a run's file."""
    with closing(Run(folder.parent, settings())) as run:
        return list(run.read(file, kind))


def test_two_passages_go_all_the_way(walk: Walk) -> None:
    """Each record says of which passages it was made; further positives have grade 3, and are never negatives."""
    asked: list[Request] = []
    folder = walk("whole", asked=asked)
    chosen = [row.id for row in rows_of(folder, "chosen.jsonl", Chosen)]
    related = {r.passage_id: r.related_id for r in rows_of(folder, "related.jsonl", Related)}
    mined = {r.query_id: r.passage_id for r in rows_of(folder, "mined.jsonl", Mined)}
    texts = {row["_id"]: row["text"] for row in topic_passages()}
    queries = rows_of(folder, "queries.jsonl", Query)
    verified = rows_of(folder, "verified_queries.jsonl", Query)

    assert len(chosen) == 12
    assert chosen == [id for id in texts if id in set(chosen)]
    assert {q.passage_id for q in queries} == set(chosen)
    assert set(related) == set(chosen)
    for query in queries:
        expected = (related[query.passage_id],) if ":hop:" in query.id else ()
        assert query.also == expected
    assert any(query.also for query in verified)
    said = [request.messages[-1].content for request in asked]
    assert f"{texts[chosen[0]]} {texts[related[chosen[0]]]}" in said

    books = orjson.loads((folder / "books.json").read_bytes())["generate.negatives"]
    rejects = [r for r in rows_of(folder, "rejects.jsonl", Reject) if r.reason == "no_mined"]
    assert books["in"] == 2 * len(verified)
    assert (
        books["rejected"].get("no_mined", 0) == len(rejects) == 2 * len(verified) - 2 * len(mined)
    )
    assert 0 < len(mined) < len(verified)
    written = [d for d in rows_of(folder, "documents.jsonl", Document) if d.source == "negative"]
    assert {d.query_id for d in written} == set(mined)
    assert all(d.origin.draws == {"mined": mined[d.query_id]} for d in written)

    by_id = {query.id: query for query in verified}
    for example in rows_of(folder, "examples.jsonl", Example):
        positives = [d for d in example.documents if d.source == "corpus"]
        query = by_id[example.query_id]
        assert [d.id for d in positives] == [query.passage_id, *query.also]
        assert [d.grade for d in positives] == [3] * len(positives)
        assert [d.text for d in positives] == [texts[d.id] for d in positives]
        assert not {d.id for d in positives} & {d.id for d in example.negatives}
        assert mined.get(query.id) not in {d.id for d in positives}


class Killed(Exception):
    """What stands for a kill."""


@pytest.mark.parametrize("after", [0, 9, 20, 30, 50])
def test_a_run_that_was_killed_makes_the_same_files(walk: Walk, after: int) -> None:
    """Broken off after any number of replies and given again, the run has the same files; three may be asked twice."""
    undisturbed = walk("whole")
    answered: list[Request] = []

    def mortal(request: Request) -> str:
        if len(answered) >= after:
            raise Killed
        answered.append(request)
        return invented(request)

    with pytest.raises(Killed):
        walk("killed", mortal)
    asked: list[Request] = []
    folder = walk("killed", asked=asked)
    assert snapshot(folder) == snapshot(undisturbed)
    assert sum(request in asked for request in answered) <= 3


@pytest.mark.parametrize(
    ("changes", "same"),
    [({}, True), ({"seed": 8}, False), ({"verify": {"encoder": "other"}}, False)],
)
def test_a_choice_stands_while_its_inputs_do(
    walk: Walk, changes: dict[str, object], same: bool
) -> None:
    """chosen.jsonl is left as it lies while corpus, limit, seed and encoder are the same, and made anew otherwise."""
    file = walk("run", steps=2) / "chosen.jsonl"
    before = file.stat()
    walk("run", steps=2, **changes)
    assert (file.stat().st_mtime_ns == before.st_mtime_ns) is same


def test_a_smaller_limit_is_a_choice_of_its_own(walk: Walk, tmp_path: Path) -> None:
    """Another corpus.limit chooses anew; what a budget affords is a part of the choice that it falls short of."""
    folder = walk("run", steps=2)
    chosen = {row.id for row in rows_of(folder, "chosen.jsonl", Chosen)}
    corpus = {"path": str(tmp_path / "corpus.jsonl"), "sample": "cluster", "limit": 12}
    llm = {"budget": {"requests": 70}}
    poor = walk("poor", steps=2, corpus=corpus, llm=llm)
    asked = {query.passage_id for query in rows_of(poor, "queries.jsonl", Query)}
    assert 1 < len(asked) < 12
    assert asked < chosen
    walk("run", steps=2, corpus=corpus | {"limit": 5})
    assert len(rows_of(folder, "chosen.jsonl", Chosen)) == 5


def test_a_lost_choice_is_made_again(walk: Walk) -> None:
    """Where chosen.jsonl was deleted, the next start makes the same choice."""
    file = walk("run", steps=2) / "chosen.jsonl"
    before = file.read_bytes()
    file.unlink()
    walk("run", steps=3)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("corpus", "words"),
    [
        ({"sample": "cluster"}, "needs a limit"),
        ({"sample": "cluster", "limit": 5, "clusters": 6}, r"at most limit \(5\) clusters, got 6"),
        ({"limit": 5, "clusters": 2}, "goes with sample: cluster"),
    ],
)
def test_settings_that_make_no_choice_are_refused(corpus: dict, words: str) -> None:
    """A choice by clusters without a limit, more clusters than passages, and clusters for nothing: one line each."""
    with pytest.raises(SettingsError, match=words) as caught:
        settings(corpus={"path": "x", **corpus})
    assert "\n" not in str(caught.value)


def test_the_encoder_is_checked_before_a_choice(tmp_path: Path) -> None:
    """A choice by clusters needs the encoder at once, so a folder that is none is refused before anything is asked."""
    corpus = {"path": "docstrings:markupsafe", "sample": "cluster", "limit": 3}
    config = settings(corpus=corpus, verify={"encoder": str(tmp_path / "none")})
    with pytest.raises(ModelError, match="no such folder exists"):
        preflight.check_settings(config, "generate.queries")
