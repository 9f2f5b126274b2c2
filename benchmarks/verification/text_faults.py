"""Faults that a text shows by itself or beside an evaluation set: refusals of a language model, and leaks."""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from document_faults import COPIES
from material import Material
from plant import sentences
from query_faults import DUPLICATES, said_again, usable
from report import Row, counted
from stage_runs import check_documents, check_queries, planted_run, query

from synthneg.scoring.base import Encoder
from synthneg.verify.content import talks
from synthneg.words import words

_TEXTS = json.loads(Path(__file__).with_name("refusals.json").read_text("utf-8"))
_HELD_SHARE = 4  # every fourth query is declared as the evaluation set

# How a refusal stands in a reply.
REFUSING: Mapping[str, Callable[[str, str], str]] = {
    "alone": lambda refusal, _: refusal,
    "typographic": lambda refusal, _: refusal.replace("'", "\u2019"),
    "marked up": lambda refusal, _: f"**{refusal.rstrip('.')}**\n",
    "before a passage": lambda refusal, passage: f"{refusal} {passage}",
    "inside a passage": lambda refusal, passage: _inside(refusal, passage),
    "after a passage": lambda refusal, passage: f"{passage}\n\n{refusal}",
}


def _inside(refusal: str, passage: str) -> str:
    parts = sentences(passage)
    return " ".join([*parts[:2], refusal, *parts[2:]])


def refusals(material: Material) -> list[Row]:
    """Return how many refusals are found, in each place of a text; false alarms on passages, queries, and traps.

    The traps are sentences that speak of refusing, or in words of refusals, and are none.
    """
    passages = list(material.texts.values())
    clean = {
        "passages": passages,
        "queries": list(material.queries.values()),
        "traps": _TEXTS["not_refusals"],
    }
    alarms = {kind: [talks(text) is not None for text in texts] for kind, texts in clean.items()}
    rows = []
    for place, put in REFUSING.items():
        texts = [
            put(refusal, passages[n % len(passages)])
            for n, refusal in enumerate(_TEXTS["refusals"])
        ]
        found = [talks(text) is not None for text in texts]
        rows += [
            counted(material.name, f"refusal {place}", "refusal, meta", found, kind, alarms[kind])
            for kind in (clean if place == "alone" else ("passages",))
        ]
    return rows


def missed_refusals() -> list[str]:
    """Return the refusals that are not found where they stand alone."""
    return [text for text in _TEXTS["refusals"] if talks(text) is None]


def leaks(material: Material, encoder: Encoder, seed: int, most: int) -> list[Row]:
    """Return how many queries and documents of a declared evaluation set are found among a run's own.

    Every fourth query is the evaluation set's, with the documents that are judged for it; the run has the others, and
    `most` copies of a kind. Of the clean ones, some say what a held one says.
    """
    ids = usable(material)
    held = ids[::_HELD_SHARE]
    with TemporaryDirectory() as folder:
        _write_set(Path(folder), material, held)
        own = [id for id in ids if id not in set(held)]
        copied = held[:most]
        rows = []
        for kind in DUPLICATES:
            rows.append(_query_leaks(material, encoder, seed, kind, own, copied, Path(folder)))
        for kind in COPIES:
            rows.append(_document_leaks(material, encoder, seed, kind, own, copied, Path(folder)))
    return rows


def _query_leaks(
    material: Material,
    encoder: Encoder,
    seed: int,
    kind: str,
    own: list[str],
    copied: list[str],
    folder: Path,
) -> Row:
    chance = random.Random(f"{seed} {kind}")
    stock = sorted({word for text in material.queries.values() for word in words(text)})
    rows = [query(id, material.queries[id], material.own[id]) for id in own]
    rows += [
        query(
            f"{id}:leak",
            said_again(material.queries[id], kind, chance, stock),
            material.own[own[n]],
        )
        for n, id in enumerate(copied)
    ]
    with planted_run(material.texts, folder) as run:
        refused = check_queries(run, rows, encoder)
    return counted(
        material.name,
        f"leaked query: {kind}",
        "leak",
        (refused.get(f"{id}:leak") == "leak" for id in copied),
        "other queries",
        (refused.get(id) == "leak" for id in own),
    )


def _document_leaks(
    material: Material,
    encoder: Encoder,
    seed: int,
    kind: str,
    own: list[str],
    copied: list[str],
    folder: Path,
) -> Row:
    chance = random.Random(f"{seed} {kind}")
    stock = sorted({word for text in material.queries.values() for word in words(text)})
    clean = {p.query: material.texts[p.document] for p in material.pairs if p.kind == "random"}
    judged = {d for id in material.queries if id not in set(own) for d in material.judged[id]}
    of_text = {material.texts[d] for d in judged}
    with planted_run(material.texts, folder) as run:
        rows = [query(id, material.queries[id], material.own[id]) for id in own]
        dropped = check_queries(run, rows, encoder)
        verified = [id for id in own if id not in dropped]
        planted = {
            id: [
                (f"{id}:leak", COPIES[kind](material.texts[material.own[leak]], chance, stock)),
                (f"{id}:clean", clean[id]),
            ]
            for id, leak in zip(verified, copied, strict=False)
        }
        refused = check_documents(run, planted, material.texts, encoder)
    return counted(
        material.name,
        f"leaked document: {kind}",
        "leak",
        (refused.get(f"{id}:leak") == "leak" for id in planted),
        "random documents",
        (refused.get(f"{id}:clean") == "leak" for id in planted if clean[id] not in of_text),
    )


def _write_set(folder: Path, material: Material, held: list[str]) -> None:
    """Write the held queries as an evaluation set in BEIR format, with the documents judged for them."""
    judged = {document for id in held for document in material.judged[id]}
    texts = {"queries": {id: material.queries[id] for id in held}}
    texts["corpus"] = {id: material.texts[id] for id in sorted(judged)}
    for name, rows in texts.items():
        lines = [json.dumps({"_id": id, "text": text}) for id, text in rows.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = [f"{id}\t{document}\t1" for id in held for document in material.judged[id]]
    (folder / "qrels").mkdir()
    (folder / "qrels" / "train.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )
