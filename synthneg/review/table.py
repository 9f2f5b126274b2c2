"""A summary as lines of text, each with a style for terminals: sentences in 78 columns, tables as wide as they are."""

import math
import textwrap
from collections.abc import Iterator, Sequence

from synthneg.evaluate.table import aligned
from synthneg.printable import printable
from synthneg.realism.chance import FEW
from synthneg.review.agreement import Kappa
from synthneg.review.estimate import Estimate
from synthneg.review.judges import Agreement, Between
from synthneg.review.rows import Row
from synthneg.review.suggest import FEW_OF_EACH, Suggestion
from synthneg.review.summary import Summary

_WIDTH = 78
_WIDE = 0.1  # half of an interval from which on it is called wide
_TELL = 61  # answers by which a share of .8 is known to ±.1
Line = tuple[str, str]


def lines(found: Summary) -> Iterator[Line]:
    """Yield the lines of a summary."""
    yield from _head(found)
    yield from _rows("what the dataset holds", found.headline)
    yield from _width(found)
    yield from _rows("by source", found.sources)
    yield from _rows("by prompt", found.prompts)
    yield from _rows("by verdict of the checks", found.verdicts)
    for agreement in found.agreement:
        yield from _agreement(agreement)
    for between in found.between:
        yield from _between(between)
    yield from _suggestions(found)


def _head(found: Summary) -> Iterator[Line]:
    who = ", ".join(f"{_name(name)} {count:,}" for name, count in found.reviewers if count)
    yield (
        f"{found.run}: {found.answered:,} of {found.records:,} records are reviewed ({who})",
        "bold",
    )
    time = (
        f"; half of them took at most {found.median_s:.0f} s" if found.median_s is not None else ""
    )
    more = f" (-n {found.strata} asks about each)" if found.reached < found.strata else ""
    yield from _said(
        f"{found.reached:,} of {found.strata:,} kinds (source, prompt, grade, verdict) have an answer{more}{time}."
        " Intervals cover 95 %, and shares are weighted back to the run."
    )
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
            yield from _said(f"{words}: {count:,} ({meaning})")


def _rows(title: str, rows: Sequence[Row]) -> Iterator[Line]:
    if not rows:
        return
    cells = [[title, "share", "95 %", "answers", "of", ""]]
    for row in rows:
        found, about = (
            row.found,
            "" if row.told == "right" else "answer; not checked",
        )
        if not found.answers:
            cells.append([printable(row.name), "", "", "0", f"{found.size:,}", ""])
            continue
        reached = (
            f"{found.reached:,} of {found.size:,}"
            if found.reached < found.size
            else f"{found.size:,}"
        )
        interval = f"[{found.low:.2f}, {found.high:.2f}]"
        word = f"{row.word} than the rest" if row.word in ("higher", "lower") else row.word
        cells.append(
            [row.name, f"{found.share:.2f}", interval, f"{found.answers:,}", reached, about or word]
        )
    yield "", ""
    head, *others = aligned(cells)
    yield head, "bold"
    yield from ((line, "") for line in others)


def _width(found: Summary) -> Iterator[Line]:
    """Say what few answers mean, and how many more would tell."""
    known = [row.found for row in found.headline if row.found.answers]
    widest = max(map(_half, known), default=0.0)
    if widest <= _WIDE:
        return
    # As the root of their number; of a handful nothing is known but that.
    factor = max((_half(e) / _WIDE) ** 2 if e.answers >= FEW else _TELL / e.answers for e in known)
    more = math.ceil(found.answered * factor / 10) * 10
    yield from _said(
        f"These intervals are wide, up to ±{widest:.2f}: {_count(found.answered, 'answer')} cannot tell more."
        f" About -n {more:,} would make it ±{_WIDE:.1f}."
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _half(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def _agreement(found: Agreement) -> Iterator[Line]:
    yield "", ""
    yield from _said(f"checks and people on {found.of}: {_kappa(found.kappa)}", "bold")
    rows = [["the checks say \\ people say", *found.labels]]
    for label, counts in zip(found.labels, found.counts, strict=True):
        rows.append(
            [label, *(f"{count:g}" if count % 1 == 0 else f"{count:.1f}" for count in counts)]
        )
    yield from ((line, "") for line in aligned(rows))


def _kappa(kappa: Kappa) -> str:
    value, low, high = kappa.value, kappa.low, kappa.high
    if math.isnan(value):
        return "no kappa, because one side says the same of all"
    chance = "; not distinguishable from chance" if low <= 0 <= high else ""
    return f"kappa {value:.2f} [{low:.2f}, {high:.2f}]{chance}"


def _between(found: Between) -> Iterator[Line]:
    yield "", ""
    names = f"{_name(found.a)} and {_name(found.b)}"
    if not found.items:
        yield from _said(f"{names} have answered no item both", "bold")
        return
    same = f"the same of {found.agreed:.0%} of {_count(found.items, 'item')}"
    yield from _said(f"{names} on {found.of}: {same}, {_kappa(found.kappa)}", "bold")


def _suggestions(found: Summary) -> Iterator[Line]:
    if not found.suggestions:
        return
    yield "", ""
    wanted = "" if found.precision is None else f", for a precision of {found.precision:g}"
    yield f"  thresholds of verify{wanted}", "bold"
    dumb = [one.key for one in found.suggestions if one.word == "not enough to say"]
    for one in found.suggestions:
        if one.word == "not enough to say":
            continue
        yield from _said(f"{one.key}, now {_value(one.now)}: {_words(one, found.precision)}")
        if one.changes and one.word in ("better", "meets"):
            yield from ((f"      --set {change}", "green") for change in one.changes)
    if sum(bool(one.changes) and one.word in ("better", "meets") for one in found.suggestions) > 1:
        yield from _said(
            "Each is suggested with all others as they are: give one, verify, and look again."
        )
    if dumb:
        yield from _said(
            f"not enough to say of {', '.join(dumb)}: each needs {FEW} answers about what it decides, {FEW_OF_EACH} of"
            " them for and as many against"
        )


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


def _name(reviewer: str) -> str:
    return printable(reviewer) or "unnamed"


def _value(value: float | None) -> str:
    return "without a bound" if value is None else f"{value:.4g}"


def _said(text: str, style: str = "") -> Iterator[Line]:
    for line in textwrap.wrap(
        text, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
    ):
        yield line, style
