"""Texts as words: the one place that says what a word is to the checks."""

import re
import unicodedata

SHINGLE_WORDS = 5  # of the pieces by whose common share two texts are near copies

# Written without blanks between words: each character counts as one.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
# Vowel signs and accents that `\w` leaves out, though they stand inside words.
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u0610-\u061a\u064b-\u065f\u0670"
    "\u0900-\u0963\u0966-\u0dff"
)
_LETTERS = rf"(?:[^\W{_UNSPACED}]++|[{_MARKS}])++"  # possessive: no text makes it try twice
_WORD = re.compile(rf"[{_UNSPACED}]|{_LETTERS}(?:'{_LETTERS})*")
_ASCII_WORD = re.compile(
    r"\w++(?:'\w++)*", re.ASCII
)  # what it comes to in ASCII, at half the price
# Likewise where there is no apostrophe, at a fifth of that: a table of what each character becomes.
_ASCII_TABLE = "".join(chr(n).lower() if re.match(r"\w", chr(n)) else " " for n in range(128))


def words(text: str) -> list[str]:
    """Return the words of `text`, without regard to case, punctuation and typographic variants.

    >>> words("Don’t STEEP green-tea; 绿茶!")
    ["don't", 'steep', 'green', 'tea', '绿', '茶']
    """
    if text.isascii():
        if "'" not in text:
            return text.translate(_ASCII_TABLE).split()
        return _ASCII_WORD.findall(text.lower())
    plain = text.replace("\u2019", "'")
    # Twice, because either step can bring about what the other removes (Unicode's NFKC_Casefold).
    for _ in range(2):
        plain = unicodedata.normalize("NFKC", plain.casefold())
    return _WORD.findall(plain)


def normalized(text: str) -> str:
    """Return what two texts share when they differ in case, punctuation and blanks only.

    >>> normalized("What is  tea?") == normalized("what is tea")
    True
    """
    return " ".join(words(text))
