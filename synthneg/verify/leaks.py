"""Leaks: texts of the run that an evaluation set holds too, and would be measured on what was trained on.

Three kinds, each told per evaluation set:

* query: a query that equals or nearly equals one of the set's queries. A leak.
* document: a written document that equals or nearly equals a document which the set judges relevant. A leak.
* passage: a query written from a passage that equals or nearly equals a document which the set judges relevant. Where
  the set's corpus is the run's own, that is what a corpus is for, so it is an overlap that is told, and refused only
  by `verify.leaks.passages: drop`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from synthneg.config import LeakChecks
from synthneg.verify.alike import Alike, Kind
from synthneg.verify.refusal import Refusal

KINDS: tuple[Kind, ...] = ("query", "document", "passage")

_STRENGTH = {"exact": 2, "jaccard": 1, "cosine": 0}
_EXAMPLES = 5  # of each kind and evaluation set, in the table
_SAME = {
    "query": "query",
    "document": "document judged relevant",
    "passage": "passage judged relevant",
}


def counts(alike: Alike, checks: LeakChecks) -> bool:
    """Whether a likeness to an evaluation set is one that the settings call the same text."""
    if not alike.place or alike.measure == "exact":
        return bool(alike.place)
    role = "query" if alike.kind == "query" else "document"
    bound = getattr(checks, f"{role}_{alike.measure}")
    return bound is not None and alike.value >= bound


def strongest(found: Iterable[Alike], checks: LeakChecks) -> Alike | None:
    """Return the likeness that says most of those that count: exact before words before cosine, then the highest."""
    counted = (alike for alike in found if counts(alike, checks))
    return max(counted, key=lambda a: (_STRENGTH[a.measure], a.value), default=None)


def leak(found: Sequence[Alike], checks: LeakChecks) -> Refusal | None:
    """Return `leak` where the settings drop what an evaluation set holds, and one holds this.

    Args:
        found: of a query with those of its passages, or of a document.
        checks: bounds and actions.

    >>> one = Alike("q1", "query", "tea/test", "7", "jaccard", 0.8)
    >>> leak([one], LeakChecks())
    Refusal(reason='leak', detail='jaccard 0.80 to query 7 of tea/test, must be below 0.7')
    """
    dropped = [kind for kind, action in _actions(checks).items() if action == "drop"]
    one = strongest((alike for alike in found if alike.kind in dropped), checks)
    if one is None:
        return None
    what = f"{_SAME[one.kind]} {one.other} of {one.place}"
    if one.kind == "passage":
        what += f" (as passage {one.id})"
    if one.measure == "exact":
        return Refusal("leak", f"the same words as {what}")
    role = "query" if one.kind == "query" else "document"
    bound = getattr(checks, f"{role}_{one.measure}")
    return Refusal("leak", f"{one.measure} {one.value:.2f} to {what}, must be below {bound:g}")


def _actions(checks: LeakChecks) -> dict[Kind, str]:
    return {"query": checks.action, "document": checks.action, "passage": checks.passages}


class Left(NamedTuple):
    """What the examples that are trained on still hold."""

    queries: dict[str, str]  # id -> text
    documents: dict[str, str]  # id of a written document -> text
    written_from: dict[str, list[str]]  # passage id -> its queries


def table(
    found: Iterable[Alike], left: Left, names: Sequence[str], checks: LeakChecks
) -> list[dict[str, Any]]:
    """Return a row per evaluation set and kind: what was found, by the measure that says most, and what is left.

    `found` counts queries, documents or passages, `left` those of them that the examples to be trained on hold; for
    passages, the queries written from them. A row has examples of what is left, or else of what was found.
    """
    by_text: dict[tuple[str, str, str], list[Alike]] = {}
    for one in found:
        if counts(one, checks):
            by_text.setdefault((one.place, one.kind, one.id), []).append(one)
    rows = []
    for name in names:
        for kind in KINDS:
            alike = [
                strongest(group, checks)
                for (place, of, _), group in by_text.items()
                if (place, of) == (name, kind)
            ]
            rows.append(_row(name, kind, [one for one in alike if one], left))
    return rows


def _row(name: str, kind: Kind, found: list[Alike], left: Left) -> dict[str, Any]:
    texts = {
        "query": left.queries,
        "document": left.documents,
        "passage": {id: " | ".join(queries) for id, queries in left.written_from.items()},
    }[kind]
    remaining = [one for one in found if one.id in texts]
    count = len(remaining)
    if kind == "passage":
        count = sum(len(left.written_from[one.id]) for one in remaining)
    return {
        "set": name,
        "kind": kind,
        "found": len(found),
        "by": {measure: sum(one.measure == measure for one in found) for measure in _STRENGTH},
        "left": count,
        "examples": [
            {
                "id": one.id,
                "other": one.other,
                "measure": one.measure,
                "value": one.value,
                "text": texts.get(one.id, ""),
            }
            for one in (remaining or found)[:_EXAMPLES]
        ],
    }
