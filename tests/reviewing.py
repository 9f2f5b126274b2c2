"""A run for the tests of reviews: real checks over texts whose nearness is planted, and people who know the truth."""

import random
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthneg.records import Document, Origin, Passage, Query
from synthneg.review.answers import Answer, Said, notes
from synthneg.review.items import Item, items
from synthneg.review.texts import texts_of
from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries

PROMPTS = ("query/question@11111111", "query/claim@22222222")
GRADED, NEGATIVE = "document/graded@33333333", "negative/from-query@44444444"
_STOCK = (
    "harbour bakery glacier orchard railway beehive foundry library vineyard lighthouse sawmill quarry pottery windmill"
    " aqueduct tannery brewery shipyard monastery walls river roof stairs keeper tools winter market road history bread"
).split()
_EXTRA = 4000  # axis from which on each text that needs one has one of its own
_DIMENSION = 9000


class PlantedEncoder:
    """Reads a text's vector from its own first word, such as `v3_800_7_600`: 0.8 on axis 3, 0.6 on axis 7."""

    name = "planted"

    def encode(self, texts, role):
        """Return (n, d) unit rows."""
        rows = np.zeros((len(texts), _DIMENSION), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            numbers = list(map(int, re.search(r"v(\d[\d_]*)", text)[1].split("_")))
            for axis, weight in zip(numbers[::2], numbers[1::2], strict=True):
                row[axis] += weight
            row /= np.linalg.norm(row)
        return rows


class Near(NamedTuple):
    """A document of a query: how near it stands, and what it is."""

    cosine: float
    source: str = "negative"
    grade: int = 1


class Planted(NamedTuple):
    """A query: the rank at which it finds its passage, and its documents."""

    rank: int = 1
    documents: Sequence[Near] = ()
    prompt: str = PROMPTS[0]


def planted_run(outputs: Path, wanted: Sequence[Planted], name: str = "planted", **verify) -> Path:
    """Return the folder of a run with these queries, checked by the real checks."""
    config = {"run": name, "corpus": {"path": "x"}, "verify": verify}
    chance = random.Random(name)
    with closing(Run(outputs, resolve(config, "test"))) as run:
        passages = [Passage(f"p{i}", f"v{i}_1000 {_words(chance)}") for i in range(len(wanted))]
        _plant(run, "corpus", "passages.jsonl", passages)
        made = [_query(i, planted, len(wanted), chance) for i, planted in enumerate(wanted)]
        _plant(run, "generate.queries", "queries.jsonl", made)
        verify_queries(run, PlantedEncoder())
        documents = []
        for i, (query, planted) in enumerate(zip(made, wanted, strict=True)):
            documents.append(Document(f"p{i}", query.id, passages[i].text, "", 3, "corpus"))
            documents += _documents(i, query, planted, chance)
        verified = {q.id for q in run.read("verified_queries.jsonl", Query)}
        documents = [d for d in documents if d.query_id in verified]
        _plant(run, "generate.documents", "documents.jsonl", documents)
        if documents:
            verify_documents(run, PlantedEncoder())
    return outputs / name


def _query(i, planted, count, chance):
    weights = [i, 800, _EXTRA + i, 600]
    if planted.rank > 1:
        rivals = [(i + k) % count for k in range(1, planted.rank)]
        weights = [i, 500, *(number for rival in rivals for number in (rival, 600))]
    text = f"what of {_words(chance, 4)} v{'_'.join(map(str, weights))}"
    return Query(f"p{i}.q", text, f"p{i}", "train", Origin(planted.prompt, "m", {}, i, f"key{i}"))


def _documents(i, query, planted, chance):
    for number, near in enumerate(planted.documents):
        far = round(1000 * (1 - near.cosine**2) ** 0.5)
        along, private = round(800 * near.cosine), round(600 * near.cosine)
        axis = _EXTRA + 2000 + (i * 7 + number) % 2900
        text = f"v{i}_{along}_{_EXTRA + i}_{private}_{axis}_{far} {_words(chance)}"
        origin = Origin(GRADED if near.source == "graded" else NEGATIVE, "m", {}, number, "k")
        if near.source in ("bm25", "dense"):
            origin = None
        id = f"{query.id}.d{number}"
        yield Document(id, query.id, text, "", near.grade, near.source, origin)


def _words(chance, count=24):
    return " ".join(f"{chance.choice(_STOCK)}{chance.randrange(10**6)}" for _ in range(count))


def _plant(run, stage_name, file, records):
    with run.stage(stage_name, file) as stage:
        for record in records:
            stage.take()
            stage.keep(record)


def answer_all(
    folder: Path,
    said: Callable[[Item], Said | None],
    only: Iterable[Item] | None = None,
    reviewer: str = "",
) -> int:
    """Write what a person says of the items, all of the run unless some are given; None is no answer."""
    found = list(items(folder) if only is None else only)
    texts = texts_of(folder, found)
    answers = [
        Answer(*i.key, i.question, s, 2.0, reviewer, texts[i.key].mark, "2026-01-01T00:00:00+00:00")
        for i in found
        if (s := said(i)) is not None
    ]
    with notes(folder) as out:
        out.add(answers)
    return len(answers)
