"""Encoder and reranker of a run whose models are on a Ray cluster; what they give is kept as on one machine.

The same chunks are computed as on one machine, so on like hardware the bytes are the same; on other hardware floats may
differ in their last bits, of which half precision keeps few.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from synthneg.cluster.pool import pool_of
from synthneg.cluster.scorer import Answer
from synthneg.errors import ModelError
from synthneg.run import Run
from synthneg.scoring.base import Encoder, Pairs, Reranker, Role
from synthneg.scoring.reranker import CachedReranker
from synthneg.scoring.vectors import CachedEncoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def open_cluster_encoder(run: Run) -> Encoder:
    """Return the run's encoder on its cluster, with the run's cache of vectors.

    Raises:
        SynthnegError: the cluster cannot be used, or the model cannot be loaded there.
    """
    identity, documents = pool_of(run).ask("kept_as")
    return CachedEncoder(ClusterEncoder(run, identity), run.vectors, identity, documents)


def open_cluster_reranker(run: Run, name: str) -> Reranker:
    """Return the run's reranker `name` on its cluster, with the run's cache of scores; likewise."""
    identity = pool_of(run).ask("scores_kept_as")
    return CachedReranker(ClusterReranker(run, name, identity), run.vectors, identity)


class ClusterEncoder:
    """An encoder whose actors work ahead while the vectors of earlier chunks are written."""

    def __init__(self, run: Run, identity: str) -> None:
        """Name the run, and under what all its actors must keep their vectors."""
        self.name = run.config.verify.encoder
        self._run, self._identity = run, identity

    def encode(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Return the vectors of one chunk; see `Encoder`."""
        return next(self.encode_each([texts], role))

    def encode_each(
        self, chunks: Iterable[Sequence[str]], role: Role
    ) -> "Iterator[NDArray[np.float32]]":
        """Yield the vectors of each chunk, in their order; see `ManyEncoder`."""
        found = pool_of(self._run).each("encode", ((list(chunk), role) for chunk in chunks))
        return (_same(answer, self._identity, self.name) for answer in found)


class ClusterReranker:
    """A reranker on a cluster, likewise."""

    def __init__(self, run: Run, name: str, identity: str) -> None:
        self.name = name
        self._run, self._identity = run, identity

    def score(self, pairs: Pairs) -> "NDArray[np.float32]":
        """Return the scores of one chunk; see `Reranker`."""
        return next(self.score_each([pairs]))

    def score_each(self, chunks: Iterable[Pairs]) -> "Iterator[NDArray[np.float32]]":
        """Yield the scores of each chunk, in their order; see `ManyReranker`."""
        found = pool_of(self._run).each("score", ((list(chunk),) for chunk in chunks))
        return (_same(answer, self._identity, self.name) for answer in found)


def _same(answer: Answer, identity: str, name: str) -> "NDArray[np.float32]":
    """Return the rows, unless they were made in another way than those that they are kept with."""
    if answer.identity != identity:
        raise ModelError(
            f"{name}: expected the same model on all machines of the Ray cluster, but on one of them it has other files"
            " or another precision; copy its folder anew, or set verify.encoding.precision"
        )
    return answer.rows
