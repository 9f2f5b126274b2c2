"""A span that a judge says it copied: does it stand in the passage, and where?

A span is proof that a machine can check: what stands in the passage was not invented (ARHN, arXiv 2604.11092).
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from synthneg.words import words

NO_ANSWER = "NO_ANSWER"
# `trivial`: it stands in the passage, but shows nothing: words without content, or the passage as a whole.
SpanOutcome = Literal["span", "no_answer", "not_verbatim", "trivial"]

_WHOLE_FROM_SHARE = 0.9  # of the passage's characters
_AROUND = " \t\r\n\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb.\u2026"
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
_QUOTES = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032`\u00b4", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"')
)
_UNSEEN = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
_STOP_WORDS = frozenset(
    "a an the this that these those it its he she they we you i his her their our your my who which what when where"
    " why how and or but nor so if as than then of in on at by to from for with without into about over under between"
    " is are was were be been being am do does did has have had can could may might must shall should will would not"
    " no yes there here also only very such some any each all both more most other".split()
)


@dataclass(frozen=True, slots=True)
class Span:
    """What a judge found; `start` and `end` are the span's place in the passage, in characters, 0 and 0 for none."""

    outcome: SpanOutcome
    start: int = 0
    end: int = 0


def span_of(value: Any, passage: str) -> Span:
    """Return what a reply to `judge/span` found in the passage that it was shown.

    A span stands in the passage if its characters do; failing that, if they do without regard to case, blanks,
    typographic quotes and dashes, and to forms of one character: these a model changes when it copies, and another
    span comes of none of them. It begins and ends where words do. Quotes, full stops and blanks around it are not
    part of it. It shows nothing if all its words are stop words, or if it is nine tenths of the passage or more.

    >>> span_of({"span": "bitter  above 80 °c."}, "Tea turns bitter above 80 °C, and then red.")
    Span(outcome='span', start=10, end=28)
    """
    said = value.get("span") if isinstance(value, Mapping) else value
    if not isinstance(said, str):
        return Span("not_verbatim")
    text = said.strip(_AROUND)
    if NO_ANSWER in said or " ".join(words(text.replace("_", " "))) == "no answer":
        return Span("no_answer")
    place = _place(text, passage) if text else None
    if place is None:
        return Span("not_verbatim")
    start, end = place
    whole = end - start >= _WHOLE_FROM_SHARE * len(passage.strip())
    trivial = whole or set(words(passage[start:end])) <= _STOP_WORDS
    return Span("trivial" if trivial else "span", start, end)


def _place(text: str, passage: str) -> tuple[int, int] | None:
    """Return where a text stands in the passage, exactly, or else but for what copying changes."""
    found = _find(text, passage)
    if found is not None:
        return found, found + len(text)
    needle, _ = _plain(text)
    hay, places = _plain(passage)
    needle = needle.strip()
    found = _find(needle, hay) if needle else None
    return None if found is None else (places[found], places[found + len(needle) - 1] + 1)


def _find(needle: str, hay: str) -> int | None:
    """Return the first place at which the needle stands and cuts no word."""
    start = hay.find(needle)
    while start >= 0:
        end = start + len(needle)
        if not (
            (start > 0 and _in_word(hay[start - 1], needle[0]))
            or (end < len(hay) and _in_word(needle[-1], hay[end]))
        ):
            return start
        start = hay.find(needle, start + 1)
    return None


def _in_word(one: str, next: str) -> bool:
    """Whether no word ends between two characters; scripts without case do not always part words."""
    if unicodedata.combining(next):
        return True
    return all(c.isalnum() and unicodedata.category(c) != "Lo" for c in (one, next))


def _plain(text: str) -> tuple[str, list[int]]:
    """Return a text without what copying changes, and the place in the text of each character."""
    plain: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if char in _UNSEEN:
            continue
        for c in unicodedata.normalize("NFKD", char.translate(_QUOTES)).casefold():
            c = " " if c.isspace() else c.translate(_DASHES)
            if c == " " and plain and plain[-1] == " ":
                continue
            plain.append(c)
            places.append(place)
    return "".join(plain), places
