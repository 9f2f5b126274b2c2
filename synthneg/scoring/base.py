"""What the rest of synthneg knows of encoders and rerankers."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

Role = Literal["query", "document"]


class Encoder(Protocol):
    """Turns texts into vectors whose dot product is the similarity that the model was trained for.

    Equal texts in the same role get the same vector whatever stands around them, up to the last bits of a float. Where
    vectors are kept in half precision, their lengths are 1 up to some 5e-5.
    """

    name: str

    def encode(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Return (n, d) float32 unit rows in the order of `texts`; n may be 0."""
        ...


@runtime_checkable
class KeepingEncoder(Encoder, Protocol):
    """An encoder that has a place on disk for vectors, so that those of a corpus need not be held."""

    def keep(self, blocks: Iterable[Sequence[str]], role: Role) -> "Rows":
        """Return the vectors of all texts of the blocks, in their order."""
        ...


class Reranker(Protocol):
    """Reads query and document together, and says how well the one answers the other."""

    name: str

    def score(self, pairs: Sequence[tuple[str, str]]) -> "NDArray[np.float32]":
        """Return (n,) float32 scores of (query, document) pairs, the higher the better, on the model's own scale."""
        ...


def vectors_of(encoder: Encoder, blocks: Iterable[Sequence[str]], role: Role) -> "Rows":
    """Return the vectors of all texts of the blocks: on disk where the encoder has a place for them, else in memory.

    Args:
        encoder: makes them, block by block.
        blocks: at least one text in each.
        role: of the texts.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when encoding

    if isinstance(encoder, KeepingEncoder):
        return encoder.keep(blocks, role)
    parts = [encoder.encode(block, role) for block in blocks]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
