"""Faults of documents: what is said again by another document of the query, and positives that stand as negatives."""

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from material import NEGATIVES, OTHER, Material
from plant import one_word_changed, paraphrases, reordered, same_words
from report import Row, counted
from stage_runs import check_documents, check_queries, planted_run, query, to_positive

from synthneg.config import DocumentChecks
from synthneg.scoring.base import Encoder
from synthneg.verify.duplicate import jaccard, shingles
from synthneg.words import words

COPIES: Mapping[str, Callable[[str, random.Random, Sequence[str]], str]] = {
    "case and marks": lambda text, chance, _: same_words(text, chance),
    "one word replaced": one_word_changed,
    "reordered": lambda text, chance, _: reordered(text, chance),
}
BOUNDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # of the share of word 5-grams in common
COSINES = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
_LIMIT = DocumentChecks().near_duplicate_jaccard


def copies(material: Material, seed: int) -> tuple[list[Row], dict[str, list[float]]]:
    """Return how many copies of documents the share of word 5-grams tells, and how many pairs of two documents.

    And, by kind, the share of them at or above each of BOUNDS.

    The clean pairs are a query's own passage and its other judged one, its near ones and a random one.
    """
    chance = random.Random(seed)
    stock = sorted({word for text in material.queries.values() for word in words(text)})
    own = list(dict.fromkeys(material.own.values()))
    clean = [(material.texts[p.document], material.texts[p.positive]) for p in material.pairs]
    made = {
        kind: [(make(material.texts[id], chance, stock), material.texts[id]) for id in own]
        for kind, make in COPIES.items()
    }
    reach = {kind: _reach(texts) for kind, texts in {**made, "two documents": clean}.items()}
    rows = [
        counted(
            material.name,
            f"document again: {kind}",
            "duplicate, near_duplicate",
            (_again(*texts) for texts in some),
            "two documents of a query",
            (_again(*texts) for texts in clean),
        )
        for kind, some in made.items()
    ]
    return rows, reach


def _reach(pairs: Sequence[tuple[str, str]]) -> list[float]:
    shares = [jaccard(shingles(words(a)), shingles(words(b))) for a, b in pairs]
    return [round(sum(s >= bound for s in shares) / len(shares), 4) for bound in BOUNDS]


def _again(text: str, earlier: str) -> bool:
    mine, theirs = words(text), words(earlier)
    return mine == theirs or jaccard(shingles(mine), shingles(theirs)) >= _LIMIT


def stage_rows(
    material: Material, encoder: Encoder, seed: int, most: int
) -> tuple[list[Row], dict[str, list[float]]]:
    """Return what the stage verify.documents finds of `most` planted documents a kind, each alone with its query.

    What is refused for any reason is found: the reasons of a paraphrase are near_duplicate, near_positive and answers.
    And, by kind, the share whose cosine to the positive reaches each of COSINES.
    """
    negatives = _negatives(material, seed, most)
    refused: dict[str, dict[str, str]] = {}
    reach = {}
    with planted_run(material.texts) as run:
        rows = [query(id, text, material.own[id]) for id, text in material.queries.items()]
        dropped = check_queries(run, rows, encoder)
        for kind, texts in negatives.items():
            kept = {id: [(f"{id}:n", text)] for id, text in texts.items() if id not in dropped}
            reasons = check_documents(run, kept, material.texts, encoder)
            refused[kind] = {id: reasons.get(f"{id}:n", "") for id in kept}
            near = np.array(to_positive(run))
            reach[kind] = [round(float((near >= bound).mean()), 4) for bound in COSINES]
    found = []
    for kind in (kind for kind in refused if kind not in NEGATIVES):
        for clean in NEGATIVES:
            found.append(
                counted(
                    material.name,
                    f"positive as negative: {kind}",
                    "verify.documents",
                    map(bool, refused[kind].values()),
                    clean,
                    map(bool, refused[clean].values()),
                )
            )
        reasons = sorted({reason for reason in refused[kind].values() if reason})
        found += [
            counted(
                material.name,
                f"positive as negative: {kind}",
                reason,
                (seen == reason for seen in refused[kind].values()),
                "deep",
                (seen == reason for seen in refused["deep"].values()),
            )
            for reason in reasons
        ]
    return found, reach


def _negatives(material: Material, seed: int, most: int) -> dict[str, dict[str, str]]:
    """Return by kind, what is presented as a negative of each query: one document."""
    chance = random.Random(seed)
    made: dict[str, dict[str, str]] = {OTHER: {}, **{kind: {} for kind in NEGATIVES}}
    for pair in material.pairs:
        made[pair.kind].setdefault(pair.query, material.texts[pair.document])
    for id in list(material.queries)[:most]:
        for kind, text in paraphrases(material.texts[material.own[id]], chance).items():
            made.setdefault(f"paraphrase, {kind}", {})[id] = text
    return made
