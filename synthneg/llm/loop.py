"""Replies that went round in circles up to the limit: blanks without end, or the same words again and again."""

import re

_TAIL_CHARS = 24
_LEAST_CHARS = 64
# A long piece that stands there twice in a row, to the letter, is a loop already.
_TIMES, _TIMES_IF_LONG, _LONG_CHARS = 4, 2, 80
_BLANKS = 24
_LONGEST_UNIT_CHARS = 600
_LOOKED_AT_CHARS = 4000
_NUMBER = re.compile(r"\d+")


def ends_blank(text: str) -> bool:
    """Whether a text ends in so many blanks that its writer saw no way out (vllm#38696, vllm#8350)."""
    return len(text) - len(text.rstrip()) >= _BLANKS


def repeats(text: str) -> bool:
    """Whether a text ends in a piece of up to 600 characters that stands there several times in a row.

    Pieces that differ in a number alone are the same: "23. 43 words; 24. 43 words; 25. 43 words".

    >>> repeats("What is tea? " + "It is a drink, and " * 9), repeats("Tea is drunk hot. " * 2)
    (True, False)
    """
    if _in_a_row(text):
        return True
    counted = _NUMBER.sub("0", text[-_LOOKED_AT_CHARS:])
    return _in_a_row(counted) and any(map(str.isalpha, counted[-_unit(counted) :]))


def _in_a_row(text: str) -> bool:
    unit = _unit(text)
    length = max(_LEAST_CHARS, unit * (_TIMES if unit < _LONG_CHARS else _TIMES_IF_LONG))
    return 0 < unit and length <= len(text) and text[-length:-unit] == text[unit - length :]


def unit_is_short(text: str) -> bool:
    """Whether what a looping text repeats is no more than a mark or two."""
    return 0 < _unit(text) <= 8


def _unit(text: str) -> int:
    """Return the distance at which the text's last characters stood before, 0 where they did not."""
    tail = text[-_TAIL_CHARS:]
    if len(tail) < _TAIL_CHARS:
        return 0
    before = text.rfind(tail, max(0, len(text) - _TAIL_CHARS - _LONGEST_UNIT_CHARS), len(text) - 1)
    return len(text) - _TAIL_CHARS - before if before >= 0 else 0
