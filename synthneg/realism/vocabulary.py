"""The words of two sets of texts: what one uses and the other never does, how varied they are, what is over-used."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from synthneg.realism.chance import LEVEL, Row, percent, row
from synthneg.words import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MATTERS_VARIETY = 0.2  # of the number of different words
_TOP = 10
_BLOCK = 128  # deals at a time: bounds the memory
_CONTENT = re.compile(r"[^\W\d_]{3,}|\w*\d\w*")
# Of English; in other languages these and words of one or two letters are all that is left out.
_FUNCTION_WORDS = frozenset(
    "about above after again against all also and any are aren't because been before being below between both but can"
    " cannot could did does doesn't doing don't down during each few for from further had has have having her here hers"
    " him his how into isn't its itself just may might more most must nor not now off once only other our ours out over"
    " own per same shall she should some such than that the their theirs them then there these they this those through"
    " too under until upon very via was were what when where which while who whom whose why will with within without"
    " would you your yours".split()
)


@dataclass(frozen=True, slots=True)
class Used:
    """A word that one set uses more than chance explains; `z` is positive where the generated queries do."""

    word: str
    z: float
    real: int  # how often
    generated: int


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How often each word stands in each text: (n, v) counts, sparse; and whether it has a meaning of its own."""

    words: tuple[str, ...]
    counts: Any
    has_content: "NDArray[np.bool_]"


class _Least(NamedTuple):
    """The least words that a set has under any deal."""

    real: float
    generated: float


def vocabulary(texts: Sequence[str]) -> Vocabulary:
    """Return the words of the texts, counted."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - as above

    place: dict[str, int] = {}
    entries = [
        (number, place.setdefault(word, len(place)), count)
        for number, text in enumerate(texts)
        for word, count in Counter(words(text)).items()
    ]
    rows, columns, values = zip(*entries, strict=True) if entries else ((), (), ())
    counts = csr_matrix((values, (rows, columns)), shape=(len(texts), len(place)), dtype=np.float32)
    has_content = [word not in _FUNCTION_WORDS and bool(_CONTENT.match(word)) for word in place]
    return Vocabulary(tuple(place), counts, np.asarray(has_content, dtype=bool))


def vocabulary_rows(vocabulary: Vocabulary, labels: "NDArray[np.bool_]") -> list[Row]:
    """Return the rows of content words that one set never uses, and of how many different ones there are.

    Words are weighted by how often their own set uses them. Longer texts use more words, and that is not to count here:
    a set is thinned to the least words that it has under any deal before the other's are looked up in it, and the
    number of different words is told at an equal number of words, each kept with the same chance (Coleman 1981).
    What one set alone uses is unlike or not, and never called like: the deals themselves change with the words.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    content = vocabulary.counts[:, vocabulary.has_content]
    sizes = labels @ np.asarray(content.sum(axis=1)).ravel()
    least = _Least(float(sizes.min()), float((content.sum() - sizes).min()))
    found = [_statistics(part, content, least) for part in _blocks(labels)]
    ours_alone, theirs_alone, ours, theirs = (np.concatenate(x) for x in zip(*found, strict=True))
    ratios = np.log(np.maximum(theirs, 1) / np.maximum(ours, 1))
    return [
        row(
            labels,
            "words never generated",
            percent(ours_alone[0]),
            "",
            "share",
            ours_alone,
            None,
        ),
        row(
            labels,
            "words never real",
            percent(theirs_alone[0]),
            "",
            "share",
            theirs_alone,
            None,
        ),
        row(
            labels,
            "words, different ones",
            f"{ours[0]:.0f}",
            f"{theirs[0]:.0f} among as many",
            "log ratio",
            ratios,
            _MATTERS_VARIETY,
        ),
    ]


def over_used(vocabulary: Vocabulary, labels: "NDArray[np.bool_]") -> list[Used]:
    """Return up to ten words of each set that it uses more than the other, those of the generated queries first.

    By the log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi & Quinn 2008), here both sets together
    with the weight of the smaller one. A word counts where its z lies above the largest of any word in 95 % of the
    deals: in 95 of 100 pairs of sets that do not differ, no word is named.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    if not vocabulary.words:
        return []
    found = [_log_odds(part, vocabulary.counts) for part in _blocks(labels)]
    largest = np.concatenate([np.abs(z).max(axis=1) for z in found])
    z = found[0][0]
    real = labels[0].astype(np.float32) @ vocabulary.counts
    total = np.asarray(vocabulary.counts.sum(axis=0)).ravel()
    order = np.argsort(z)
    return [
        Used(vocabulary.words[i], float(z[i]), int(real[i]), int(total[i] - real[i]))
        for chosen in (order[::-1][:_TOP], order[:_TOP])
        for i in chosen
        if (largest >= abs(z[i])).mean() < LEVEL
    ]


def _blocks(labels: "NDArray[np.bool_]") -> "list[NDArray[np.float32]]":
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    starts = range(0, len(labels), _BLOCK)
    return [labels[start : start + _BLOCK].astype(np.float32) for start in starts]


def _statistics(
    labels: "NDArray[np.float32]", counts: Any, least: _Least
) -> "tuple[NDArray[np.float64], ...]":
    """Return, under each deal: shares of words that only real, only generated texts use; different words of each."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    real = labels @ counts
    generated = np.asarray(counts.sum(axis=0)).ravel() - real
    among = min(least)
    return (
        (_shares(real) * _absent(generated, least.generated)).sum(axis=1, dtype=np.float64),
        (_shares(generated) * _absent(real, least.real)).sum(axis=1, dtype=np.float64),
        (1 - _absent(real, among)).sum(axis=1, dtype=np.float64),
        (1 - _absent(generated, among)).sum(axis=1, dtype=np.float64),
    )


def _shares(counts: "NDArray[np.float32]") -> "NDArray[np.float32]":
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    result: NDArray[np.float32] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return result


def _absent(counts: "NDArray[np.float32]", among: float) -> "NDArray[np.float32]":
    """Return the chance that each word is absent from `among` of the counted ones, each kept with the same chance."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    dropped = 1 - among / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    result: NDArray[np.float32] = np.maximum(dropped, 0) ** counts
    return result


def _log_odds(labels: "NDArray[np.float32]", counts: Any) -> "NDArray[np.float64]":
    """Return (deals, words) z-scores, positive where the generated queries use a word more."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    total = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    real = (labels @ counts).astype(np.float64)
    ours, theirs = real.sum(axis=1, keepdims=True), total.sum() - real.sum(axis=1, keepdims=True)
    prior = total * np.minimum(ours, theirs) / max(1.0, total.sum())
    weight = np.minimum(ours, theirs)
    a, b = real + prior, total - real + prior
    ratio = np.log(b / (theirs + weight - b + 1e-9)) - np.log(a / (ours + weight - a + 1e-9))
    result: NDArray[np.float64] = ratio / np.sqrt(1 / a + 1 / b)
    return result
