"""The mix of kinds: which share of the queries are questions, claims, keywords and so on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthneg.interval import wilson
from synthneg.realism.chance import Row, percent, row, share_error
from synthneg.realism.kinds import KINDS, Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MATTERS = 0.15  # share of the queries that would have to be of another kind


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one kind among the queries of one set, with its 95 % interval."""

    kind: Kind
    count: int
    share: float
    low: float
    high: float


def shares(kinds: Sequence[Kind]) -> list[Share]:
    """Return the share of each kind, in the order of KINDS."""
    counts = {kind: sum(k == kind for k in kinds) for kind in KINDS}
    return [
        Share(kind, count, count / max(1, len(kinds)), *wilson(count, len(kinds)))
        for kind, count in counts.items()
    ]


def mix_row(real: Sequence[Kind], generated: Sequence[Kind], labels: "NDArray[np.bool_]") -> Row:
    """Return the row of the mix of kinds.

    How far apart is the total variation distance, the share that would have to be of another kind; the p-value is that
    of the G statistic, which sees rare kinds better.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    pooled = [*real, *generated]
    is_kind = np.asarray([[k == kind for kind in KINDS] for k in pooled], dtype=np.float64)
    ours = labels.astype(np.float64) @ is_kind
    theirs = is_kind.sum(axis=0) - ours
    apart = np.abs(ours / len(real) - theirs / len(generated)).sum(axis=1) / 2
    expected = np.maximum(is_kind.sum(axis=0), 1) / len(pooled)
    g = _likelihood(ours, expected * len(real)) + _likelihood(theirs, expected * len(generated))
    error = max(
        math.hypot(share_error(a, len(real)), share_error(b, len(generated)))
        for a, b in zip(ours[0], theirs[0], strict=True)
    )
    shown = _main(real), _main(generated)
    return row(labels, "kinds", *shown, "share", apart, _MATTERS, error=error, decides=g)


def _main(kinds: Sequence[Kind]) -> str:
    most = max(shares(kinds), key=lambda share: share.count)
    return f"{most.kind} {percent(most.share)}"


def _likelihood(
    seen: "NDArray[np.float64]", expected: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    result: NDArray[np.float64] = 2 * (seen * np.log(np.maximum(seen, 1e-12) / expected)).sum(
        axis=1
    )
    return result
