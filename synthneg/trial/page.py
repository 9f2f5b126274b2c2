"""What is shown of prompts as one page of HTML: nothing is loaded, and nothing that a passage or a reply says runs."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, Template

from synthneg.evaluate.table import table as evaluation_lines
from synthneg.printable import visible
from synthneg.trial.comparison import Comparison, heading
from synthneg.trial.table import grid, remarks
from synthneg.trial.view import Card, Piece, Sheet


class Side(NamedTuple):
    """What one prompt wrote about a passage; without a name where there is but one prompt."""

    name: str
    pieces: tuple[Piece, ...]
    note: str


class Row(NamedTuple):
    """A passage, and what was written about it."""

    card: Card
    sides: tuple[Side, ...]


class Block(NamedTuple):
    """A piece of what all of it comes to: lines that wrap, or columns that keep their places."""

    lines: Sequence[str] = ()
    columns: str = ""


def sheet_page(sheet: Sheet) -> str:
    """Return the page of `prompts try`."""
    rows = [Row(card, (Side("", card.pieces, card.note),)) for card in sheet.cards]
    summary = [Block(lines=sheet.summary)]
    return _template().render(title=sheet.heading, summary=summary, rows=rows, sides=1)


def comparison_page(found: Comparison) -> str:
    """Return the page of `prompts compare`: the table, then what both prompts wrote about each passage."""
    summary = [Block(lines=heading(found))]
    if found.rows:
        summary.append(Block(columns="\n".join(grid(found.rows))))
    summary.append(Block(lines=remarks(found.rows)))
    if found.students is not None:
        summary.append(Block(lines=["students trained on each:"]))
        summary.append(Block(columns="\n".join(evaluation_lines(found.students))))
    summary.append(Block(lines=found.notes))
    title, rows = f"{found.a} · {found.b}", _side_by_side(found.sheets)
    return _template().render(title=title, summary=summary, rows=rows, sides=2)


def _side_by_side(sheets: Sequence[Sheet]) -> list[Row]:
    cards = [{card.key: card for card in sheet.cards} for sheet in sheets]
    keys = dict.fromkeys(key for some in cards for key in some)
    rows = []
    for key in keys:
        found = [(name, some[key]) for name, some in zip("AB", cards, strict=True) if key in some]
        sides = tuple(Side(name, card.pieces, card.note) for name, card in found)
        rows.append(Row(found[0][1], sides))
    return rows


@lru_cache(maxsize=1)
def _template() -> Template:
    source = Path(__file__).with_name("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    return environment.from_string(source)


def _visible(value: object) -> object:
    return visible(value) if isinstance(value, str) else value
