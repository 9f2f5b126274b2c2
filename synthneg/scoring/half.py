"""Half precision: what a vector takes on disk, and the way back to the floats that products are made of.

A component in float16 has 11 bits: a cosine of two unit vectors moves by some 1e-5 (benchmarks/scoring/half.py says
what that does to ranks). Widening by moving bits takes a quarter of the time of numpy's own cast, which matters where a
corpus is read for a few hundred queries.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST = 65504.0  # that float16 holds
_AT_ONCE = 2**18  # numbers widened at a time: they stay in a cache between the steps


def narrow(rows: "NDArray[np.float32]") -> "NDArray[np.float16]":
    """Return the rows in half precision, to the nearest, of two the even one.

    Raises:
        OverflowError: a number is beyond `LARGEST`.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when encoding

    if rows.size and np.abs(rows).max() > LARGEST:
        raise OverflowError(f"expected numbers up to {LARGEST:,.0f}, got {np.abs(rows).max():,.0f}")
    return rows.astype("<f2")


def widen(rows: "NDArray[np.float16]") -> "NDArray[np.float32]":
    """Return (n, d) finite rows as float32, each number exactly as it is."""
    import numpy as np  # noqa: PLC0415 - heavy: only when encoding

    found = np.empty(rows.shape, np.float32)
    flat, bits = found.reshape(-1), rows.reshape(-1).view(np.int16)
    # Exponent and mantissa go to their places, the sign stays on top; then the exponent's zero is 127, not 15.
    scale = np.float32(2.0**112)
    for start in range(0, len(bits), _AT_ONCE):
        part = flat[start : start + _AT_ONCE]
        moved = part.view(np.int32)
        moved[...] = bits[start : start + _AT_ONCE]
        np.left_shift(moved, 13, out=moved)
        np.bitwise_and(moved, np.int32(-0x70002000), out=moved)
        np.multiply(part, scale, out=part)
    return found
