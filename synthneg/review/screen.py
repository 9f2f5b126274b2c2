"""One item as a person sees it: query, text in pages, the question, and the keys. Nothing here reads or writes.

What the checks made of the item is not on the screen, nor whether it was meant to answer: both would lead the person.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from synthneg.printable import printable, printable_lines
from synthneg.review.items import Item
from synthneg.review.texts import Shown
from synthneg.words import words

LEAST_WIDTH, MOST_WIDTH = 40, 100
LEAST_HEIGHT = 12
_LABEL = 7  # width of "query" and "text" with what separates them
_FOUND = "bold yellow"
_FRAME = (
    5  # further lines: head, blank, number of the page, and below a word about a key and the cursor
)
_MOST_QUERY = 6  # lines

ASKED = {
    "yes": "Does the text answer the query?",
    "grade": "Which grade does the text deserve for the query?",
}
KEYS = {
    "yes": "y yes  n no  s skip  b back  ? help  q stop",
    "grade": "3 fully  2 partly  1 on topic  0 unrelated  s skip  b back  ? help  q stop",
}
HELP = """\
y   the text answers the query, fully or in part; the answer may be buried
n   it does not: it is on the topic, or about something else
3   the text answers the query fully
2   it answers partly, or the answer is buried among other things
1   it is on the topic and gives no answer
0   it is about something else
s   skip: you would rather not say; skips are left out of all figures
b   back to the item before, whose answer is taken back; again: further back
m   the next page of a long text, and after the last one the first
q   stop; every answer is saved as you give it, and the same command goes on

A text may be the passage that the query was written from, or one that is
meant as a negative. Which it is, and what the checks said of it, is not
shown, so that it cannot lead you. Judge by the text alone."""


class Size(NamedTuple):
    """Columns and lines of the terminal."""

    width: int
    height: int


class Page(NamedTuple):
    """What is on the screen, in lines no wider than it, and how many pages the text has."""

    lines: Sequence[Text]
    pages: int


def page(item: Item, shown: Shown, place: str, size: Size, number: int = 0) -> Page:
    """Return a page of an item.

    Args:
        item: the item.
        shown: its texts.
        place: which item it is, such as `3 of 60`.
        size: of the terminal.
        number: of the page, from 0; past the last one the first follows.
    """
    width = max(LEAST_WIDTH, min(size.width, MOST_WIDTH))
    height = max(LEAST_HEIGHT, size.height)
    query = _wrapped(Text(printable(shown.query), style="bold"), width)
    if len(query) > _MOST_QUERY:
        query = [*query[: _MOST_QUERY - 1], Text("…")]
    kind = "grade" if item.question == "grade" else "yes"
    below = [
        line
        for text in (Text(ASKED[kind], "bold"), Text(KEYS[kind], "dim"))
        for line in _wrapped(text, width + _LABEL)
    ]
    pages = _pages(_text(shown, width), max(3, height - _FRAME - len(query) - len(below)))
    number %= len(pages)
    more = f"{' ' * _LABEL}page {number + 1} of {len(pages)}; m: next" if len(pages) > 1 else ""
    lines = [_head(place, width), *_labelled("query", query), Text("")]
    lines += [*_labelled("text", pages[number]), Text(more, "dim"), *below]
    return Page(lines, len(pages))


def _pages(lines: Sequence[Text], room: int) -> list[Sequence[Text]]:
    """Return the lines in pages of at most so many; no page but the first begins with an empty one."""
    pages = []
    while lines:
        pages.append(lines[:room])
        lines = lines[room:]
        while lines and not lines[0].plain:
            lines = lines[1:]
    return pages


def help_lines(size: Size) -> list[str]:
    """Return what `?` shows."""
    width = max(LEAST_WIDTH, min(size.width, MOST_WIDTH))
    return [
        line.plain
        for raw in HELP.split("\n")
        for line in _wrapped(Text(raw), width + _LABEL) or [Text("")]
    ]


def _head(place: str, width: int) -> Text:
    head = f"── {place} "
    return Text(head + "─" * (width - cell_len(head)), "dim")


def _text(shown: Shown, width: int) -> list[Text]:
    found = [*_stems(printable(shown.query))]
    lines: list[Text] = []
    for number, (title, text) in enumerate(shown.parts, 1):
        if len(shown.parts) > 1:
            lines.append(
                Text(f"[{number} of {len(shown.parts)} texts that are read together]", "dim")
            )
        raw = [printable(title)] if printable(title) else []
        for line in (*raw, *printable_lines(text)):
            lines += _wrapped(_highlighted(line, found), width) or [Text("")]
    return lines or [Text("(nothing)", "dim")]


def _highlighted(line: str, stems: Sequence[str]) -> Text:
    """Return the line with those of its words marked whose stem the query has."""
    text = Text(line)
    start = 0
    for word in _words_as_they_are(line):
        at = line.find(word, start)
        start = at + len(word)
        if any(stem in stems for stem in _stems(word)):
            text.stylize(_FOUND, at, start)
    return text


def _words_as_they_are(line: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in line).split()


def _stems(text: str) -> list[str]:
    from bm25s.stopwords import STOPWORDS_EN  # noqa: PLC0415 - heavy: only when a person looks

    return [_stemmer().stemWord(word) for word in words(text) if word not in STOPWORDS_EN]


@lru_cache(1)
def _stemmer() -> Any:
    from Stemmer import Stemmer  # noqa: PLC0415 - as above

    return Stemmer("english")


def _wrapped(text: Text, width: int) -> list[Text]:
    lines = text.wrap(_console(), max(1, width - _LABEL), tab_size=4)
    for line in lines:
        line.rstrip()
    return list(lines)


@lru_cache(1)
def _console() -> Console:
    return Console(width=MOST_WIDTH)


def _labelled(label: str, lines: Sequence[Text]) -> list[Text]:
    found = []
    for number, line in enumerate(lines):
        first = label if number == 0 else ""
        found.append(Text.assemble((first.ljust(_LABEL), "dim"), line))
    return found
