"""Stand-ins that obey the contracts of the two seams, for tests and dry runs; never a default."""

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class HashingEncoder:
    """An encoder that needs no model: a bag of words, each hashed to a signed bucket.

    Texts that share words are near, all others nearly orthogonal. For tests and dry runs.
    """

    def __init__(self, dimension: int = 256) -> None:
        self.name = f"hashing-{dimension}"
        self._dimension = dimension

    def encode(
        self, texts: Sequence[str], role: Literal["query", "document"]
    ) -> "NDArray[np.float32]":
        """Return (n, d) unit rows; both roles give the same ones."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        rows = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
                value = int.from_bytes(digest, "big")
                row[(value >> 1) % self._dimension] += 1.0 if value & 1 else -1.0
            if not row.any():
                row[0] = 1.0  # no words, or words that cancel out: still a unit row
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows
