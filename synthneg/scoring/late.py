"""Multi-vector encoders: a vector for each token, compared late, by sentence-transformers' MultiVectorEncoder.

ColBERT's MaxSim (arXiv:2004.12832): each token of the query with its best of the document, summed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthneg.progress import Progress
from synthneg.scoring.models import cut_at, load, readable
from synthneg.scoring.store import CHUNK

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LateEncoder:
    """A multi-vector encoder, and the vectors of the documents that it was given: some 100 KB a document."""

    def __init__(self, name: str, *, batch_size: int, max_length: int | None = None) -> None:
        """Load the model; arguments and errors are those of `load_encoder`."""
        self.name = name
        self._model, self._batch_size = load("MultiVectorEncoder", name), batch_size
        if max_length is not None:
            cut_at(self._model, max_length)
        self._documents: list[Any] = []

    def index(self, documents: Sequence[str]) -> None:
        """Take in the documents that are scored from now on."""
        self._documents = []
        with Progress(f"encode ({Path(self.name).name})", len(documents), "texts") as progress:
            for start in range(0, len(documents), CHUNK):
                chunk = documents[start : start + CHUNK]
                self._documents += self._model.encode_document(
                    [readable(text) for text in chunk],
                    batch_size=self._batch_size,
                    show_progress_bar=False,
                )
                progress.advance(len(chunk))

    def scores(self, queries: Sequence[str]) -> "NDArray[np.float32]":
        """Return (q, n) scores of each query with all documents."""
        found = self._model.encode_query(
            [readable(text) for text in queries],
            batch_size=self._batch_size,
            show_progress_bar=False,
        )
        scores: NDArray[np.float32] = self._model.similarity(found, self._documents).cpu().numpy()
        return scores
