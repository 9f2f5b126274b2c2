"""Passages or rejects: what of the corpus can be used, and which passages are held out."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from synthneg.config import CorpusConfig
from synthneg.corpus.raw import Raw
from synthneg.records import Passage, Reject, Split
from synthneg.seen import Seen

STAGE = "corpus"
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Scripts that put no blanks between words have each character counted as a word.
_UNSPACED = r"\u0e00-\u0eff\u3040-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_UNSPACED}]|\w+")


def check(raws: Iterable[Raw], config: CorpusConfig, seed: int) -> Iterator[Passage | Reject]:
    """Yield for each passage found the passage to use, its text untouched, or why it is dropped.

    Reasons: `empty`, `too_short`, `too_long`, `lone_surrogate`, `duplicate` (the text of an earlier passage that is
    used, but for blanks and case).
    """
    with Seen() as texts:
        for raw in raws:
            reject = _fault(raw, config) or _duplicate(raw, texts)
            yield reject or Passage(
                raw.id, raw.text, raw.title, split_of(raw.id, seed, config.held_out)
            )


def split_of(id: str, seed: int, held_out: float) -> Split:
    """Return the split of a passage: a function of its id and the seed, whatever else is in the corpus.

    >>> split_of("a", 7, 0.0), split_of("a", 7, 1.0)
    ('train', 'held_out')
    """
    return "held_out" if draw("split", seed, id) < held_out * 2**64 else "train"


def draw(what: str, seed: int, id: str) -> int:
    """Return a number in [0, 2**64) that looks random and depends on the three alone."""
    digest = hashlib.blake2b(f"{what}\0{seed}\0{id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _fault(raw: Raw, config: CorpusConfig) -> Reject | None:
    for field, value in (("text", raw.text), ("title", raw.title)):
        # Most texts are ASCII, which is known without a search.
        if not value.isascii() and (half := _LONE_SURROGATE.search(value)):
            at = f"U+{ord(half[0]):04X} at character {half.start() + 1} of the {field}"
            return Reject(STAGE, raw.id, "lone_surrogate", f"{at} of {raw.where}")
    if not raw.text.strip():
        return Reject(STAGE, raw.id, "empty", f"no text at {raw.where}")
    if len(raw.text) > config.max_chars:
        detail = f"{len(raw.text)} characters, at most {config.max_chars}"
        return Reject(STAGE, raw.id, "too_long", detail)
    if not _words(config.min_words).match(raw.text):
        words = sum(1 for _ in _WORD.finditer(raw.text))
        return Reject(STAGE, raw.id, "too_short", f"{words} words, at least {config.min_words}")
    return None


@lru_cache
def _words(count: int) -> re.Pattern[str]:
    """Return the pattern that a text with `count` words begins with; atomic, so that it never goes back."""
    return re.compile(rf"(?>[^{_UNSPACED}\w]*+(?:[{_UNSPACED}]|\w++)){{{count}}}")


def _duplicate(raw: Raw, texts: Seen) -> Reject | None:
    text = " ".join(raw.text.split()).casefold()
    first = texts.add(hashlib.blake2b(text.encode(), digest_size=16).digest(), raw.id)
    return None if first is None else Reject(STAGE, raw.id, "duplicate", f"the text of {first}")
