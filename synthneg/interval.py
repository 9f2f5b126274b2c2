"""The interval of a share."""

import math

Z_95 = 1.959964  # two-sided 95 %


def wilson(count: float, of: float, z: float = Z_95) -> tuple[float, float]:
    """Return the interval of a share (Wilson 1927), that of 95 % unless another z is given; (0, 1) of nothing.

    >>> [round(x, 3) for x in wilson(20, 20)], wilson(0, 0)
    ([0.839, 1.0], (0.0, 1.0))
    """
    if not of:
        return 0.0, 1.0
    share, z2 = count / of, z**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    # The share itself lies within, whatever the last bits say.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
