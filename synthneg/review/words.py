"""What a summary says in sentences and cells, the same in a terminal and on a page."""

import math
from collections.abc import Iterator

from synthneg.realism.chance import FEW
from synthneg.review.agreement import Kappa
from synthneg.review.estimate import Estimate
from synthneg.review.judges import Between
from synthneg.review.rows import Row
from synthneg.review.suggest import FEW_OF_EACH, Suggestion
from synthneg.review.summary import Summary

_WIDE = 0.1  # half of an interval from which on it is called wide
_TELL = 61  # answers by which a share of .8 is known to ±.1
CHECKS = "the checks say \\ people say"
ONE_BY_ONE = "Each is suggested with all others as they are: give one, verify, and look again."


def head(found: Summary) -> str:
    """Return how much has been reviewed, and by whom."""
    who = ", ".join(f"{name_of(name)} {count:,}" for name, count in found.reviewers if count)
    return f"{found.answered:,} of {found.records:,} records are reviewed ({who})"


def about(found: Summary) -> str:
    """Return what the sample reaches, and how the shares are meant."""
    time = (
        f"; half of them took at most {found.median_s:.0f} s" if found.median_s is not None else ""
    )
    more = f" (-n {found.strata} asks about each)" if found.reached < found.strata else ""
    return (
        f"{found.reached:,} of {found.strata:,} kinds (source, prompt, grade, verdict) have an answer{more}{time}."
        " Intervals cover 95 %, and shares are weighted back to the run."
    )


def asides(found: Summary) -> Iterator[str]:
    """Yield which answers do not count, or not yet."""
    for count, words, meaning in (
        (found.skipped, "skipped", "left out, as if they were like the others"),
        (
            found.waiting,
            "answers that wait",
            "the sample has not reached their items; a larger -n may",
        ),
        (
            found.changed,
            "answers about texts that have changed since",
            "not counted, and asked again",
        ),
        (found.gone, "answers about records that the run has no more", "not counted"),
        (found.unreadable, "lines of review.jsonl that cannot be read", "not counted"),
    ):
        if count:
            yield f"{words}: {count:,} ({meaning})"


def width(found: Summary) -> str:
    """Return what few answers mean, and how many more would tell; "" where the intervals are narrow."""
    known = [row.found for row in found.headline if row.found.answers]
    widest = max(map(_half, known), default=0.0)
    if widest <= _WIDE:
        return ""
    # As the root of their number; of a handful nothing is known but that.
    factor = max((_half(e) / _WIDE) ** 2 if e.answers >= FEW else _TELL / e.answers for e in known)
    more = math.ceil(found.answered * factor / 10) * 10
    return (
        f"These intervals are wide, up to ±{widest:.2f}: {_count(found.answered, 'answer')} cannot tell more."
        f" About -n {more:,} would make it ±{_WIDE:.1f}."
    )


def cells(row: Row) -> tuple[str, str, str, str, str]:
    """Return of a row the share, its interval, the answers, of how many records, and what is to be said of it."""
    found = row.found
    if not found.answers:
        return "", "", "0", f"{found.size:,}", ""
    reached = (
        f"{found.reached:,} of {found.size:,}" if found.reached < found.size else f"{found.size:,}"
    )
    word = f"{row.word} than the rest" if row.word in ("higher", "lower") else row.word
    return (
        f"{found.share:.2f}",
        f"[{found.low:.2f}, {found.high:.2f}]",
        f"{found.answers:,}",
        reached,
        word if row.told == "right" else "answer; not checked",
    )


def kappa(found: Kappa) -> str:
    """Return an agreement beyond chance with its interval."""
    value, low, high = found.value, found.low, found.high
    if math.isnan(value):
        return "no kappa, because one side says the same of all"
    chance = "; not distinguishable from chance" if low <= 0 <= high else ""
    return f"kappa {value:.2f} [{low:.2f}, {high:.2f}]{chance}"


def counted(count: float) -> str:
    """Return how many items, shared ones as fractions.

    >>> counted(3.0), counted(2.5)
    ('3', '2.5')
    """
    return f"{count:g}" if count % 1 == 0 else f"{count:.1f}"


def between(found: Between) -> str:
    """Return how far two reviewers agree."""
    names = f"{name_of(found.a)} and {name_of(found.b)}"
    if not found.items:
        return f"{names} have answered no item both"
    same = f"the same of {found.agreed:.0%} of {_count(found.items, 'item')}"
    return f"{names} on {found.of}: {same}, {kappa(found.kappa)}"


def told(found: Summary) -> list[Suggestion]:
    """Return the suggestions of which the answers say something."""
    return [one for one in found.suggestions if one.word != "not enough to say"]


def suggested(one: Suggestion, precision: float | None) -> str:
    """Return what the answers say of a threshold."""
    return f"{one.key}, now {_value(one.now)}: {_words(one, precision)}"


def changes(one: Suggestion) -> tuple[str, ...]:
    """Return the `--set` arguments that a suggestion comes to; none where it is none."""
    return one.changes if one.word in ("better", "meets") else ()


def untold(found: Summary) -> str:
    """Return of which thresholds nothing can be said yet; "" where there is none."""
    keys = [one.key for one in found.suggestions if one.word == "not enough to say"]
    return (
        f"not enough to say of {', '.join(keys)}: each needs {FEW} answers about what it decides, {FEW_OF_EACH} of"
        " them for and as many against"
        if keys
        else ""
    )


def name_of(reviewer: str) -> str:
    """Return what a reviewer is called."""
    return reviewer or "unnamed"


def _words(one: Suggestion, precision: float | None) -> str:
    if one.word == "missed":
        return f"no value has that precision, by {one.decided:,} answers"
    at = f"{_value(one.value)} [{_value(one.low)}, {_value(one.high)}]"
    if precision is not None and one.precision is not None:
        p = one.precision
        reached = f"{at} has {p.share:.2f} [{p.low:.2f}, {p.high:.2f}]"
        return (
            reached
            if one.word == "meets"
            else f"{reached}, so whether it has {precision:g} is not enough to say"
        )
    gain = f"agrees on {one.agreement:.2f} instead of {one.agreement_now:.2f} of what it decides (p = {one.p:.4f})"
    if one.word == "better":
        return f"the answers suggest {at}, which {gain}"
    return f"no other value is distinguishable from it; the best, {at}, {gain}"


def _value(value: float | None) -> str:
    return "without a bound" if value is None else f"{value:.4g}"


def _half(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
