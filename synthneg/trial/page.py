"""What is shown of prompts as one page of HTML: nothing is loaded, and nothing that a passage or a reply says runs."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, Template

from synthneg.trial.comparison import Comparison, comparison_lines
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


def sheet_page(sheet: Sheet) -> str:
    """Return the page of `prompts try`."""
    rows = [Row(card, (Side("", card.pieces, card.note),)) for card in sheet.cards]
    return _template().render(
        title=sheet.heading, lines="", summary=sheet.summary, rows=rows, sides=1
    )


def comparison_page(found: Comparison) -> str:
    """Return the page of `prompts compare`: the table, then what both prompts wrote about each passage."""
    title = f"{found.a} · {found.b}"
    lines = "\n".join(comparison_lines(found))
    return _template().render(
        title=title, lines=lines, summary=(), rows=_side_by_side(found.sheets), sides=2
    )


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
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)
