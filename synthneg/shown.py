"""Texts of strangers as a page shows them: what cannot be seen, or would turn the writing round, is named instead."""

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Marks that turn what follows round, to the end of the line and over what we write beside it. The other three of BIDI
# turn nothing, and stand in texts for good reason.
_TURNING = {ord(mark): f"[U+{ord(mark):04X}]" for mark in BIDI - set("\u061c\u200e\u200f")}

_KEPT = "\t\n"
_CONTROLS = {n: chr(0x2400 + n) for n in range(0x20) if chr(n) not in _KEPT}
_CONTROLS |= {0x7F: "\u2421", ord("\r"): "\n"}
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_VISIBLE = _TURNING | _CONTROLS | _SURROGATES


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
