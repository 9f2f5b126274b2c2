"""`synthneg run --round 2`, on the small world: what the tuned model fails, and what is asked because of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from world import RUN, World, snapshot

from synthneg.records import Example, Failed, Passage, Query
from synthneg.run.books import read_books, read_records
from synthneg.scoring.encoder import load_encoder
from synthneg.settings import load

pytestmark = pytest.mark.slow

SECOND = f"{RUN}-round-2"
# A random model fails most queries; with this many, most of the corpus would be asked about.
FEW = ("--set", "rounds.top_k=3", "--set", "rounds.margin=-2", "--set", "rounds.neighbours=1")
COMMAND = ("run", *FEW, "--outputs")
FILES = (
    "queries.jsonl",
    "verified_queries.jsonl",
    "documents.jsonl",
    "examples.jsonl",
    "books.json",
)


@pytest.fixture(scope="module")
def first(world: World) -> dict[str, bytes]:
    """Give the files of a finished first round."""
    world.synthneg(*COMMAND, "rounds")
    return snapshot(world.folder / "rounds" / RUN)


@pytest.fixture(scope="module")
def second(world: World, first: dict[str, bytes]) -> Path:
    """Give the folder of the second round."""
    world.synthneg(*COMMAND, "rounds", "--round", "2")
    return world.folder / "rounds" / SECOND


def test_the_first_round_stays_as_it_is(world: World, first: dict[str, bytes], second: Path):
    """A second round changes no file of the first, but for adding what failed and vectors."""
    after = snapshot(world.folder / "rounds" / RUN)

    assert {name: after[name] for name in first if "vectors/" not in name} == {
        name: data for name, data in first.items() if "vectors/" not in name
    }
    added = {name for name in after.keys() - first.keys() if "vectors/" not in name}
    assert added == {"failed.jsonl", "parts/failed.jsonl.done"}


def test_vectors_of_the_first_round_are_taken_over(first: dict[str, bytes], second: Path):
    """What the first round has encoded for its checks is not encoded again: what is new comes behind it."""
    kept = {name: data for name, data in first.items() if name.endswith((".f16", ".f16.keys"))}

    assert kept
    for name, data in kept.items():
        assert (second / name).read_bytes().startswith(data)


def test_failures_are_those_of_the_tuned_model(world: World, second: Path, tmp_path: Path):
    """failed.jsonl holds the training queries whose passage the tuned model ranks below top_k, and no other."""
    folder = world.folder / "rounds" / RUN
    passages = list(read_records(folder / "passages.jsonl", Passage))
    examples = [e for e in read_records(folder / "examples.jsonl", Example) if e.split == "train"]
    model = load_encoder(str(folder / "model"), batch_size=8, vectors=tmp_path)
    scores = (
        model.encode([e.query for e in examples], "query")
        @ model.encode([p.full_text for p in passages], "document").T
    )
    own = [[p.id for p in passages].index(e.passage_id) for e in examples]
    ranks = 1 + (scores > scores[np.arange(len(own)), own][:, None] + 1e-5).sum(axis=1)
    failed = list(read_records(folder / "failed.jsonl", Failed))

    assert failed
    assert len(failed) < len(examples)
    wanted = {e.query_id for e, rank in zip(examples, ranks, strict=True) if rank > 3}
    assert {one.query_id for one in failed} == wanted
    splits = {p.id: p.split for p in passages}
    assert {splits[id] for one in failed for id in one.ask} == {"train"}
    quiet = {one.passage_id for one in failed if one.exemplar}
    assert quiet
    assert not quiet & {id for one in failed for id in one.ask}


def test_the_second_round_asks_about_what_failed(world: World, second: Path):
    """Its queries have draws of their own, stand with the passages that failures ask about, and show failures."""
    earlier = world.folder / "rounds" / RUN
    queries = list(read_records(second / "queries.jsonl", Query))
    failed = list(read_records(earlier / "failed.jsonl", Failed))

    assert {q.passage_id for q in queries} <= {id for one in failed for id in one.ask}
    assert {q.id.rpartition(":")[2] for q in queries} == {"1"}
    assert not {q.id for q in queries} & {
        q.id for q in read_records(earlier / "queries.jsonl", Query)
    }
    assert {q.split for q in queries} == {"train"}
    shown = {one.query_id for one in failed if one.exemplar}
    texts = {
        e.query for e in read_records(earlier / "examples.jsonl", Example) if e.query_id in shown
    }
    replaced = load(second / "run.yaml").generate.replace
    pools = {row["query"] for own in replaced.values() for row in own.examples}
    assert texts <= pools
    assert (second / "books.json").exists()
    asked = read_books(second)["generate.queries"]["in"]
    assert asked <= 2 * len({id for one in failed for id in one.ask})


def test_examples_of_both_rounds_are_trained_on(world: World, second: Path):
    """examples.jsonl begins with the first round's bytes; held-out passages are the same ones; the model is another."""
    earlier = world.folder / "rounds" / RUN
    before, after = ((f / "examples.jsonl").read_bytes() for f in (earlier, second))

    assert after.startswith(before)
    assert len(after) > len(before)
    held_out = [
        {e.passage_id for e in read_records(f / "examples.jsonl", Example) if e.split == "held_out"}
        for f in (earlier, second)
    ]
    assert held_out[0] == held_out[1] != set()
    texts = [e.query.casefold() for e in read_records(second / "examples.jsonl", Example)]
    assert len(texts) == len(set(texts))
    cards = [(f / "dataset" / "README.md").read_text() for f in (earlier, second)]
    assert [f"the round before, `{RUN}`" in card for card in cards] == [False, True]
    models = [(f / "model" / "model.safetensors").read_bytes() for f in (earlier, second)]
    assert models[0] != models[1]


def test_base_and_both_models_are_measured_in_pairs(second: Path):
    """The second round's measures hold base, round-1 and tuned, and compare tuned with each of the two."""
    found = json.loads((second / "evaluation" / "people.json").read_bytes())

    alone = ["base", "round-1", "tuned"]
    assert list(found["models"]) == [*alone, "bm25", *(f"{name}+bm25" for name in alone)]
    pairs = {(d["a"], d["b"]) for d in found["differences"]}
    assert {("tuned", "base"), ("round-1", "base"), ("tuned", "round-1")} <= pairs
    before = json.loads((second.parent / RUN / "evaluation" / "people.json").read_bytes())
    assert found["models"]["round-1"] == before["models"]["tuned"]


def test_a_finished_round_does_nothing(world: World, second: Path):
    """The same command on finished rounds asks for nothing, writes nothing, and says so."""
    asked, before = world.asked(), snapshot(second)
    done = world.synthneg(*COMMAND, "rounds", "--round", "2")

    assert "is finished" in done.stdout
    assert world.asked() == asked
    assert snapshot(second) == before


def test_a_killed_round_is_taken_up(world: World, second: Path):
    """Killed while it asks and while it trains, the same command ends in the files of an undisturbed round."""
    other = world.folder / "rounds-killed" / SECOND
    command = (*COMMAND, "rounds-killed", "--round", "2")
    for appears in ("queries.jsonl.part", "model.part"):
        assert world.kill_when(lambda name=appears: (other / name).exists(), *command)
    world.synthneg(*command)

    assert {n: (other / n).read_bytes() for n in FILES} == {
        n: (second / n).read_bytes() for n in FILES
    }


def test_nothing_failed_is_said(world: World, first: dict[str, bytes]):
    """Where the tuned model fails no query, the command ends with one line that names the bounds."""
    bounds = ("--set", "rounds.top_k=1000", "--set", "rounds.margin=-2")
    said = world.synthneg("run", "--outputs", "rounds", *bounds, "--round", "2", status=2).stderr

    assert "fails none (rounds.top_k 1000" in said.splitlines()[-1]
