"""Sparse encoders: texts to weights of terms, by sentence-transformers' SparseEncoder (SPLADE and its kin)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthneg.progress import Progress
from synthneg.scoring.models import cut_at, load, readable
from synthneg.scoring.store import CHUNK

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TermEncoder:
    """A sparse encoder, and the weights of the documents that it was given; a score is their dot product."""

    def __init__(self, name: str, *, batch_size: int, max_length: int | None = None) -> None:
        """Load the model; arguments and errors are those of `load_encoder`."""
        self.name = name
        self._model, self._batch_size = load("SparseEncoder", name), batch_size
        if max_length is not None:
            cut_at(self._model, max_length)
        self._documents: Any = None

    def index(self, documents: Sequence[str]) -> None:
        """Take in the documents that are scored from now on."""
        from scipy import sparse  # noqa: PLC0415 - heavy: only when encoding

        parts = []
        with Progress(f"encode ({Path(self.name).name})", len(documents), "texts") as progress:
            for start in range(0, len(documents), CHUNK):
                chunk = documents[start : start + CHUNK]
                parts.append(self._weights(chunk, self._model.encode_document))
                progress.advance(len(chunk))
        self._documents = sparse.vstack(parts).T.tocsc()

    def scores(self, queries: Sequence[str]) -> "NDArray[np.float32]":
        """Return (q, n) scores of each query with all documents."""
        found = self._weights(queries, self._model.encode_query) @ self._documents
        dense: NDArray[np.float32] = found.toarray()
        return dense

    def _weights(self, texts: Sequence[str], encode: Any) -> Any:
        """Return (n, v) weights of all terms, as a scipy matrix."""
        from scipy import sparse  # noqa: PLC0415 - heavy: only when encoding

        found = encode(
            [readable(text) for text in texts],
            batch_size=self._batch_size,
            show_progress_bar=False,
            save_to_cpu=True,
        ).coalesce()
        rows, columns = found.indices().numpy()
        return sparse.csr_matrix(
            (found.values().float().numpy(), (rows, columns)), shape=tuple(found.shape)
        )
