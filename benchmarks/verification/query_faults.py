"""Faults of queries: swapped passages, duplicates, copies, words about the passage, another language."""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from curves import Scored
from material import Material
from plant import (
    SPEAKING,
    copied_from,
    one_word_changed,
    reordered,
    same_words,
    swapped,
)
from report import Row, counted
from stage_runs import check_queries, planted_run, query, ranks, siblings

from synthneg.scoring.base import Encoder
from synthneg.scoring.language import Language
from synthneg.words import words

_LEAST_WORDS = 6  # of a query of which one word may change and the rest still says the same
_SENTENCES = Path(__file__).parents[1] / "prompts" / "language_sentences.json"
_FILLERS = ("really", "actually", "indeed", "generally", "often")
_COPIED = range(14, 26)  # words of a copy; the check refuses more than 12 in a row


def usable(material: Material) -> list[str]:
    """Return the ids of queries of two words and more, for shorter ones have a check of their own."""
    return [id for id, text in material.queries.items() if len(words(text)) > 1]


def swapped_pairs(
    material: Material, encoder: Encoder, seed: int
) -> tuple[list[Row], Scored, frozenset[str]]:
    """Return what the round trip finds, the ranks, and which queries pass all checks with their own passages.

    Two runs, in each of which every second query has another's passage.
    """
    ids = usable(material)
    other = swapped({id: material.own[id] for id in ids}, material.judged, random.Random(seed))
    refused_swapped: dict[str, str] = {}
    refused_clean: dict[str, str] = {}
    rank_swapped: dict[str, int] = {}
    rank_clean: dict[str, int] = {}
    for half in (0, 1):
        wrong = set(ids[half::2])
        passages = {id: other[id] if id in wrong else material.own[id] for id in ids}
        with planted_run(material.texts) as run:
            rows = [query(id, material.queries[id], passages[id]) for id in ids]
            refused = check_queries(run, rows, encoder)
            found = ranks(run)
        for id in ids:
            (refused_swapped if id in wrong else refused_clean)[id] = refused.get(id, "")
            (rank_swapped if id in wrong else rank_clean)[id] = found[id]
    row = counted(
        material.name,
        "swapped pair",
        "round_trip",
        (refused_swapped[id] == "round_trip" for id in ids),
        "own pairs",
        (refused_clean[id] == "round_trip" for id in ids),
    )
    numbers = np.arange(len(ids))
    scored = Scored(
        np.array([rank_swapped[id] for id in ids], float),
        numbers,
        np.array([rank_clean[id] for id in ids], float),
        numbers,
    )
    return [row], scored, frozenset(id for id in ids if not refused_clean[id])


def said_again(text: str, kind: str, chance: random.Random, stock: Sequence[str]) -> str:
    """Return the query again, as a kind of DUPLICATES has it; `stock` are words to put in."""
    if kind == "case and marks":
        return same_words(text, chance)
    if kind == "filler added":
        parts = text.split()
        return " ".join([*parts[:1], chance.choice(_FILLERS), *parts[1:]])
    if kind == "one word replaced":
        return one_word_changed(text, chance, stock)
    return reordered(text, chance)


DUPLICATES = ("case and marks", "filler added", "one word replaced", "reordered")


BOUNDS = (0.8, 0.85, 0.9, 0.95)  # of a cosine


def duplicates(
    material: Material, encoder: Encoder, seed: int, most: int
) -> tuple[list[Row], dict[str, list[float]]]:
    """Return how many queries that say again what an earlier one says are found, of those whose original was kept.

    And, by kind, the share whose cosine to their original reaches each of BOUNDS, beside that of the collection's own
    queries to others of the same passage.
    """
    cosines = {}
    stock = sorted({word for text in material.queries.values() for word in words(text)})
    rows = []
    for kind in DUPLICATES:
        chance = random.Random(f"{seed} {kind}")
        ids = usable(material)
        long = [id for id in ids if len(words(material.queries[id])) >= _LEAST_WORDS][:most]
        copies = {id: said_again(material.queries[id], kind, chance, stock) for id in long}
        originals = [query(id, material.queries[id], material.own[id]) for id in ids]
        planted = [query(f"{id}:copy", copies[id], material.own[id]) for id in long]
        with planted_run(material.texts) as run:
            refused = check_queries(run, [*originals, *planted], encoder)
            found = siblings(run)
        cosines[kind] = _reach(found[f"{id}:copy", id] for id in long)
        cosines["other query of the passage"] = _reach(
            value for (id, _), value in found.items() if not id.endswith(":copy")
        )
        again = {id for id, reason in refused.items() if "duplicate" in reason}
        kept = [id for id in long if id not in refused]
        rows.append(
            counted(
                material.name,
                f"query again: {kind}",
                "duplicate, near_duplicate",
                (f"{id}:copy" in again for id in kept),
                "queries as they are",
                (id in again for id in ids),
            )
        )
    return rows, cosines


def _reach(cosines: Iterable[float]) -> list[float]:
    values = np.array(list(cosines) or [0.0])
    return [round(float((values >= bound).mean()), 4) for bound in BOUNDS]


def wordings(material: Material, encoder: Encoder, seed: int) -> list[Row]:
    """Return how many copies of a passage's words, and queries that speak of their passage, are found."""
    ids = usable(material)
    chance = random.Random(seed)
    faults = {
        "copied": [
            copied_from(material.texts[material.own[id]], chance.choice(_COPIED), chance)
            for id in ids
        ],
        "speaks_of_passage": [
            SPEAKING[n % len(SPEAKING)].format(material.queries[id]) for n, id in enumerate(ids)
        ],
    }
    rows = []
    for reason, texts in faults.items():
        planted = [
            query(f"{id}:{reason}", text, material.own[id])
            for id, text in zip(ids, texts, strict=True)
        ]
        originals = [query(id, material.queries[id], material.own[id]) for id in ids]
        with planted_run(material.texts) as run:
            refused = check_queries(run, [*originals, *planted], encoder)
        rows.append(
            counted(
                material.name,
                {"copied": "14 to 25 words copied"}.get(reason, "speaks of its passage"),
                reason,
                (refused.get(one.id) == reason for one in planted),
                "queries as they are",
                (refused.get(id) == reason for id in ids),
            )
        )
    return rows


def languages(material: Material) -> list[Row]:
    """Return how many sentences of other languages are found to be strange beside the English passages."""
    guard = Language()
    sentences = json.loads(_SENTENCES.read_text(encoding="utf-8"))
    medical = json.loads(Path(__file__).with_name("foreign_queries.json").read_text("utf-8"))
    foreign = {
        "everyday": [s for code, some in sentences.items() if code != "en" for s in some],
        "medical": [s for some in medical.values() for s in some],
    }
    passages = [material.texts[material.own[id]] for id in material.queries]
    alarms = [
        guard.strange(text, material.texts[material.own[id]]) is not None
        for id, text in material.queries.items()
    ]
    return [
        counted(
            material.name,
            f"other language: {kind}",
            "language",
            (
                guard.strange(text, passages[n % len(passages)]) is not None
                for n, text in enumerate(texts)
            ),
            "queries as they are",
            alarms,
        )
        for kind, texts in foreign.items()
    ]
