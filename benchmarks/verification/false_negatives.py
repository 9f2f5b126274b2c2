"""Other judged positives that stand as negatives: which witness finds how many of them, alone and together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from curves import Floats, Scored, as_alarms, auc, chosen_elsewhere, curve, recall_at
from material import NEGATIVES, OTHER, Pair
from report import Row, counted
from witnesses import SCORES, Witness, scores_of

from synthneg.config import DocumentChecks
from synthneg.scoring.bound import negative_bound
from synthneg.verify.witnesses import RERANK, bound_of, finding

MOST_ALARMS = 0.10
MARGINS = (0.0, 0.05, 0.1, 0.15, 0.2)
_CURVE_POINTS = 101


@dataclass(frozen=True)
class Testimony:
    """What one witness, or several together, say of pairs: (n,) scores, the higher the likelier a false negative."""

    name: str
    pairs: Sequence[Pair]
    scores: Floats
    together: bool = False


def testimonies(witnesses: Mapping[str, Witness], pairs: Sequence[Pair]) -> list[Testimony]:
    """Return what each witness says alone: the document's score, and its margin to the query's own passage."""
    found = []
    for name, witness in witnesses.items():
        spoken, documents, positives = scores_of(witness, pairs)
        for kind, score in SCORES.items():
            if name != "to positive" or kind == "score":
                label = f"{name}: {kind}"
                found.append(Testimony(label, spoken, score(documents, positives)))
    return found


def together(alone: Sequence[Testimony]) -> list[Testimony]:
    """Return what the scores of each two witnesses say together: either of them, both, and the mean.

    Scores are put on one scale by their place among all negatives. Pairs of which only one speaks are left out.
    """
    found = []
    for a, b in combinations((one for one in alone if one.name.endswith(": score")), 2):
        in_b = {pair: place for place, pair in enumerate(b.pairs)}
        places = [place for place, pair in enumerate(a.pairs) if pair in in_b]
        pairs = [a.pairs[place] for place in places]
        if not pairs:
            continue
        scales = np.stack(
            [_scaled(pairs, a.scores[places]), _scaled(pairs, b.scores[[in_b[p] for p in pairs]])]
        )
        for word, join in (("or", scales.max(0)), ("and", scales.min(0)), ("mean", scales.mean(0))):
            found.append(Testimony(f"{a.name} {word} {b.name}", pairs, join, together=True))
    return found


def _scaled(pairs: Sequence[Pair], scores: Floats) -> Floats:
    clean = np.array([pair.kind in NEGATIVES for pair in pairs])
    return as_alarms(scores, scores[clean])


def alone_and_best(measured: Sequence[dict], most: int) -> list[dict]:
    """Return what was measured of single witnesses, and the best of those together by their recall."""
    joined = [one for one in measured if one["together"]]
    best = sorted(joined, key=lambda one: -one["recall"]["share"])[:most]
    return [*(one for one in measured if not one["together"]), *best]


def scored(testimony: Testimony, clean: str, queries: Mapping[str, int]) -> Scored:
    """Return the scores of the other positives and of one kind of clean records, with the numbers of their queries."""
    numbers = np.array([queries[pair.query] for pair in testimony.pairs])
    fault = np.array([pair.kind == OTHER for pair in testimony.pairs])
    good = np.array([pair.kind == clean for pair in testimony.pairs])
    return Scored(testimony.scores[fault], numbers[fault], testimony.scores[good], numbers[good])


def measured(testimony: Testimony, seed: int, resamples: int) -> dict[str, object]:
    """Return recall at 10 % alarms on the deep negatives with its interval, AUC for each kind, and the curve."""
    queries = {id: n for n, id in enumerate(dict.fromkeys(p.query for p in testimony.pairs))}
    facts: dict[str, object] = {"witness": testimony.name, "together": testimony.together}
    for clean in NEGATIVES:
        of = scored(testimony, clean, queries)
        if len(of.faults) and len(of.clean):
            facts[f"auc_{clean}"] = round(auc(of.faults, of.clean), 4)
    of = scored(testimony, "deep", queries)
    recall = recall_at(of, MOST_ALARMS, seed, resamples)
    facts["recall"] = {name: round(value, 4) for name, value in recall._asdict().items()}
    facts["recall_middle"] = round(
        recall_at(scored(testimony, "middle", queries), MOST_ALARMS, seed, 1).share, 4
    )
    facts["n_deep"] = len(of.clean)
    found, alarms = chosen_elsewhere(of, MOST_ALARMS)
    facts["chosen_on_other_half"] = {"recall": round(found, 4), "alarms": round(alarms, 4)}
    at, recalls, thresholds = curve(of.faults, of.clean)
    facts["curve"] = {
        "alarms": np.linspace(0, 1, _CURVE_POINTS).round(3).tolist(),
        "recall": _at_most(at, recalls).round(4).tolist(),
    }
    best = thresholds[at <= MOST_ALARMS][-1]
    facts["threshold"] = round(float(best), 4) if np.isfinite(best) else None
    return facts


def _at_most(alarms: Floats, recall: Floats) -> Floats:
    """Return the recall at 0, .01 ... 1 alarms: that of the last threshold with no more."""
    places = np.searchsorted(alarms, np.linspace(0, 1, _CURVE_POINTS), side="right") - 1
    return recall[places]


def by_two(
    collection: str, witnesses: Mapping[str, Witness], second: str, pairs: Sequence[Pair]
) -> list[Row]:
    """Return what is found at the default settings where the encoder decides what is clear and `second` the rest.

    `second` stands where a reranker would: with a margin of 0, it must see the document above the query's own passage.
    """
    checks = DocumentChecks()
    spoken, cosines, own_cosines = scores_of(witnesses["encoder"], pairs)
    also, scores, own_scores = scores_of(witnesses[second], spoken)
    in_order = {pair: n for n, pair in enumerate(spoken)}
    refused: dict[str, list[bool]] = {kind: [] for kind in (OTHER, *NEGATIVES)}
    for n, pair in enumerate(also):
        at = in_order[pair]
        document = {"cosine": float(cosines[at]), RERANK: float(scores[n])}
        own = {"cosine": float(own_cosines[at]), RERANK: float(own_scores[n])}
        found = finding(document, own, bound_of(own, checks), checks)
        refused[pair.kind].append(found is not None)
    return [
        counted(collection, OTHER, f"answers, then {second}", refused[OTHER], clean, refused[clean])
        for clean in NEGATIVES
    ]


def by_margin(witness: Witness, pairs: Sequence[Pair]) -> dict[str, dict[str, float]]:
    """Return the share of each kind of pairs that would be called answers, by margin; shares never decide."""
    spoken, documents, positives = scores_of(witness, pairs)
    kinds = np.array([pair.kind for pair in spoken])
    shares = {}
    for margin in MARGINS:
        bounds = np.array([negative_bound(own, 1.0, margin) for own in positives.tolist()])
        refused = documents >= bounds
        shares[f"{margin:g}"] = {
            kind: round(float(refused[kinds == kind].mean()), 4) for kind in (OTHER, *NEGATIVES)
        }
    return shares


def at_default(collection: str, witness: Witness, pairs: Sequence[Pair]) -> list[Row]:
    """Return what is called an answer by the encoder alone at the default margin and share, of each kind of pairs."""
    checks = DocumentChecks()
    spoken, documents, positives = scores_of(witness, pairs)
    refused: dict[str, list[bool]] = {kind: [] for kind in (OTHER, *NEGATIVES)}
    for pair, cosine, positive in zip(spoken, documents.tolist(), positives.tolist(), strict=True):
        own = {"cosine": positive}
        found = finding({"cosine": cosine}, own, bound_of(own, checks), checks)
        refused[pair.kind].append(found is not None)
    return [
        counted(collection, OTHER, "answers", refused[OTHER], clean, refused[clean])
        for clean in NEGATIVES
    ]
