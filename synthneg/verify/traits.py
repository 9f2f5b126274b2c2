"""What can be seen of a document without its query: its length, its style, its characters."""

import re
import string
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from synthneg.words import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SENTENCE_END = re.compile(r"[.!?。！？]+(?=\s|\Z)|[。！？]")
_MARKS = ",.;:!?()[]{}\"'`*#_/%&+=<>|\u2013\u2014-\u2018\u2019\u201c\u201d\u2026\n"
# Words that say how a text is put together, and little of what it is about.
_FUNCTION_WORDS = (
    "the a an of in to and or but for with by on at from as is are was were be been has have had not no this that"
    " these those it its we our you your they their can may will which while however such also more than into"
).split()
_CHARACTERS = 1500  # of a text that its n-grams are taken from
_HASHED = 2**16  # columns


def lengths(texts: Sequence[str]) -> "NDArray[np.float64]":
    """Return (n, 4): logarithms of words, characters, sentences, and words per sentence, each plus 1."""
    import numpy as np  # noqa: PLC0415 - heavy: only when probing

    rows = []
    for text in texts:
        count, sentences = len(words(text)), max(1, len(_SENTENCE_END.findall(text)))
        rows.append((count, len(text), sentences, count / sentences))
    return np.log1p(np.asarray(rows, dtype=np.float64).reshape(len(texts), 4))


def styles(texts: Sequence[str]) -> "NDArray[np.float64]":
    """Return (n, d) shares that do not grow with a text: of each mark, capitals, digits and function words.

    Beside them stand the mean length of its words, and whether it begins with a capital and ends with a mark.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when probing

    rows = []
    for text in texts:
        count, found = max(1, len(text)), words(text)
        row = [text.count(mark) / count for mark in _MARKS]
        row.append(sum(map(str.isupper, text)) / count)
        row.append(sum(map(str.isdigit, text)) / count)
        row += [found.count(word) / max(1, len(found)) for word in _FUNCTION_WORDS]
        row.append(sum(map(len, found)) / max(1, len(found)) / 10)
        row.append(float(text[:1].isupper()))
        row.append(float(text[-1:] in string.punctuation + "。！？"))
        rows.append(row)
    width = len(_MARKS) + len(_FUNCTION_WORDS) + 5
    return np.asarray(rows, dtype=np.float64).reshape(len(texts), width)


def characters(texts: Sequence[str]) -> Any:
    """Return an (n, 65536) sparse matrix of 2- to 4-grams of characters within words, each row of length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer  # noqa: PLC0415 - heavy

    vectorizer = HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), n_features=_HASHED, lowercase=False
    )
    return vectorizer.transform([text[:_CHARACTERS] for text in texts])


TRAITS: dict[str, Callable[[Sequence[str]], Any]] = {
    "length": lengths,
    "style": styles,
    "characters": characters,
}
