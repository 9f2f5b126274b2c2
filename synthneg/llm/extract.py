"""JSON in what a model wrote: found in prose and fences, and read with the faults that lose nothing.

Strict JSON is read by the library. What it refuses is read by a reader that allows for trailing and missing commas,
Python's literals and quotes, typographic quotes, line breaks and quotes inside strings, comments, and a text that ends
too early: then all values that are whole are kept, and nothing is made up for the others.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

_MOST_STARTS = 32
_MOST_CHARS = 200_000
# What is read in vain is read again, for an object inside it, but not for ever.
_MOST_READ_CHARS = 4 * _MOST_CHARS
_DEEPEST = 40
_START = re.compile(r"[{\[]")
_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*(?:[^*]|\*(?!/)){0,2000}\*/)*")
_LITERAL = re.compile(r"(true|True|false|False|null|None)(?!\w)")
_LITERALS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_NUMBER = re.compile(r"-?\d{1,300}(\.\d{1,300})?([eE][+-]?\d{1,3})?(?![\w.])")
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
    r"|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))",
    re.DOTALL,
)
_ESCAPED = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "b": "\b",
    "f": "\f",
    '"': '"',
    "/": "/",
    "\\": "\\",
    "'": "'",
    "\n": "\n",
}
_CLOSERS = {'"': '"', "'": "'", "“": '”“"', "„": '“”"', "‘": "’'"}
_INSIDE = {quote: re.compile(rf"[{closers}\\]") for quote, closers in _CLOSERS.items()}
# What comes after a quote that ends a string; any other quote is part of the text: "She said "no" and left."
_KEY_AHEAD = r"[\"'“„‘][^\"“”\n]{0,80}[\"'”“’]\s{0,99}:"
_KEY_CUT = r"[\"'“„‘][^\"“”\n]{0,80}[\"'”“’]?\s{0,99}\Z"
_COMMENT = r"(?://[^\n]{0,200}\n\s{0,99}|/\*[^*]{0,200}\*/\s{0,99})?"
_AFTER = {
    "key": re.compile(r"\s{0,99}:"),
    "member": re.compile(
        rf"\s{{0,99}},?\s{{0,99}}{_COMMENT}(?:{_KEY_AHEAD}|{_KEY_CUT}|\}}\s{{0,99}}(?:[,}}\]`]|\n|\Z)|(?<=,)\Z)"
    ),
    "item": re.compile(r"\s{0,99}(?:,\s{0,99}(?:[\"'“„‘{\[\d\-tfnTFN\].]|\Z)|\])"),
}
_END = re.compile(r"\s{0,99}(?:\}|\Z)")
_NOTHING: Final = object()


@lru_cache(maxsize=256)
def _labels(keys: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(re.escape(key) for key in keys)
    return re.compile(
        rf"^[#*\- \t]{{0,6}}({names})(?:\*\*)?[ \t]{{0,4}}:(?:\*\*)?", re.MULTILINE | re.IGNORECASE
    )


def labelled(text: str, keys: tuple[str, ...], whole: bool) -> dict[str, str]:
    r"""Return the texts of a reply that gives each key as a label at the beginning of a line, instead of JSON.

    Args:
        text: the reply.
        keys: the labels looked for, in any case.
        whole: False where the reply was cut off: its last text is left out.

    >>> labelled("Question: how hot is tea\n**Answer:** eighty", ("question", "answer"), whole=True)
    {'question': 'how hot is tea', 'answer': 'eighty'}
    """
    found = list(_labels(keys).finditer(text)) if keys else []
    ends = [match.start() for match in found[1:]] + ([len(text)] if whole else [])
    names = {key.casefold(): key for key in keys}
    kept: dict[str, str] = {}
    for label, end in zip(found, ends, strict=False):  # a cut reply's last text has no end
        kept.setdefault(names.get(label[1].casefold(), label[1]), text[label.end() : end].strip())
    return kept


class Found(NamedTuple):
    """An object or list, and the keys whose lists and objects the end of the text cut; "$" for a list itself."""

    value: Any
    cut: frozenset[str] = frozenset()


def values(text: str) -> Iterator[Found]:
    """Yield the JSON objects and lists of a text, in their order; those that are not closed with what is whole in them.

    >>> [value for value, _ in values('Sure: {"a": 1, "b": [2, 3,],} and {"c": "tea", "d": "gre')]
    [{'a': 1, 'b': [2, 3]}, {'c': 'tea'}]
    """
    text, start, read = text[:_MOST_CHARS].rstrip(), 0, 0
    for _ in range(_MOST_STARTS):
        opening = _START.search(text, start)
        if opening is None or read > _MOST_READ_CHARS:
            return
        found, end = _found_at(text, opening.start())
        read += end - opening.start()
        if found is not None:
            yield found
        start = max(end, opening.end()) if found is not None else opening.end()


def _found_at(text: str, start: int) -> tuple[Found | None, int]:
    """Return what is read from `start`, and how far was read."""
    try:
        value, end = _STRICT.raw_decode(text, start)
        return Found(value), end
    except (ValueError, RecursionError):
        reader = _Reader(text)
        value, end, _ = reader.value(start, "item", 0)
    return (None if value is _NOTHING or not value else Found(value, frozenset(reader.cut))), end


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN is no JSON


_STRICT = json.JSONDecoder(strict=False, parse_constant=_no_constant)

# A value, where it ends, and whether it is whole.
_Read = tuple[Any, int, bool]


class _Reader:
    """Reads one text; each method returns a value or _NOTHING, where it ends, and whether it is whole."""

    def __init__(self, text: str) -> None:
        self.cut: set[str] = set()  # keys of what was left open; "$" for a list
        self._text = text

    def value(self, at: int, place: str, depth: int) -> _Read:
        """Read any value; `place` is "member" of an object or "item" of a list."""
        first = self._text[at : at + 1]
        if first == "{" and depth < _DEEPEST:
            return self._object(at, depth)
        if first == "[" and depth < _DEEPEST:
            return self._list(at, depth)
        if first in _CLOSERS:
            return self._string(at, place)
        return self._scalar(at)

    def _object(self, at: int, depth: int) -> _Read:
        kept: dict[str, Any] = {}
        at = self._next(at + 1)
        while self._text[at : at + 1] != "}":
            if self._text[at : at + 1] not in _CLOSERS:
                return kept, at, False
            key, at, whole = self._string(at, "key")
            at = self._blank(at)
            if not whole or self._text[at : at + 1] != ":":
                return kept, at, False
            value, at, whole = self.value(self._blank(at + 1), "member", depth + 1)
            # The lists and objects that the end of the text leaves open lead to what is whole in them.
            if whole or (value is not _NOTHING and value):
                kept[key] = value
            if not whole:
                self.cut.add(key)
                return kept, at, False
            at = self._next(at)
        return kept, at + 1, True

    def _list(self, at: int, depth: int) -> _Read:
        kept: list[Any] = []
        at = self._next(at + 1)
        while self._text[at : at + 1] != "]":
            value, at, whole = self.value(at, "item", depth + 1)
            if not whole:
                self.cut.add("$")
                return kept, at, False
            kept.append(value)
            at = self._next(at)
        return kept, at + 1, True

    def _string(self, at: int, place: str) -> _Read:
        text, quote, start = self._text, self._text[at], at + 1
        inside, after = _INSIDE[quote], _AFTER[place]
        at, pure = start, True
        while found := inside.search(text, at):
            at = found.end()
            if found[0] == "\\":
                at += 1
            elif after.match(text, at) or (pure and _END.match(text, at)):
                return _ESCAPE.sub(_unescaped, text[start : at - 1]), at, True
            else:
                pure = False
        return _NOTHING, len(text), False

    def _scalar(self, at: int) -> _Read:
        literal = _LITERAL.match(self._text, at)
        if literal:
            return _LITERALS[literal[1]], literal.end(), True
        number = _NUMBER.match(self._text, at)
        if number and number.end() < len(self._text):
            real = number[1] or number[2]
            return float(number[0]) if real else int(number[0]), number.end(), True
        return _NOTHING, at, False

    def _blank(self, at: int) -> int:
        return _BLANK.match(self._text, at).end()  # type: ignore[union-attr]  # it matches the empty text too

    def _next(self, at: int) -> int:
        """Return where the next member begins: commas are neither needed nor counted."""
        at = self._blank(at)
        while self._text[at : at + 1] == ",":
            at = self._blank(at + 1)
        return at


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1]:
        pair = bytes.fromhex(escape[1] + escape[2])
        return pair.decode("utf-16-be")
    if escape[3] or escape[4]:  # the second is Python's
        return chr(int(escape[3] or escape[4], 16))
    # An escape that JSON does not know, such as \( of a formula, stays as it was written.
    return _ESCAPED.get(escape[5], escape[0])
