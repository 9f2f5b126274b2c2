"""What is shown of a prompt as lines for a terminal, each with a style that whoever prints them may leave out."""

import textwrap
import unicodedata
from collections.abc import Iterator

from synthneg.shown import BIDI
from synthneg.trial.view import Card, Piece, Sheet

Line = tuple[str, str]  # text and style

_PASSAGE_CHARS = 300
_RAW_CHARS = 300
_INDENT = "  "


def sheet_lines(sheet: Sheet, width: int) -> Iterator[Line]:
    """Yield the cards, then their sum, in lines of at most `width` characters."""
    for number, card in enumerate(sheet.cards, 1):
        yield from _card(card, f"{number} of {len(sheet.cards)}", width)
    yield from _wrapped(sheet.heading, "", width, "bold")
    for line in sheet.summary:
        yield from _wrapped(line, _INDENT, width)


def printable(text: str) -> str:
    r"""Return the text on one line, without what would steer a terminal or turn its writing round.

    >>> printable("a\x1b[31m\nb\u202e")
    'a [31m b'
    """
    plain = "".join(
        "" if c in BIDI else " " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c
        for c in text
    )
    return " ".join(plain.split())


def _card(card: Card, place: str, width: int) -> Iterator[Line]:
    head = f"── {place} · {printable(card.title)} "
    yield head[:width].ljust(width, "─"), "bold"
    yield from _wrapped(_cut(printable(card.passage), _PASSAGE_CHARS), "passage  ", width, "dim")
    if card.query is not None:
        yield from _wrapped(printable(card.query), "query    ", width)
    for number, piece in enumerate(card.pieces):
        if number:
            yield "", ""
        yield from _piece(piece, width)
    if card.note:
        yield "", ""
        yield from _wrapped(card.note, _INDENT, width, "" if ":" not in card.note else "yellow")
    yield "", ""


def _piece(piece: Piece, width: int) -> Iterator[Line]:
    for key, value in piece.said:
        yield from _wrapped(printable(value), f"({printable(key)})  ", width, "dim")
    label = f"{piece.name:<8} "
    if piece.text is None:
        yield from _wrapped(f"nothing of use; {piece.facts}", label, width)
        if piece.raw:
            yield from _wrapped(_cut(printable(piece.raw), _RAW_CHARS), "reply    ", width, "dim")
    else:
        yield from _wrapped(printable(piece.text), label, width, "bold")
        yield from _wrapped(piece.facts, " " * len(label), width, "dim")
    verdict = printable(piece.verdict)
    yield from _wrapped(verdict, " " * len(label), width, "green" if piece.kept else "red")


def _wrapped(text: str, label: str, width: int, style: str = "") -> Iterator[Line]:
    """Yield the text in lines, the label before the first and as much room before the others."""
    found = textwrap.wrap(
        text,
        width,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_on_hyphens=False,
    )
    yield from ((line, style) for line in found or [label.rstrip()])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 2].rstrip()} …"
