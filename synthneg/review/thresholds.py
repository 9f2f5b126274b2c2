"""The thresholds of `verify` that scores decide: which items each decides about, and what it would say of them.

What a threshold would say is asked of the checks themselves, with that one setting changed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from synthneg.config import DocumentChecks, QueryChecks, VerifyConfig
from synthneg.review.items import LEAST_ANSWER, Item
from synthneg.verify.improbable import improbable
from synthneg.verify.nearness import near_positive
from synthneg.verify.round_trip import round_trip
from synthneg.verify.thresholds import REPORT
from synthneg.verify.witnesses import RERANK, bound_of, finding

Score = Callable[[Item], float | None]

_DECIMALS = 4
_MOST_VALUES = 100
_BEYOND = 1e-3  # from the outermost score to a value that lets all pass, or none


class Value(NamedTuple):
    """A value of a threshold, and those around it that treat every item in the same way."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """A setting, and what it decides.

    Attributes:
        key: of the setting, such as `verify.queries.round_trip_k`.
        now: its value; None where it bounds nothing.
        wants_answer: whether what it lets pass is to answer (a query's passage) or not to (a negative).
        score: what it bounds; None of an item that it does not decide about.
        passes: whether it lets an item pass at a value.
        low: the least value allowed.
        high: the largest.
        whole: whether it is a whole number.
        also: settings that must be given with it, so that nothing else changes.
    """

    key: str
    now: float | None
    wants_answer: bool
    score: Score
    passes: Callable[[Item, float | None], bool]
    low: float
    high: float
    whole: bool = False
    also: tuple[str, ...] = ()

    def values(self, items: Sequence[Item]) -> list[Value]:
        """Return values between which no item's fate changes: one between each two neighbouring scores, and beyond."""
        scores = sorted({score for score in map(self.score, items) if score is not None})
        if not scores:
            return []
        if self.whole:
            found = [Value((a + b) // 2, a, b - 1) for a, b in pairwise(scores)]
            found.append(Value(scores[-1], scores[-1], scores[-1]))
        else:
            ends = [scores[0] - _BEYOND, *scores, scores[-1] + _BEYOND]
            found = [Value((a + b) / 2, a, b) for a, b in pairwise(ends)]
        allowed = {one.value: one for one in map(self._allowed, found)}
        step = max(1, -(-len(allowed) // _MOST_VALUES))
        return sorted(allowed.values())[::step]

    def _allowed(self, one: Value) -> Value:
        return Value(*(min(max(round(v, _DECIMALS), self.low), self.high) for v in one))

    def change(self, value: float) -> str:
        """Return the argument of `--set` that gives it this value."""
        return f"{self.key}={int(value) if self.whole else f'{value:g}'}"


def thresholds(folder: Path, config: VerifyConfig) -> list[Threshold]:
    """Return the thresholds of a run, in the order of its checks."""
    found = _calibrated(folder) if config.calibrate else {}
    also = tuple(f"verify.{name}={value:g}" for name, value in found.items())
    if found:
        also = ("verify.calibrate=false", *also)
    documents = config.documents.model_copy(
        update={
            n.removeprefix("documents."): v for n, v in found.items() if n.startswith("documents.")
        }
    )
    scores: dict[str, Score] = {
        "max_negative_share": _share,
        "min_negative_margin": _margin,
        "max_similarity_to_positive": lambda item: item.scores.get("cosine_to_positive"),
        "min_rerank_margin": _rerank_margin,
    }
    return [
        _round_trip(config.queries),
        _logprob(config.queries),
        *(_of_documents(documents, name, score, also) for name, score in scores.items()),
    ]


def _round_trip(checks: QueryChecks) -> Threshold:
    def passes(item: Item, value: float | None) -> bool:
        return round_trip({"": int(item.scores["rank"])}, int(value or 0)) is None

    def score(item: Item) -> float | None:
        decided = item.question == "answers" and (item.kept or item.reason == "round_trip")
        return item.scores.get("rank") if decided else None

    low, high = _bounds(QueryChecks, "round_trip_k")
    key = "verify.queries.round_trip_k"
    return Threshold(key, float(checks.round_trip_k), True, score, passes, low, high, whole=True)


def _logprob(checks: QueryChecks) -> Threshold:
    def passes(item: Item, value: float | None) -> bool:
        return improbable(item.scores["logprob"], value) is None

    def score(item: Item) -> float | None:
        decided = item.question == "answers" and (item.kept or item.reason == "improbable")
        return item.scores.get("logprob") if decided else None

    key = "verify.queries.min_logprob"
    return Threshold(
        key, checks.min_logprob, True, score, passes, *_bounds(QueryChecks, "min_logprob")
    )


def _of_documents(
    checks: DocumentChecks, name: str, score: Score, also: tuple[str, ...]
) -> Threshold:
    own = f"verify.documents.{name}"

    @cache
    def with_value(value: float | None) -> DocumentChecks:
        return checks.model_copy(update={name: value})

    def passes(item: Item, value: float | None) -> bool:
        changed = with_value(value)
        copy = near_positive(item.scores["cosine_to_positive"], changed.max_similarity_to_positive)
        bound = bound_of(item.positive, changed)
        return copy is None and finding(item.scores, item.positive, bound, changed) is None

    return Threshold(
        own,
        getattr(checks, name),
        False,
        lambda item: score(item) if _is_decided(item) else None,
        passes,
        *_bounds(DocumentChecks, name),
        also=tuple(change for change in also if not change.startswith(f"{own}=")),
    )


def _is_decided(item: Item) -> bool:
    """Whether scores alone decide if a document that was meant as a negative is one."""
    meant = (
        item.question != "answers" and item.wanted < LEAST_ANSWER and "regraded" not in item.reason
    )
    scored = "cosine_to_positive" in item.scores and "cosine" in item.scores
    return meant and scored and "cosine" in item.positive and item.said_to_answer is not None


def _share(item: Item) -> float | None:
    positive = item.positive["cosine"] if "cosine" in item.positive else 0.0
    # Of a score below 0 a share means nothing; there the margin decides alone.
    return item.scores["cosine"] / positive if positive > 0 else None


def _margin(item: Item) -> float | None:
    return item.positive["cosine"] - item.scores["cosine"]


def _rerank_margin(item: Item) -> float | None:
    if RERANK not in item.scores or RERANK not in item.positive:
        return None
    return item.positive[RERANK] - item.scores[RERANK]


def _bounds(section: Any, name: str) -> tuple[float, float]:
    """Return the least and the largest value that the settings allow."""
    low, high = -float("inf"), float("inf")
    for rule in section.model_fields[name].metadata:
        low = max(low, getattr(rule, "ge", low), getattr(rule, "gt", low - 1) + 10**-_DECIMALS)
        high = min(high, getattr(rule, "le", high))
    return low, high


def _calibrated(folder: Path) -> Mapping[str, float]:
    """Return the thresholds that the run has found itself, by their names below `verify`."""
    file = folder / REPORT
    rows = orjson.loads(file.read_bytes())["thresholds"] if file.exists() else {}
    return {name: row["found"] for name, row in rows.items()}
