"""What a check is worth, from the scores of planted faults and of clean records: pure arithmetic.

A score says how much a record looks like the fault; a check with a threshold refuses it from there on. Recall is the
share of faults that are refused, alarms the share of clean records that are.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthneg.interval import wilson

Floats = NDArray[np.floating]


class Share(NamedTuple):
    """A share with its 95 % interval."""

    n: int
    share: float
    low: float
    high: float


class Scored(NamedTuple):
    """Scores of faults and of clean records, each with the number of the query that it belongs to."""

    faults: Floats  # (n,)
    fault_queries: NDArray[np.int64]  # (n,)
    clean: Floats  # (m,)
    clean_queries: NDArray[np.int64]  # (m,)


def share(count: int, of: int) -> Share:
    """Return a share with Wilson's interval; of nothing it is 0 within (0, 1)."""
    return Share(of, count / of if of else 0.0, *wilson(count, of))


def curve(faults: Floats, clean: Floats) -> tuple[Floats, Floats, Floats]:
    """Return alarms and recall at every threshold that makes a difference, and the thresholds, falling.

    >>> alarms, recall, _ = curve(np.array([0.9, 0.4]), np.array([0.5, 0.1]))
    >>> alarms.tolist(), recall.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    thresholds = np.unique(np.concatenate([faults, clean]))[::-1]
    thresholds = np.concatenate([[np.inf], thresholds])
    alarms = (clean[None, :] >= thresholds[:, None]).mean(axis=1)
    recall = (faults[None, :] >= thresholds[:, None]).mean(axis=1)
    return alarms, recall, thresholds


def threshold_for(clean: Floats, most: float, weights: Floats | None = None) -> float:
    """Return the lowest threshold at which at most a share `most` of the clean records is refused.

    Just above the highest clean score that must pass; `weights` (m,) count a record several times.

    >>> threshold_for(np.array([0.1, 0.2, 0.3, 0.4]), 0.25) > 0.3
    True
    """
    weights = np.ones(len(clean)) if weights is None else weights
    order = np.argsort(-clean, kind="stable")
    refused = np.cumsum(weights[order])
    # Equal scores are refused together: the threshold must lie above all of a group that would be too many.
    too_many = refused > most * weights.sum() + 1e-9
    return float(np.nextafter(clean[order][too_many].max(), np.inf)) if too_many.any() else -np.inf


def recall_at(scored: Scored, most: float, seed: int, resamples: int) -> Share:
    """Return the recall at the threshold for `most` alarms, with a bootstrap interval over queries.

    The threshold is found anew in each resample, so that its error is in the interval. A query weighs by its records.
    """
    ids, places = np.unique(
        np.concatenate([scored.fault_queries, scored.clean_queries]), return_inverse=True
    )
    of_fault, of_clean = places[: len(scored.faults)], places[len(scored.faults) :]
    random = np.random.default_rng(seed)

    def measured(weights: Floats) -> float:
        bound = threshold_for(scored.clean, most, weights[of_clean])
        counts = weights[of_fault]
        return float(counts[scored.faults >= bound].sum() / max(counts.sum(), 1))

    draws = [
        measured(
            np.bincount(random.integers(0, len(ids), len(ids)), minlength=len(ids)).astype(float)
        )
        for _ in range(resamples)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Share(len(scored.faults), measured(np.ones(len(ids))), float(low), float(high))


def chosen_elsewhere(scored: Scored, most: float) -> tuple[float, float]:
    """Return recall and alarms at thresholds that were chosen on the other half of the queries, both ways together."""
    found = alarms = 0
    for half in (0, 1):
        bound = threshold_for(scored.clean[scored.clean_queries % 2 != half], most)
        found += int((scored.faults[scored.fault_queries % 2 == half] >= bound).sum())
        alarms += int((scored.clean[scored.clean_queries % 2 == half] >= bound).sum())
    return found / len(scored.faults), alarms / len(scored.clean)


def auc(faults: Floats, clean: Floats) -> float:
    """Return how often a fault scores above a clean record, a tie counting half."""
    below = np.searchsorted(np.sort(clean), faults, side="left")
    upto = np.searchsorted(np.sort(clean), faults, side="right")
    return float((below + upto).mean() / 2 / len(clean))


def as_alarms(scores: Floats, clean: Floats) -> Floats:
    """Return the scores on a scale that witnesses share: 1 minus the part of `clean` at or above each.

    >>> as_alarms(np.array([0.0, 0.25, 9.0]), np.array([0.1, 0.2, 0.3, 0.4])).tolist()
    [0.0, 0.5, 1.0]
    """
    at_or_above = len(clean) - np.searchsorted(np.sort(clean), scores, side="left")
    return 1 - at_or_above / len(clean)
