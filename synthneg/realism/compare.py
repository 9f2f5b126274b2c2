"""Real and generated queries side by side: lengths, kinds, words and vectors, each with what chance does to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthneg.realism.chance import Row, deals
from synthneg.realism.cover import Missing, cover_rows, distances, least_covered
from synthneg.realism.kinds import kind_of
from synthneg.realism.lengths import Lengths, length_rows, lengths_of
from synthneg.realism.mix import Share, mix_row, shares
from synthneg.realism.vocabulary import Used, over_used, vocabulary, vocabulary_rows
from synthneg.words import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 999  # deals of labels: the smallest p-value is .001


@dataclass(frozen=True, slots=True)
class Side:
    """What is said of one set of queries."""

    queries: int
    lengths: Lengths
    kinds: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sets of queries, how they differ, and what is missing."""

    real: Side
    generated: Side
    rows: tuple[Row, ...]
    over_used: tuple[Used, ...]
    missing: tuple[Missing, ...]

    def row(self, name: str) -> Row:
        """Return the row of that name."""
        return next(row for row in self.rows if row.name == name)


def compare(
    real: Sequence[str],
    generated: Sequence[str],
    real_vectors: "NDArray[np.float32]",
    generated_vectors: "NDArray[np.float32]",
    *,
    seed: int,
    draws: int = DRAWS,
) -> Comparison:
    """Return how two sets of queries differ.

    Args:
        real: at least 2 texts, drawn independently as far as one knows.
        generated: the same; at most some thousand, the time grows with the square.
        real_vectors: (n, d) unit rows, one per real text.
        generated_vectors: (m, d) unit rows, one per generated text.
        seed: of the deals of labels and of samples.
        draws: how often labels are dealt.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    labels = deals(len(real), len(generated), draws, seed)
    pooled = [*real, *generated]
    counts = [len(words(text)) for text in pooled]
    kinds = [kind_of(text) for text in pooled]
    said = vocabulary(pooled)
    apart = distances(np.concatenate([real_vectors, generated_vectors]))
    n = len(real)
    return Comparison(
        real=Side(n, lengths_of(counts[:n]), tuple(shares(kinds[:n]))),
        generated=Side(len(generated), lengths_of(counts[n:]), tuple(shares(kinds[n:]))),
        rows=(
            *length_rows(counts[:n], counts[n:], labels),
            mix_row(kinds[:n], kinds[n:], labels),
            *vocabulary_rows(said, labels),
            *cover_rows(apart, labels, seed),
        ),
        over_used=tuple(over_used(said, labels)),
        missing=tuple(least_covered(real, generated, real_vectors @ generated_vectors.T)),
    )
