"""Models that are loaded when they have something to score: what is known already needs no torch."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from synthneg import __version__
from synthneg.config.encoding import EncodingConfig
from synthneg.files import states
from synthneg.scoring.base import Encoder, Reranker, Role, encode_ahead, vectors_of
from synthneg.scoring.models import find_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows


class LazyEncoder:
    """An encoder that is loaded at its first text; errors of loading come then."""

    def __init__(self, name: str, load: Callable[[], Encoder]) -> None:
        self.name = name
        self._load = load
        self._encoder: Encoder | None = None

    def encode(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Return the vectors; see `Encoder`."""
        return self._loaded().encode(texts, role)

    def keep(self, blocks: Iterable[Sequence[str]], role: Role) -> "Rows":
        """Return the vectors where the encoder keeps them; see `KeepingEncoder`."""
        return vectors_of(self._loaded(), blocks, role)

    def keep_ahead(self, blocks: Iterable[Sequence[str]], role: Role) -> None:
        """Have the encoder work ahead if it can; see `KeepingEncoder`."""
        encode_ahead(self._loaded(), blocks, role)

    def _loaded(self) -> Encoder:
        if self._encoder is None:
            self._encoder = self._load()
        return self._encoder


class LazyReranker:
    """A reranker that is loaded at its first pair, likewise."""

    def __init__(self, name: str, load: Callable[[], Reranker]) -> None:
        self.name = name
        self._load = load
        self._reranker: Reranker | None = None

    def score(self, pairs: Sequence[tuple[str, str]]) -> "NDArray[np.float32]":
        """Return the scores; see `Reranker`."""
        if self._reranker is None:
            self._reranker = self._load()
        return self._reranker.score(pairs)


def state_of(name: str, encoding: EncodingConfig | None = None) -> tuple[object, ...]:
    """Return what changes when the model `name` may score otherwise: its files' state, or its name on the Hub.

    Of an encoder also how it reads.
    """
    found = find_model(name)
    reads = encoding.model_dump(mode="json") if encoding is not None else None
    return (__version__, found, states(found), reads)
