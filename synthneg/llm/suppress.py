"""Words that a request's sampling makes unlikely (2306.04140: logit suppression), for backends that know their tokens.

Where the tokens are not known, as with a server, the words are left out of the body: the prompt's line alone asks.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SUPPRESS = "suppress"  # in a request's sampling: a list of words
BIAS = (
    -5.0
)  # added to a token's logit: 150 times less likely, and still possible where nothing else fits


def spellings(word: str) -> tuple[str, ...]:
    """Return how a word may stand in a text: in small letters or capitalised, at the beginning or after a blank."""
    return tuple(f"{blank}{form}" for form in (word, word.capitalize()) for blank in ("", " "))


def beginnings(word: str, tokens: Mapping[str, Sequence[tuple[int, str]]]) -> list[int]:
    """Return the tokens that begin a word, whatever its spelling, sorted.

    A token that holds less than half of the word is left out: other words begin with it, too.

    Args:
        word: to be suppressed.
        tokens: of each of its spellings, with their numbers and texts.

    >>> beginnings("what", {"what": [(3, "what")], " What": [(5, " W"), (6, "hat")]})
    [3]
    """
    firsts = {some[0] for some in tokens.values() if some}
    return sorted({number for number, text in firsts if 2 * len(text.strip()) >= len(word)})


def bias_of(words: Iterable[str], tokenizer: Any) -> dict[int, float] | None:
    """Return what is added to the logits of the tokens that begin the words, by a tokenizer of transformers."""

    def tokens(text: str) -> list[tuple[int, str]]:
        numbers = tokenizer.encode(text, add_special_tokens=False)
        return [(number, tokenizer.decode([number])) for number in numbers]

    firsts = (beginnings(word, {form: tokens(form) for form in spellings(word)}) for word in words)
    return {token: BIAS for some in firsts for token in some} or None
