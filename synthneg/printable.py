"""Texts of strangers for a terminal: nothing of them steers it, hides in it, or turns its writing round."""

import unicodedata

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_JOINERS = "\u200c\u200d"  # invisible, but Persian words and many emoji are made with them
_BLANK = ("Cc", "Zl", "Zp", "Cs")


def printable(text: str) -> str:
    r"""Return the text on one line, without what would steer a terminal or turn its writing round.

    >>> printable("a\x1b[31m\nb\u202e")
    'a [31m b'
    """
    return " ".join("".join(map(_shown, text)).split())


def printable_lines(text: str) -> list[str]:
    r"""Return the text line by line, likewise; indentation is kept, and several empty lines become one.

    >>> printable_lines("def f():\n\treturn\x1b[2J 1  \n\n\n\u202eend")
    ['def f():', '    return [2J 1', '', 'end']
    """
    lines: list[str] = []
    for raw in text.expandtabs(4).splitlines():
        line = "".join(map(_shown, raw)).rstrip()
        if line or (lines and lines[-1]):
            lines.append(line)
    return lines[:-1] if lines and not lines[-1] else lines


def _shown(character: str) -> str:
    if " " <= character <= "~":  # nearly all
        return character
    category = unicodedata.category(character)
    if category == "Cf" and character not in _JOINERS:
        return ""
    return " " if category in _BLANK else character
