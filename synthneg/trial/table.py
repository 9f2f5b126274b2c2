"""The comparison of two prompts as lines of text."""

import math
import re
from collections.abc import Callable, Sequence
from textwrap import wrap

from synthneg.evaluate.significance import Interval
from synthneg.trial.rows import Row, Word, smallest

WIDTH = 110  # of the whole table
_LEAST_NAME = 16
_UNITS = ((6, 1e6, "M"), (4, 1e3, "k"), (-99, 1, ""))  # from which power of ten on
Show = Callable[[float, str], str]  # writes a value with a sign or none
_SAID: tuple[Word, ...] = ("better", "worse", "higher", "lower")


def table(rows: Sequence[Row], a: str = "A", b: str = "B", width: int = WIDTH) -> list[str]:
    """Return a line per measure, in order, then what the comparison comes to.

    Args:
        rows: as `compare_arms` gave them.
        a: what the first prompt is called.
        b: what the second is called.
        width: columns that there are, 80 or more.
    """
    if not rows:
        return remarks(rows, b)
    said = [line for text in remarks(rows, b) for line in wrap(text, width, break_on_hyphens=False)]
    return [*grid(rows, a, b, width), "", *said]


def grid(rows: Sequence[Row], a: str = "A", b: str = "B", width: int = WIDTH) -> list[str]:
    """Return a line per measure, in order, below one of headings; the arguments are those of `table`.

    Shares are in percent, their differences in percentage points; intervals cover 95 %. Those of A and B are left out
    where there is no room for them.
    """
    head = ["shares in %", a, b, f"{b} - {a}", "p", ""]
    cells = [head, *(_cells(row, _interval) for row in rows)]
    if _room(cells) + _LEAST_NAME > width:
        cells = [head, *(_cells(row, _mean) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widths[0] = min(widths[0], max(_LEAST_NAME, width - _room(cells)))
    return [
        "  ".join(
            _cut(cell, width).ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in cells
    ]


def remarks(rows: Sequence[Row], b: str = "B") -> list[str]:
    """Return what the comparison comes to, and what it could not have seen, in a sentence or two each."""
    if not rows:
        return ["nothing to compare: no prompt was asked for a record"]
    return [_conclusion(rows, b), _missable(rows)]


def _room(cells: Sequence[Sequence[str]]) -> int:
    """Return what all columns but the first take, with the gaps between them."""
    return sum(2 + max(map(len, column)) for column in list(zip(*cells, strict=True))[1:])


def _cells(row: Row, one: Callable[[Interval, Show, str], str]) -> list[str]:
    """Return the cells of a row; `one` writes the value of A and of B."""
    p = "<.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}".removeprefix("0")
    show = _percent if row.form == "share" else _number(row)
    return [
        row.measure,
        *(one(value, show, "") for value in (row.a, row.b)),
        _interval(row.difference, show, "+"),
        p,
        row.word,
    ]


def _mean(value: Interval, show: Show, sign: str) -> str:
    return "-" if math.isnan(value.mean) else show(value.mean, sign)


def _interval(value: Interval, show: Show, sign: str) -> str:
    if math.isnan(value.mean):
        return "-"
    mean, low, high = (show(x, sign) for x in (value.mean, value.low, value.high))
    return f"{mean} [{low}, {high}]"


def _percent(share: float, sign: str) -> str:
    """Return a share in percent.

    >>> _percent(0.5678, ""), _percent(1.0, ""), _percent(-0.00001, "+")
    ('56.8', '100', '+0.0')
    """
    return f"{round(100 * share, 1) + 0.0:{sign}.1f}".replace("100.0", "100")


def _number(row: Row) -> Show:
    """Return what writes the row's numbers: three digits of the larger mean, three places at most, thousands as k."""
    largest = max(abs(x) for x in (row.a.mean, row.b.mean) if not math.isnan(x))
    magnitude = math.floor(math.log10(largest)) if largest > 0 else 0
    scale, unit = next((scale, unit) for least, scale, unit in _UNITS if magnitude >= least)
    places = min(max(2 - magnitude + round(math.log10(scale)), 0), 3)

    def show(value: float, sign: str) -> str:
        text = f"{round(value / scale, places) + 0.0:{sign}.{places}f}{unit}"
        return re.sub(r"\b0\.", ".", text)

    return show


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _conclusion(rows: Sequence[Row], b: str) -> str:
    """Say in one sentence where B is better and where it is worse."""
    parts = [
        f"{said} in {', '.join(row.measure for row in rows if row.word == said)}"
        for said in _SAID
        if any(row.word == said for row in rows)
    ]
    if not parts:
        return "The two are not distinguishable in any measure."
    rest = any(row.word not in _SAID for row in rows)
    return f"{b} is {'; '.join(parts)}" + ("; the rest is not distinguishable." if rest else ".")


def _missable(rows: Sequence[Row]) -> str:
    """Say how large a difference had to be to be seen, for each row that is not distinguishable."""
    found = [
        f"{row.measure} {_size(row)}"
        for row in rows
        if row.word not in _SAID and not math.isnan(smallest(row))
    ]
    note = f"p is corrected for {rows[0].tests} tested rows (Holm)."
    if not found:
        return note
    return f"{note} Differences that would be found four times in five: {', '.join(found)}."


def _size(row: Row) -> str:
    value = smallest(row)
    if row.form == "share":
        return f"{100 * value:.1f} points"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
