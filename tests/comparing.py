"""A small world of comparisons: 48 passages, a run of verified queries and examples, a collection, a static student."""

import json
import random
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from mining import opened, query
from tiny_model import save_static_model

from synthneg.compare.plan import Plan, plan, read_file
from synthneg.records import Example, Judged, Passage, Query
from synthneg.settings import load
from synthneg.stages import declared_sets, leak_inputs
from synthneg.verify.alike import DOCUMENTS, QUERIES
from synthneg.verify.gate import write_leaks

WORDS = [f"word{n}" for n in range(90)]
PASSAGES = 48
ARMS: dict[str, Any] = {
    "none": {"negatives": "none"},
    "random": {"negatives": "random"},
    "bm25": {"negatives": "bm25:2"},
    "generated": {"negatives": "negative"},
}


def texts() -> list[str]:
    """Return the passages: twelve words each, of which neighbours share some."""
    return [
        " ".join(random.Random(f"passage {n}").sample(WORDS[n : n + 40], 12))
        for n in range(PASSAGES)
    ]


def asked(n: int, kind: str) -> str:
    """Return a query of four words of a passage."""
    return " ".join(random.Random(f"{kind} {n}").sample(texts()[n].split(), 4))


def collection(folder: Path, split: str = "dev") -> Path:
    """Write a BEIR folder: a query for each passage, in other words than those trained on."""
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": f"p{n}", "title": "", "text": text} for n, text in enumerate(texts())]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = [{"_id": f"q{n}", "text": asked(n, folder.name)} for n in range(PASSAGES)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judged = "".join(f"q{n}\tp{n}\t1\n" for n in range(PASSAGES))
    (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    return folder


def world(folder: Path, *, near: bool = False) -> Path:
    """Write model, collection and the run `small` under outputs/; return the folder.

    Each query has two written negatives: other words, or with `near` the words of its passage in another order.
    """
    save_static_model(folder / "table", WORDS)
    collection(folder / "people")
    passages = [
        Passage(f"p{n}", text, "", "held_out" if n % 12 == 11 else "train")
        for n, text in enumerate(texts())
    ]
    queries = []
    for n, passage in enumerate(passages):
        for i, kind in enumerate(("question", "claim")):
            one = query(f"p{n}.{i}", asked(n, kind), passage.id)
            origin = replace(one.origin, prompt=f"query/{kind}@1b9d6bcd")
            queries.append(replace(one, split=passage.split, origin=origin))
    sections = {
        "verify": {
            "encoder": str(folder / "table"),
            "leaks": {"collections": [f"{folder / 'people'}:dev"]},
        },
        "mine": {"positive_aware": False},
        "train": {
            "base_model": str(folder / "table"),
            "learning_rate": 0.2,
            "batch_size": 16,
            "epochs": 2,
        },
        "evaluate": {"resamples": 500, "measures": ["nDCG@10"]},
    }
    with closing(opened(folder / "outputs", passages, queries, **sections)) as run:
        with run.stage("verify.documents", "examples.jsonl") as stage:
            for one in queries:
                stage.take()
                stage.keep(_example(one, passages, near))
        for file in (QUERIES, DOCUMENTS):
            run.file(file).write_bytes(b"")
        write_leaks(run, list(declared_sets(run.config)), leak_inputs(run.config))
    return folder


def _example(one: Query, passages: list[Passage], near: bool) -> Example:
    place = int(one.passage_id[1:])
    own = passages[place]
    positive = Judged(own.id, own.text, "", 3, "corpus", {"upside_down": 0.0}, None)
    others = [own.text.split() if near else WORDS for _ in range(2)]
    written = tuple(
        Judged(
            f"{one.id}.n{i}",
            " ".join(random.Random(f"{one.id} {i}").sample(words, 12)),
            "", 1, "negative", {"upside_down": 1.0}, one.origin,
        )
        for i, words in enumerate(others)
    )  # fmt: skip
    return Example(one.id, one.text, own.id, one.split, one.origin, (positive, *written))


def declared(folder: Path, arms: dict[str, Any] | None = None, **settings: Any) -> Path:
    """Write a file of arms, and return its path."""
    values = {
        "compare": "first",
        "run": "small",
        "seeds": [1, 2],
        "evaluate": {"collections": [str(folder / "people")], "split": "dev"},
        "arms": ARMS if arms is None else arms,
    }
    file = folder / "compare.yaml"
    file.write_text(yaml.safe_dump(values | settings, sort_keys=False))
    return file


def planned(folder: Path, arms: dict[str, Any] | None = None, **settings: Any) -> Plan:
    """Return the plan of a file of arms over the run."""
    file = declared(folder, arms, **settings)
    config = load(folder / "outputs" / "small" / "run.yaml")
    return plan(read_file(file, ()), config, str(file))
