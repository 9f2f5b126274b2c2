"""Texts of strangers for a terminal and for a page: nothing of them steers it, hides in it, or turns its writing round.

In a terminal such characters are left out; on a page they are named, for there a person looks for what is wrong.
"""

import unicodedata

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Marks that turn what follows round, to the end of the line and over what we write beside it. The other three of BIDI
# turn nothing, and stand in texts for good reason.
_TURNING = {ord(mark): f"[U+{ord(mark):04X}]" for mark in BIDI - set("\u061c\u200e\u200f")}

_KEPT = "\t\n"
_CONTROLS = {n: chr(0x2400 + n) for n in range(0x20) if chr(n) not in _KEPT}
_CONTROLS |= {0x7F: "\u2421", ord("\r"): "\n"}
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_VISIBLE = _TURNING | _CONTROLS | _SURROGATES
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


def visible(text: str) -> str:
    r"""Return the text with control characters as their pictures, turning marks by name, and no half of a pair.

    >>> visible("a\0b\u202ec\ud800\r\n")
    'a␀b[U+202E]c�\n'
    """
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def capped(text: str, most: int) -> str:
    """Return the text, of a longer one the first `most` characters and how many are left out.

    >>> capped("abcdef", 4)
    'abcd … [2 more characters]'
    """
    return text if len(text) <= most else f"{text[:most]} … [{len(text) - most:,} more characters]"


def _shown(character: str) -> str:
    if " " <= character <= "~":  # nearly all
        return character
    category = unicodedata.category(character)
    if category == "Cf" and character not in _JOINERS:
        return ""
    return " " if category in _BLANK else character
