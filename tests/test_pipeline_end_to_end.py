"""`synthneg run` as a user gives it: a real process, a server that speaks the protocol, real files, no stand-in."""

import csv
import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from sentence_transformers import SentenceTransformer
from world import DROPPED, HOSTILE, KEY, PROMPTS, RUN, Walked, World, passages, snapshot

from synthneg.cli import main
from synthneg.records import WRITTEN

pytestmark = pytest.mark.slow

GRADES = 4
MINED = 8  # per query: what the settings want by default


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the records of a file of JSON lines."""
    return [json.loads(line) for line in (folder / name).read_bytes().split(b"\n")[:-1]]


def books(folder: Path) -> dict[str, Any]:
    """Return the stages of run.json."""
    stages: dict[str, Any] = json.loads((folder / "run.json").read_bytes())["stages"]
    return stages


def test_every_file_of_the_design_is_there(walked: Walked) -> None:
    """A finished run holds the files that other programs rely on, and nothing half-written."""
    names = {path.name for path in walked.folder.iterdir()}

    assert names >= {
        *("run.yaml", "run.json", "ledger.sqlite", "vectors", "dataset", "model", "evaluation"),
        *("queries.jsonl", "documents.jsonl", "scores.jsonl", "examples.jsonl", "rejects.jsonl"),
    }
    assert not [p for p in walked.folder.rglob("*") if p.name.endswith((".part", ".old"))]


def test_books_balance_from_the_corpus_to_the_dataset(walked: Walked) -> None:
    """For each stage in = kept + rejected + failed, and in is what the one before kept, times what was asked of it."""
    stages = books(walked.folder)
    for name, counts in stages.items():
        ends = counts["kept"] + sum(counts["rejected"].values()) + sum(counts["failed"].values())
        assert counts["in"] == ends, name
    kept = {name: counts["kept"] for name, counts in stages.items()}
    assert {name: counts["in"] for name, counts in stages.items()} == {
        "corpus": len(passages()) + len(HOSTILE) + len(DROPPED),
        "generate.queries": kept["corpus"] * len(PROMPTS),
        "verify.queries": kept["generate.queries"],
        "generate.documents": kept["verify.queries"] * (1 + GRADES),
        "generate.negatives": kept["verify.queries"],
        "mine": kept["verify.queries"] * MINED,
        "verify.documents": kept["generate.documents"] + kept["generate.negatives"] + kept["mine"],
        "export": kept["verify.queries"],
    }
    assert kept["corpus"] == len(passages()) + len(HOSTILE)


def test_every_loss_has_its_line(walked: Walked) -> None:
    """rejects.jsonl names each dropped record once, with stage, reason and detail, as the books count them."""
    rejects = rows(walked.folder, "rejects.jsonl")
    counted = Counter((row["stage"], row["reason"]) for row in rejects)

    for stage, counts in books(walked.folder).items():
        losses = {**counts["rejected"], **counts["failed"]}
        assert {reason: counted[stage, reason] for reason in losses} == losses
    assert counted.total() == sum(
        sum(c["rejected"].values()) + sum(c["failed"].values())
        for c in books(walked.folder).values()
    )
    assert all(row["detail"] for row in rejects)
    assert len({(row["stage"], row["id"]) for row in rejects}) == len(rejects)


def test_hostile_passages_go_through_or_are_counted(walked: Walked) -> None:
    """Role markers, Jinja, JSON, HTML, NUL and RTL stay the text they were; what cannot be used is a counted reject."""
    read = {row["id"]: row["text"] for row in rows(walked.folder, "passages.jsonl")}
    dropped = {
        row["id"]: row["reason"]
        for row in rows(walked.folder, "rejects.jsonl")
        if row["stage"] == "corpus"
    }

    assert {id: read[id] for id in HOSTILE} == HOSTILE
    assert dropped == {id: reason for id, (reason, _) in DROPPED.items()}
    queried = {row["passage_id"] for row in rows(walked.folder, "queries.jsonl")}
    assert queried == set(read) - {"refused", "silent"}
    reasons = {
        (row["id"].split(":")[0], row["reason"])
        for row in rows(walked.folder, "rejects.jsonl")
        if row["stage"] == "generate.queries"
    }
    assert reasons == {("refused", "refusal"), ("silent", "empty")}


def test_every_record_says_where_it_comes_from(walked: Walked) -> None:
    """Queries and documents carry prompt with hash, model, sampling and a ledger key that no other reply has."""
    written = rows(walked.folder, "queries.jsonl")
    written += [row for row in rows(walked.folder, "documents.jsonl") if row["source"] in WRITTEN]

    for row in written:
        assert re.fullmatch(
            r"(query|document|negative)/[a-z-]+@[0-9a-f]{8}", row["origin"]["prompt"]
        )
        assert row["origin"]["model"] == "loopback-llm"
        assert row["origin"]["sampling"]["max_tokens"] > 0
        assert re.fullmatch(r"[0-9a-f]{32}", row["origin"]["key"])
    one_a_reply = [row["origin"]["key"] for row in written if row.get("source") != "graded"]
    assert len(set(one_a_reply)) == len(one_a_reply)


def test_run_json_is_written_last_and_says_all(walked: Walked) -> None:
    """run.json has its fields, is newer than all but the report, and counts as many requests as the server had."""
    file = walked.folder / "run.json"
    facts = json.loads(file.read_bytes())

    assert set(facts) >= {"run", "seed", "finished", "stages", "llm", "versions"}
    assert (facts["run"], facts["seed"]) == (RUN, 7)
    assert set(facts["llm"]) >= {"requests", "from_ledger", "tokens_in", "tokens_out", "usd"}
    assert facts["llm"]["requests"] == len(set(walked.asked[0]))
    assert facts["llm"]["tokens_in"] > facts["llm"]["tokens_out"] > 0
    assert set(facts["versions"]) >= {"synthneg", "python", "torch", "sentence-transformers"}
    last = ("run.json", "report.html")
    others = [p for p in walked.folder.rglob("*") if p.is_file() and p.name not in last]
    assert all(file.stat().st_mtime_ns >= p.stat().st_mtime_ns for p in others)


def test_a_request_is_sent_once(walked: Walked) -> None:
    """Walking to the export asks for each reply once, and walking on from there to the end asks for nothing."""
    before, after = walked.asked

    assert len(before) == len(set(before)) > 200
    assert after == []
    assert "run.json" not in walked.exported
    assert "dataset/README.md" in walked.exported
    finished = snapshot(walked.folder)
    changed = {n for n, data in walked.exported.items() if finished[n] != data}
    assert all(name.startswith("vectors/") for name in changed)


def test_the_dataset_is_read_as_it_is(walked: Walked) -> None:
    """`load_dataset` on the folder gives triplets whose texts are the examples', with train and validation."""
    cache = walked.folder.parent / "cache"
    dataset = load_dataset(str(walked.folder / "dataset"), "triplet", cache_dir=str(cache))
    examples = rows(walked.folder, "examples.jsonl")
    texts = {e["query"]: e["split"] for e in examples}

    assert set(dataset) == {"train", "validation"}
    assert dataset["train"].column_names == ["query", "positive", "negative"]
    assert {texts[q] for q in dataset["train"]["query"]} == {"train"}
    assert {texts[q] for q in dataset["validation"]["query"]} == {"held_out"}


def test_held_out_passages_are_never_trained_on(walked: Walked) -> None:
    """No query of a held-out passage is in a train split of any shape, and there are such queries."""
    held_out = {r["id"] for r in rows(walked.folder, "passages.jsonl") if r["split"] == "held_out"}
    examples = rows(walked.folder, "examples.jsonl")
    kept_apart = {e["query_id"] for e in examples if e["passage_id"] in held_out}
    texts = {e["query"] for e in examples if e["passage_id"] in held_out}

    assert texts
    for shape in ("triplet-full", "n-tuple-full", "labeled-list-full"):
        cache = walked.folder.parent / "cache"
        train = load_dataset(
            str(walked.folder / "dataset"), shape, split="train", cache_dir=str(cache)
        )
        assert train.num_rows > 0
        assert not kept_apart & set(train["query_id"])
        assert not texts & set(train["query"])
        assert not held_out & set(train["passage_id"])
    with (walked.folder / "dataset" / "beir" / "qrels" / "train.tsv").open(newline="") as stream:
        judged = {row["query-id"] for row in csv.DictReader(stream, delimiter="\t")}
    assert judged
    assert not kept_apart & judged


def test_the_model_loads_and_was_tuned(walked: Walked, world: World) -> None:
    """`SentenceTransformer` loads the model folder, and its vectors are no longer the base model's."""
    tuned = SentenceTransformer(str(walked.folder / "model"))
    base = SentenceTransformer(str(world.folder / "tiny"))

    texts = ["the old lighthouse", "a market near the river"]
    assert abs(tuned.encode(texts) - base.encode(texts)).max() > 1e-4


@pytest.mark.parametrize(("name", "synthetic"), [("people", False), ("held-out", True)])
def test_measures_have_the_fields_of_the_design(walked: Walked, name: str, synthetic: bool) -> None:
    """evaluation/<collection>.json holds means with intervals per model, and differences with p and a verdict."""
    found = json.loads((walked.folder / "evaluation" / f"{name}.json").read_bytes())

    assert (found["collection"], found["synthetic"]) == (name, synthetic)
    assert found["queries"] > 0
    both = set() if synthetic else {"base+bm25", "tuned+bm25"}
    assert set(found["models"]) == {"base", "tuned", "bm25"} | both
    for measures in found["models"].values():
        assert set(measures) == {"nDCG@10", "P@10", "R@100"}
        for value in measures.values():
            assert 0 <= value["low"] <= value["mean"] <= value["high"] <= 1
    against_base = [d for d in found["differences"] if (d["a"], d["b"]) == ("tuned", "base")]
    assert {d["measure"] for d in against_base} == {"nDCG@10", "P@10", "R@100"}
    for d in against_base:
        assert 0 < d["p"] <= 1
        assert d["low"] <= d["mean"] <= d["high"]
        assert d["verdict"] in {"better", "worse", "not distinguishable"}


def test_the_last_words_are_books_measures_and_paths(walked: Walked) -> None:
    """The run ends with its books, its tables, and where dataset and model lie, on standard output alone."""
    said = walked.said[1].stdout

    for words in ("verify.documents", "not distinguishable", "synthetic queries", "whole/model"):
        assert words in said
    assert "Traceback" not in walked.said[1].stderr
    assert "%|" not in "".join(done.stderr for done in walked.said)  # no bars of libraries


def test_a_finished_run_is_left_alone(walked: Walked, world: World) -> None:
    """The same command on a finished run says so, touches no file and asks nothing."""

    def times() -> dict[str, int]:
        return {str(p): p.stat().st_mtime_ns for p in walked.folder.rglob("*")}

    before, asked = times(), len(world.asked())

    done = world.synthneg("run", "--outputs", "undisturbed")

    assert "is finished" in done.stdout
    assert "nothing to do" in done.stdout
    assert times() == before
    assert len(world.asked()) == asked


def test_another_threshold_asks_and_encodes_nothing(walked: Walked, world: World) -> None:
    """With a stricter check on a copy of the run, fewer queries pass; no request is sent and no vector is added."""
    copy = world.run_folder("stricter")
    shutil.copytree(walked.folder, copy)
    vectors = {n: d for n, d in snapshot(copy).items() if n.startswith("vectors/")}
    asked = len(world.asked())

    arguments = ["--set", "verify.queries.round_trip_k=20", "--until", "verify.documents"]
    world.synthneg("run", *arguments, "--outputs", "stricter")

    assert len(world.asked()) == asked
    after = snapshot(copy)
    assert {n: d for n, d in after.items() if n.startswith("vectors/")} == vectors
    few = len(rows(copy, "verified_queries.jsonl"))
    assert 0 < few < len(rows(walked.folder, "verified_queries.jsonl"))
    assert after["queries.jsonl"] == (walked.folder / "queries.jsonl").read_bytes()
    assert "run.json" not in after
    assert not [
        name for name in after if name.startswith("evaluation/")
    ]  # measures of another dataset
    said = world.synthneg("status", RUN, "--outputs", "stricter").stdout
    assert "not finished; `synthneg run` takes it up" in said


def test_many_requests_at_once_change_no_byte(walked: Walked, world: World) -> None:
    """Runs with 1 and with 64 requests in flight write the same files, to the byte."""
    world.synthneg(
        *("run", "--until", "export", "--outputs", "many", "--set", "llm.concurrency=64")
    )

    many, one = snapshot(world.run_folder("many")), dict(walked.exported)
    changed = many.pop("run.yaml").replace(b"concurrency: 64", b"concurrency: 1")
    assert changed == one.pop("run.yaml")
    assert many == one


def test_stages_one_by_one_write_what_run_writes(walked: Walked, world: World) -> None:
    """`generate` and `verify` in turn write what `run` does; a command given twice changes and asks nothing more."""

    def command(name: str) -> str:
        return world.synthneg(name, "--outputs", "steps").stdout

    assert "Next: `synthneg verify`" in command("generate")
    assert "Next: `synthneg generate`" in command("verify")
    assert "Next" not in command("generate")
    asked, before = len(world.asked()), snapshot(world.run_folder("steps"))
    assert "Next" not in command("generate")
    assert snapshot(world.run_folder("steps")) == before
    command("verify")
    assert len(world.asked()) == asked

    wanted = {
        name: data
        for name, data in walked.exported.items()
        if not name.startswith(("dataset/", "parts/rejects.jsonl/export"))
        and name not in ("exported.jsonl", "books.json", "probe.jsonl", "parts/probe.jsonl.done")
    }
    steps = snapshot(world.run_folder("steps"))
    del steps["books.json"]
    assert steps == wanted


def test_generate_leaves_a_finished_run_finished(walked: Walked, world: World) -> None:
    """`generate` on a finished run with the same settings changes no byte: model, measures and run.json stand."""
    copy = world.run_folder("regenerated")
    shutil.copytree(walked.folder, copy)
    before = snapshot(copy)

    world.synthneg("generate", "--outputs", "regenerated")

    assert snapshot(copy) == before
    assert "run.json" in before


def test_publish_shows_and_sends_nothing(
    walked: Walked,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without --yes, `publish` prints files and card, and says that nothing has been sent."""
    shown = cli(
        ["publish", RUN, "--outputs", "undisturbed", "--set", "publish.repo=ann/whole"],
        world,
        monkeypatch,
        capsys,
    )

    assert "dataset ann/whole (private)" in shown
    assert "triplet/train.parquet" in shown
    assert "Nothing has been sent" in shown


def test_any_models_are_measured_against_each_other(
    walked: Walked,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`evaluate MODEL MODEL --collection PATH --json FILE` prints a table and writes the same numbers."""
    tuned = "undisturbed/whole/model"
    arguments = ["evaluate", "tiny", tuned, "--collection", "people", "--json", "numbers.json"]

    said = cli(arguments, world, monkeypatch, capsys)

    (found,) = json.loads((world.folder / "numbers.json").read_bytes())
    assert set(found["models"]) == {"tiny", tuned, "bm25", "tiny+bm25", f"{tuned}+bm25"}
    mean = found["models"]["bm25"]["nDCG@10"]["mean"]
    assert re.search(rf"^ *bm25 +{mean:.3f} ", said, re.MULTILINE)
    in_run = json.loads((walked.folder / "evaluation" / "people.json").read_bytes())["models"]
    assert mean == in_run["bm25"]["nDCG@10"]["mean"]


def cli(
    arguments: list[str],
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """Run the command line in this process, in the world's folder, and return its standard output."""
    monkeypatch.chdir(world.folder)
    monkeypatch.setattr(sys, "argv", ["synthneg", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    written = capsys.readouterr()
    assert not ended.value.code, written.err
    return written.out


def test_status_shows_the_books(walked: Walked, world: World) -> None:
    """`synthneg status` says that the run is finished, each stage with its counts, and what the model cost."""
    said = world.synthneg("status", RUN, "--outputs", "undisturbed").stdout

    assert f"{RUN}: finished" in said
    for stage, counts in books(walked.folder).items():
        line = re.search(rf"^ *{re.escape(stage)} +(\S+) +(\S+) +(.*)$", said, re.MULTILINE)
        assert line
        assert [line[1], line[2]] == [str(counts["in"]), str(counts["kept"])]
        for reason, count in counts["rejected"].items():
            assert f"{reason} {count}" in line[3]
    llm = json.loads((walked.folder / "run.json").read_bytes())["llm"]
    assert f"{llm['requests']:,} replies" in said
    assert f"{llm['tokens_in']:,} tokens in" in said


def test_show_gives_the_lineage_of_a_query(walked: Walked, world: World) -> None:
    """`synthneg show` prints a query's prompt as sent, hostile passage and all, the raw reply, scores and documents."""
    (query, *_) = [r for r in rows(walked.folder, "queries.jsonl") if r["passage_id"] == "jinja"]

    said = world.synthneg("show", RUN, query["id"], "--outputs", "undisturbed").stdout

    assert query["text"] in said
    tag = query["origin"]["prompt"]
    copy = f"undisturbed/{RUN}/prompts/{tag.replace('/', '.')}.j2"
    assert (
        f"text of the prompt: {copy}; synthneg prompts show {tag} --run undisturbed/{RUN}" in said
    )
    assert HOSTILE["jinja"] in said
    assert "=== system" in said
    assert "=== raw reply (stop," in said
    assert "scorer: rank" in said


def test_show_gives_the_reason_of_a_reject(walked: Walked, world: World) -> None:
    """`synthneg show` on what was dropped prints stage, reason and the numbers behind it."""
    (row, *_) = [r for r in rows(walked.folder, "rejects.jsonl") if r["reason"] == "round_trip"]

    said = world.synthneg("show", RUN, row["id"], "--outputs", "undisturbed").stdout

    assert "reason: round_trip" in said
    assert row["detail"] in said


def test_the_key_is_nowhere(walked: Walked, world: World) -> None:
    """The key that the server demanded is in no file of the run, in no byte, and in nothing that was printed."""
    files = [p for p in walked.folder.rglob("*") if p.is_file()]

    assert len(files) > 20
    assert [p for p in files if KEY.encode() in p.read_bytes()] == []
    for done in walked.said:
        assert KEY not in done.stdout + done.stderr
    assert "LOOPBACK_KEY" in (walked.folder / "run.yaml").read_text()
