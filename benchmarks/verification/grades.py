"""Graded sets, in order and shuffled: how often a witness's scores fall as the grades do.

`judged` sets hold documents of grade 2 and 1 as people judged them (NFCorpus, dev: its train split has one grade) and
random ones as 0. `built` sets hold the own passage as 3, half of its sentences inside another document as 2 (an answer
that is buried), a deep negative as 1 and a random document as 0.
"""

import random
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from curves import Floats, auc
from material import Material
from plant import buried, shuffled

from synthneg.scoring.base import Encoder
from synthneg.verify.order import Order, order_of, regraded

SHUFFLES = 20  # of each set


class GradedSet(NamedTuple):
    """A query with texts and their true grades."""

    query: str
    texts: list[str]
    grades: list[int]


Scorer = Callable[[Sequence[tuple[str, str]]], Floats]  # texts of queries and documents


def by_encoder(encoder: Encoder) -> Scorer:
    """Return a scorer by cosine."""

    def scores(pairs: Sequence[tuple[str, str]]) -> Floats:
        queries = encoder.encode([query for query, _ in pairs], "query")
        documents = encoder.encode([document for _, document in pairs], "document")
        return (queries * documents).sum(axis=1)

    return scores


def judged_sets(material: Material, seed: int, most: int) -> list[GradedSet]:
    """Return sets of up to two documents of each judged grade and two random ones, for queries with two grades."""
    chance = random.Random(seed)
    sets = []
    for id, judged in material.judged.items():
        if len(set(judged.values())) < 2 or len(sets) == most:
            continue
        by_grade = {
            g: sorted(d for d in judged if judged[d] == g) for g in sorted(set(judged.values()))
        }
        drawn = [
            (d, g) for g, some in by_grade.items() for d in chance.sample(some, min(2, len(some)))
        ]
        rest = [d for d in material.texts if d not in judged]
        drawn += [(d, 0) for d in chance.sample(rest, 2)]
        texts = [material.texts[d] for d, _ in drawn]
        sets.append(GradedSet(material.queries[id], texts, [g for _, g in drawn]))
    return sets


def built_sets(
    material: Material, verified: Collection[str], seed: int, most: int
) -> list[GradedSet]:
    """Return sets of four, graded 3 to 0, for verified queries with a deep and a random negative."""
    chance = random.Random(seed)
    by_query: dict[str, dict[str, str]] = {}
    for pair in material.pairs:
        by_query.setdefault(pair.query, {})[pair.kind] = material.texts[pair.document]
    sets = []
    for id, found in by_query.items():
        if id in verified and {"deep", "random"} <= found.keys() and len(sets) < most:
            own = material.texts[material.own[id]]
            half = buried(own, found["deep"], chance)
            texts = [own, half, found["deep"], found["random"]]
            sets.append(GradedSet(material.queries[id], texts, [3, 2, 1, 0]))
    return sets


def measured(
    sets: Sequence[GradedSet], scorer: Scorer, seed: int, resamples: int
) -> dict[str, object]:
    """Return the order accuracy of clean and of shuffled sets, with intervals over queries, and how far they are apart.

    `apart` is the AUC of a single set's accuracy; over all sets the two means are compared. `right_grades` is the share
    of documents with their true grade in shuffled sets, and after these have been regraded by score.
    """
    chance = random.Random(seed)
    clean, mixed, steps, right = [], [], {}, {"shuffled": [], "regraded": []}
    all_scores = iter(scorer([(one.query, text) for one in sets for text in one.texts]).tolist())
    for one in sets:
        scores = list(islice(all_scores, len(one.texts)))
        clean.append(order_of(one.grades, scores))
        for _ in range(SHUFFLES):
            dealt = shuffled(one.grades, chance)
            mixed.append(order_of(dealt, scores))
            for kind, grades in (("shuffled", dealt), ("regraded", regraded(dealt, scores))):
                right[kind] += [a == b for a, b in zip(grades, one.grades, strict=True)]
        for low, high in _steps(one.grades):
            places = [i for i, g in enumerate(one.grades) if g in (low, high)]
            found = order_of([one.grades[i] for i in places], [scores[i] for i in places])
            steps.setdefault(f"{high}>{low}", []).append(found)
    return {
        "sets": len(sets),
        "clean": _mean(clean, seed, resamples),
        "shuffled": _mean(_of_sets(mixed), seed, resamples),
        "steps": {step: _mean(found, seed, resamples)[0] for step, found in sorted(steps.items())},
        "apart": round(auc(_shares(clean), _shares(mixed)), 4),
        "right_grades": {kind: round(float(np.mean(some)), 4) for kind, some in right.items()},
    }


def _steps(grades: Sequence[int]) -> list[tuple[int, int]]:
    levels = sorted(set(grades))
    return list(zip(levels, levels[1:], strict=False))


def _of_sets(mixed: Sequence[Order]) -> list[Order]:
    """Return the shuffles of each set as one, for what is resampled is sets."""
    groups = zip(*[iter(mixed)] * SHUFFLES, strict=True)
    return [Order(sum(o.pairs for o in some), sum(o.in_order for o in some)) for some in groups]


def _shares(found: Sequence[Order]) -> Floats:
    return np.array([order.in_order / order.pairs for order in found])


def _mean(found: Sequence[Order], seed: int, resamples: int) -> list[float]:
    """Return the share of pairs in order over all sets, with its bootstrap interval."""
    values, random_ = np.array(found), np.random.default_rng(seed)
    draws = values[random_.integers(0, len(values), (resamples, len(values)))].sum(axis=1)
    low, high = np.quantile(draws[:, 1] / draws[:, 0], [0.025, 0.975])
    total = values.sum(axis=0)
    return [round(float(x), 4) for x in (total[1] / total[0], low, high)]
