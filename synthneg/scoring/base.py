"""What the rest of synthneg knows of encoders and rerankers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Role = Literal["query", "document"]


class Encoder(Protocol):
    """Turns texts into vectors whose dot product is the similarity that the model was trained for.

    Equal texts in the same role get the same vector whatever stands around them, up to the last bits of a float.
    """

    name: str

    def encode(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Return (n, d) float32 unit rows in the order of `texts`; n may be 0."""
        ...


class Reranker(Protocol):
    """Reads query and document together, and says how well the one answers the other."""

    name: str

    def score(self, pairs: Sequence[tuple[str, str]]) -> "NDArray[np.float32]":
        """Return (n,) float32 scores of (query, document) pairs, the higher the better, on the model's own scale."""
        ...
