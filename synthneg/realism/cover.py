"""Vectors of two sets of queries: how far the sets are apart, and whether each lies where the other does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthneg.realism.chance import Row, percent, row, share_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEIGHBOURS = 3  # as in Kynkäänniemi et al. (2019)
_MOST = 100  # vectors of each set that coverage is told at
_PAIRS = 8_000  # per deal: more samples where they are small
_LEAST_SAMPLES = 3
# A third of the queries on another topic come to this much; see benchmarks/prompts/realism.py.
_MATTERS_ENERGY = 0.004
_MATTERS_COVER = 0.15  # share of the queries
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Missing:
    """A real query and the generated one that is nearest to it."""

    real: str
    nearest: str
    cosine: float


def distances(rows: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Return (n, n) Euclidean distances of (n, d) unit rows, in [0, 2]; 0 on the diagonal."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    apart = np.sqrt(np.clip(2 - 2 * (rows @ rows.T), 0, None))
    np.fill_diagonal(apart, 0)
    # Equal texts in different batches differ in the last bits.
    result: NDArray[np.float32] = np.where(apart < 2e-3, 0, apart).astype(np.float32)
    return result


def cover_rows(apart: "NDArray[np.float32]", labels: "NDArray[np.bool_]", seed: int) -> list[Row]:
    """Return the rows of the energy distance and of coverage both ways.

    Args:
        apart: (n, n) distances of the pooled queries.
        labels: (1 + draws, n) deals.
        seed: of the samples of equal size that coverage is told at.
    """
    size = sample_size(int(labels[0].sum()), int((~labels[0]).sum()))
    covered, near = coverage(apart, labels, size, seed)
    energies = _energies(apart, labels)
    return [
        row(
            labels,
            "meaning, distance",
            f"{energies[0]:.3f}",
            "",
            "distance",
            energies,
            _MATTERS_ENERGY,
        ),
        row(
            labels,
            "meaning, real missed",
            percent(1 - covered[0]),
            "",
            "share",
            1 - covered,
            _MATTERS_COVER,
            error=share_error(size * (1 - covered[0]), size),
        ),
        row(
            labels,
            "meaning, generated stray",
            percent(1 - near[0]),
            "",
            "share",
            1 - near,
            _MATTERS_COVER,
            error=share_error(size * (1 - near[0]), size),
        ),
    ]


def sample_size(real: int, generated: int) -> int:
    """Return how many queries of each set coverage is told at: as many of the one as of the other."""
    return min(real, generated, _MOST)


def coverage(
    apart: "NDArray[np.float32]", labels: "NDArray[np.bool_]", size: int, seed: int
) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Return the shares of real queries that the generated ones cover, and the other way, under each deal.

    A query is covered where some query of the other set is as near to it as to its own third neighbour in that set:
    recall and precision of Kynkäänniemi et al. (2019). Both depend on how many queries there are, so both sets are
    sampled down to `size`, several times, and the shares averaged.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    random = np.random.default_rng(seed)
    samples = max(_LEAST_SAMPLES, _PAIRS // size**2)
    covered, near = np.zeros(len(labels)), np.zeros(len(labels))
    for number, label in enumerate(labels):
        real, generated = np.nonzero(label)[0], np.nonzero(~label)[0]
        ours = np.stack([random.permutation(real)[:size] for _ in range(samples)])
        theirs = np.stack([random.permutation(generated)[:size] for _ in range(samples)])
        between = apart[ours[:, :, None], theirs[:, None, :]]
        covered[number] = (between <= _reach(apart, theirs)[:, None, :]).any(axis=2).mean()
        near[number] = (between <= _reach(apart, ours)[:, :, None]).any(axis=1).mean()
    return covered, near


def least_covered(
    real: Sequence[str], generated: Sequence[str], cosines: "NDArray[np.float32]"
) -> list[Missing]:
    """Return the real queries that are furthest from any generated one; `cosines` is (real, generated)."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    nearest = cosines.argmax(axis=1)
    best = cosines.max(axis=1)
    return [
        Missing(real[i], generated[nearest[i]], float(best[i])) for i in np.argsort(best)[:_SHOWN]
    ]


def _reach(apart: "NDArray[np.float32]", samples: "NDArray[np.int64]") -> "NDArray[np.float32]":
    """Return (samples, size): how far it is from each query to its third neighbour in its sample."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    within = apart[samples[:, :, None], samples[:, None, :]]
    place = min(NEIGHBOURS, samples.shape[1] - 1)  # the nearest of all is the query itself
    result: NDArray[np.float32] = np.partition(within, place, axis=2)[:, :, place]
    return result


def _energies(apart: "NDArray[np.float32]", labels: "NDArray[np.bool_]") -> "NDArray[np.float64]":
    """Return the energy distance (Székely & Rizzo 2013) under each deal, as a share of twice the mean distance between.

    0 where the sets are the same, 1 where each is a single point elsewhere.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    ours = labels.astype(np.float32)
    real, generated = int(labels[0].sum()), int((~labels[0]).sum())
    within = ((ours @ apart) * ours).sum(axis=1, dtype=np.float64)
    across = ours @ apart.sum(axis=1, dtype=np.float64) - within
    others = apart.sum(dtype=np.float64) - 2 * across - within
    between = across / (real * generated)
    energy = 2 * between - within / real**2 - others / generated**2
    result: NDArray[np.float64] = energy / np.maximum(2 * between, 1e-12)
    return result
