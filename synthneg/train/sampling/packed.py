"""Arrays of numbers as text, for checkpoints are JSON."""

import zlib
from base64 import b85decode, b85encode
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Packed(TypedDict):
    """An array of whole numbers from -2^31 to 2^31 - 1."""

    shape: list[int]
    numbers: str


def packed(numbers: "NDArray[np.int64]") -> Packed:
    """Return the array as text.

    >>> import numpy as np
    >>> unpacked(packed(np.array([[3, -1]]))).tolist()
    [[3, -1]]
    """
    raw = zlib.compress(numbers.astype("<i4").tobytes(), 1)
    return {"shape": list(numbers.shape), "numbers": b85encode(raw).decode()}


def unpacked(found: Packed) -> "NDArray[np.int64]":
    """Return the array again."""
    import numpy as np  # noqa: PLC0415 - heavy: only when training

    raw = zlib.decompress(b85decode(found["numbers"]))
    return np.frombuffer(raw, "<i4").astype(np.int64).reshape(found["shape"])
