"""Runs of known queries and passages, with a real model, a real training and real measures."""

import csv
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from synthneg.corpus.docstrings import read_docstrings
from synthneg.evaluate.collection import read_collection
from synthneg.pipeline import evaluate_model
from synthneg.records import Example, Judged, Origin, Passage, Query
from synthneg.run import Run
from synthneg.scoring.encoder import load_encoder, load_model
from synthneg.scoring.search import top_k
from synthneg.settings import resolve
from synthneg.stages import compare_queries, declared_sets, leak_inputs, open_encoder
from synthneg.train.fit import train
from synthneg.verify.gate import write_leaks
from synthneg.verify.near import letters, near_pairs, phrases
from synthneg.verify.probed import write_probes

ORIGIN = Origin("query/claim@1b9d6bcd", "people", {}, 0, "none")
_WORDS = 40  # of a docstring that is a passage: quick to train on
_DEEPEST = 50  # rank down to which a negative is looked for
_SHARE, _MARGIN, _COPY = 0.95, 0.05, 0.85  # as verification's defaults


def save_first_layers(folder: Path, model: str, layers: int) -> Path:
    """Write a BERT-like model to `folder`, cut after so many of its layers: real weights, quick to train."""
    cut = load_model(model, None)
    transformer = cut[0].auto_model
    transformer.encoder.layer = transformer.encoder.layer[:layers]
    transformer.config.num_hidden_layers = layers
    cut.save_pretrained(str(folder))
    return folder


@dataclass(frozen=True)
class Material:
    """Passages, and queries with the passages that answer them."""

    passages: Mapping[str, str]
    queries: Mapping[str, str]
    answers: Mapping[str, tuple[str, ...]]


def material_of_collection(folder: Path, split: str, passages: int, seed: int) -> Material:
    """Return the queries of a split, the passages that it judges relevant, and others up to a number."""
    read = read_collection(folder, split)
    texts = dict(zip(read.document_ids, read.document_texts, strict=True))
    answers = {
        id: tuple(d for d, grade in judged.items() if grade > 0 and d in texts)
        for id, judged in read.qrels.items()
    }
    answers = {id: found for id, found in answers.items() if found}
    judged = {d for found in answers.values() for d in found}
    others = sorted(texts.keys() - judged)
    random.Random(seed).shuffle(others)
    kept = judged.union(others[: max(0, passages - len(judged))])
    return Material(
        {id: text for id, text in texts.items() if id in kept},
        {id: read.queries[id] for id in answers},
        answers,
    )


def material_of_docstrings(packages: tuple[str, ...], most: int) -> Material:
    """Return passages whose first sentence was cut off and serves as their query; none is like another one."""
    passages, queries = {}, {}
    for raw in read_docstrings(packages):
        first, stop, rest = raw.text.partition(". ")
        if stop and 4 <= len(first.split()) <= 25 and len(rest.split()) >= 15:
            passages[raw.id] = " ".join(rest.split()[:_WORDS])
            queries[f"q:{raw.id}"] = first
    ids = list(passages)
    pairs = (
        *near_pairs(list(passages.values()), phrases, 0.5),
        *near_pairs(list(queries.values()), letters, 0.5),
    )
    again = {ids[pair.later] for pair in pairs}
    kept = [id for id in ids if id not in again]
    random.Random(0).shuffle(kept)
    return Material(
        {id: passages[id] for id in kept},
        {f"q:{id}": queries[f"q:{id}"] for id in kept[:most]},
        {f"q:{id}": (id,) for id in kept[:most]},
    )


@dataclass(frozen=True)
class Plan:
    """What a run is made of; a fault is a function that changes one."""

    passages: Mapping[str, str]
    examples: tuple[Example, ...]
    measured: Mapping[str, tuple[str, tuple[str, ...]]]  # query id -> text, answers
    people: Mapping[str, tuple[str, tuple[str, ...]]]  # of another split
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def with_train(self, **settings: Any) -> "Plan":
        """Return the plan with other settings of training."""
        return replace(self, settings=self.settings | {"train": self.settings["train"] | settings})


def plan_of(
    material: Material, model: str, vectors: Path, seed: int, learnt: int, **learn: Any
) -> Plan:
    """Return a healthy plan: so many queries are trained on, each with a mined negative; the others measured."""
    ids = sorted(material.queries)
    random.Random(seed).shuffle(ids)
    encoder = load_encoder(model, batch_size=32, vectors=vectors)
    places = list(material.passages)
    corpus = encoder.encode(list(material.passages.values()), "document")
    row_of = {id: row for row, id in enumerate(places)}
    taught, measured = ids[:learnt], ids[learnt:]
    asked = encoder.encode([material.queries[id] for id in taught], "query")
    near = top_k(asked, corpus, _DEEPEST)[0]
    examples = []
    for id, query, found in zip(taught, asked, near, strict=True):
        answers = material.answers[id]
        own = corpus[row_of[answers[0]]]
        known = {row_of[a] for a in answers}
        rows = [row for row in found.tolist() if row not in known and _fit(corpus[row], query, own)]
        documents = [_judged(answers[0], material, query, own, own, 3)]
        documents += [_judged(places[r], material, query, corpus[r], own, 1) for r in rows[:1]]
        text = material.queries[id]
        examples.append(Example(id, text, answers[0], "train", ORIGIN, tuple(documents)))

    def pairs(some: list[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
        return {id: (material.queries[id], material.answers[id]) for id in some}

    settings = {
        "seed": seed,
        "verify": {"encoder": model, "leaks": {"query_cosine": 0.98, "document_cosine": None}},
        "train": {"base_model": model, "batch_size": 16} | learn,
    }
    return Plan(material.passages, tuple(examples), pairs(measured), pairs(taught), model, settings)


def _fit(row: "np.ndarray", query: "np.ndarray", own: "np.ndarray") -> bool:
    best, cosine = float(own @ query), float(row @ query)
    return cosine < min(_SHARE * best, best - _MARGIN) and float(row @ own) < _COPY


def _judged(id: str, material: Material, query: Any, row: Any, own: Any, grade: int) -> Judged:
    scores = {"cosine": float(query @ row), "cosine_to_positive": float(row @ own)}
    source = "corpus" if grade == 3 else "dense"
    return Judged(id, material.passages[id], "", grade, source, scores, None)


def carry_out(plan: Plan, folder: Path, vectors: Path) -> Path:
    """Write the run, train and measure it, and return its folder."""
    collection = folder / "people"
    _write_collection(plan, collection)
    values = {"run": "sick", "corpus": {"path": str(collection), "held_out": 0.0}} | plan.settings
    values["evaluate"] = {
        "collections": [str(collection)],
        "bm25": False,
        "resamples": 2000,
    } | dict(values.get("evaluate", {}))
    run = Run(folder / "outputs", resolve(values, "planted"))
    run.vectors = vectors
    try:
        _write_stages(run, plan)
        train(run)
        evaluate_model(run)
    finally:
        run.close()
    return run.folder


def _write_collection(plan: Plan, folder: Path) -> None:
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": id, "title": "", "text": text} for id, text in plan.passages.items()]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = plan.measured | plan.people
    texts = [{"_id": id, "text": text} for id, (text, _) in asked.items()]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts))
    for split, queries in (("test", plan.measured), ("train", plan.people)):
        if queries:
            with (folder / "qrels" / f"{split}.tsv").open("w", newline="") as stream:
                table = csv.writer(stream, delimiter="\t")
                table.writerow(("query-id", "corpus-id", "score"))
                table.writerows((id, a, 1) for id, (_, found) in queries.items() for a in found)


def _write_stages(run: Run, plan: Plan) -> None:
    queries = [
        Query(e.query_id, e.query, e.passage_id, "train", e.origin, ()) for e in plan.examples
    ]
    passages = [Passage(id, text, "") for id, text in plan.passages.items()]
    kept: list[tuple[str, str, list[Any]]] = [
        ("corpus", "passages.jsonl", passages),
        ("generate.queries", "queries.jsonl", queries),
        ("verify.queries", "verified_queries.jsonl", queries),
        ("generate.documents", "documents.jsonl", []),
        ("verify.documents", "examples.jsonl", list(plan.examples)),
    ]
    for stage, file, records in kept:
        with run.stage(stage, file) as opened:
            for record in records:
                opened.take()
                opened.keep(record)
    compare_queries(run, open_encoder(run))
    run.file("alike_documents.jsonl").touch()
    write_leaks(run, list(declared_sets(run.config)), leak_inputs(run.config))
    write_probes(run)
