"""The cache of vectors: what one model has encoded once is read from disk from then on, in half precision."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from synthneg.scoring.base import Encoder, Role
from synthneg.scoring.rows import StoredRows
from synthneg.scoring.store import RowStore, key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Known(NamedTuple):
    """Under what the vectors of a model are kept."""

    name: str
    identity: str


class CachedEncoder:
    """An encoder that keeps what it has encoded; the same text in the same role is encoded once.

    Its rows are rounded to half precision, so their lengths are 1 up to some 5e-5.
    """

    def __init__(
        self, encoder: Encoder, folder: Path, identity: str, documents: Known | None = None
    ) -> None:
        """Open the cache of one model.

        Args:
            encoder: asked for the texts that are not in the cache.
            folder: where the files of all models lie; made when missing.
            identity: changes whenever the encoder's vectors do.
            documents: the model whose vectors its documents have, where that is another one.
        """
        self.name, self.known = encoder.name, Known(Path(encoder.name).name, identity)
        self._encoder = encoder
        own = RowStore(folder, encoder.name, identity, "f16")
        self._stores = {
            "query": own,
            "document": RowStore(folder, *documents, "f16") if documents else own,
        }

    def encode(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Return (n, d) rows in the order of `texts`; only those not in the cache are encoded."""
        if not len(texts):
            return self._encoder.encode(texts, role)
        return self.keep([texts], role)[:]

    def keep(self, blocks: Iterable[Sequence[str]], role: Role) -> StoredRows:
        """Return the rows of all texts of the blocks as they lie in the cache; see `KeepingEncoder`."""
        return self._stores[role].keep(
            blocks,
            lambda text: key(f"{role}\0{text}"),
            lambda chunks: (self._encoder.encode(chunk, role) for chunk in chunks),
            f"encode ({Path(self.name).name})",
            "texts",
        )
