"""A summary as lines of text, each with a style for terminals: sentences in 78 columns, tables as wide as they are."""

import textwrap
from collections.abc import Iterator, Sequence

from synthneg.evaluate.table import aligned
from synthneg.printable import printable
from synthneg.review import words
from synthneg.review.judges import Agreement
from synthneg.review.rows import Row
from synthneg.review.summary import Summary

_WIDTH = 78
Line = tuple[str, str]


def lines(found: Summary) -> Iterator[Line]:
    """Yield the lines of a summary; names of people and prompts are printable."""
    yield printable(f"{found.run}: {words.head(found)}"), "bold"
    for said in (words.about(found), *words.asides(found)):
        yield from _said(said)
    yield from _rows("what the dataset holds", found.headline)
    yield from _said(words.width(found))
    yield from _rows("by source", found.sources)
    yield from _rows("by prompt", found.prompts)
    yield from _rows("by verdict of the checks", found.verdicts)
    for agreement in found.agreement:
        yield from _agreement(agreement)
    for between in found.between:
        yield "", ""
        yield from _said(words.between(between), "bold")
    yield from _suggestions(found)


def _rows(title: str, rows: Sequence[Row]) -> Iterator[Line]:
    if not rows:
        return
    cells = [[title, "share", "95 %", "answers", "of", ""]]
    cells += [[printable(row.name), *words.cells(row)] for row in rows]
    yield "", ""
    head, *others = aligned(cells)
    yield head, "bold"
    yield from ((line, "") for line in others)


def _agreement(found: Agreement) -> Iterator[Line]:
    yield "", ""
    yield from _said(f"checks and people on {found.of}: {words.kappa(found.kappa)}", "bold")
    rows = [[words.CHECKS, *found.labels]]
    for label, counts in zip(found.labels, found.counts, strict=True):
        rows.append([label, *map(words.counted, counts)])
    yield from ((line, "") for line in aligned(rows))


def _suggestions(found: Summary) -> Iterator[Line]:
    if not found.suggestions:
        return
    yield "", ""
    wanted = "" if found.precision is None else f", for a precision of {found.precision:g}"
    yield f"  thresholds of verify{wanted}", "bold"
    told = words.told(found)
    for one in told:
        yield from _said(words.suggested(one, found.precision))
        yield from ((f"      --set {change}", "green") for change in words.changes(one))
    if sum(bool(words.changes(one)) for one in told) > 1:
        yield from _said(words.ONE_BY_ONE)
    yield from _said(words.untold(found))


def _said(text: str, style: str = "") -> Iterator[Line]:
    for line in textwrap.wrap(
        printable(text),
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    ):
        yield line, style
