"""Which languages a dataset is in, as its texts say."""

from collections import Counter
from collections.abc import Sequence

from synthneg.scoring.language import Language

_MOST_TEXTS = 1000  # looked at, from all over the set
_LEAST_SHARE = 0.05  # of those; a language of fewer is a name, a quotation or a mistake


def step_of(examples: int) -> int:
    """Return which of so many examples are looked at, their queries and positives: each how many-th."""
    return -(-2 * examples // _MOST_TEXTS) or 1


def languages(texts: Sequence[str]) -> list[str]:
    """Return the ISO 639-1 codes of the languages of some texts, the most frequent first.

    Only what the detector is sure of counts, so texts of a few words may have none.
    """
    detector = Language()
    found = Counter(said.code for said in map(detector.of, texts) if said.sure)
    return [code for code, n in found.most_common() if n >= _LEAST_SHARE * len(texts)]
