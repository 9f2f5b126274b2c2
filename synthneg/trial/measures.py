"""What two prompts are compared in: each measure with its name, its good direction, and what it takes from a record."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from synthneg.trial.rows import Better, Form, Outcome
from synthneg.words import normalized, words

RANKS = (1, 10)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A sum over records divided by another; `of` gives what a record adds to both."""

    name: str
    better: Better
    form: Form
    of: Callable[[Outcome], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Distinct:
    """The share of items that are distinct, at equal amounts; with `repeats`, the share that say an item again.

    `of` splits a text into its items. A share of distinct items falls as texts are added, whoever wrote them, so both
    prompts are measured at the same number of items: see `synthneg.trial.spread`.
    """

    name: str
    better: Better
    form: Form
    of: Callable[[str], Sequence[object]]
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Nearness:
    """The mean cosine over all pairs of texts of a prompt."""

    name: str
    better: Better
    form: Form


Measure = Ratio | Distinct | Nearness


def standard(a: Sequence[Outcome], b: Sequence[Outcome]) -> list[Measure]:
    """Return the measures that both prompts' outcomes can be compared in, in the order of a report.

    A measure whose values are missing from either prompt's records is left out: without a price, there is no money.
    """
    parsed = [o for o in (*a, *b) if o.text is not None]
    reasons = sorted({o.reason for o in parsed if o.reason is not None})
    found: list[Measure] = [
        Ratio("parsed", "higher", "share", lambda o: (o.text is not None, 1)),
        Ratio("kept", "higher", "share", lambda o: (o.reason is None, 1)),
        *map(_passes, reasons),
    ]
    if _known("rank", a, b):
        found += map(_round_trip, RANKS)
    found.append(Distinct("duplicates", "lower", "share", lambda t: [normalized(t)], repeats=True))
    if _known("copied_share", a, b):
        found.append(_of_parsed("copied share", "copied_share"))
    found.append(Ratio("words", None, "number", _length))
    if _known("tokens", a, b):
        found += [
            Ratio("tokens", "lower", "number", lambda o: (o.values.get("tokens", 0), 1)),
            _per_kept("tokens per kept", "tokens", 1),
        ]
    if _known("money", a, b):
        found.append(_per_kept("USD per 1000 kept", "money", 1000))
    found += [
        Distinct("distinct-1", "higher", "number", words),
        Distinct("distinct-2", "higher", "number", lambda t: list(pairwise(words(t)))),
    ]
    if all(any(o.vector is not None for o in arm) for arm in (a, b)):
        found.append(Nearness("pairwise cosine", "lower", "number"))
    return found


def mean_of(key: str, better: Better) -> Ratio:
    """Return the mean of `values[key]` over the records that have it."""
    return Ratio(key, better, "number", lambda o: (o.values.get(key, 0), key in o.values))


def _known(key: str, *arms: Iterable[Outcome]) -> bool:
    return all(any(key in o.values for o in arm) for arm in arms)


def _passes(reason: str) -> Ratio:
    def of(o: Outcome) -> tuple[float, float]:
        return (o.text is not None and o.reason != reason, o.text is not None)

    return Ratio(f"passes {reason}", "higher", "share", of)


def _round_trip(most: int) -> Ratio:
    def of(o: Outcome) -> tuple[float, float]:
        known = o.text is not None and "rank" in o.values
        return (known and o.values["rank"] <= most, known)

    return Ratio(f"round trip at {most}", "higher", "share", of)


def _of_parsed(name: str, key: str) -> Ratio:
    def of(o: Outcome) -> tuple[float, float]:
        known = o.text is not None and key in o.values
        return (o.values[key] if known else 0, known)

    return Ratio(name, "lower", "share", of)


def _per_kept(name: str, key: str, records: int) -> Ratio:
    return Ratio(
        name,
        "lower",
        "number",
        lambda o: (records * o.values.get(key, 0), o.reason is None),
    )


def _length(o: Outcome) -> tuple[float, float]:
    return (0, 0) if o.text is None else (len(words(o.text)), 1)
