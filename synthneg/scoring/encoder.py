"""Encoders: texts to unit vectors, by sentence-transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthneg.errors import ModelError
from synthneg.files import fingerprint
from synthneg.progress import Progress
from synthneg.scoring.base import Encoder as Encoder
from synthneg.scoring.base import Role as Role
from synthneg.scoring.models import check_model as check_model
from synthneg.scoring.models import content, cut_at, load
from synthneg.scoring.models import find_model as find_model
from synthneg.scoring.models import readable as readable
from synthneg.scoring.store import CHUNK
from synthneg.scoring.vectors import CachedEncoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def load_encoder(
    name: str, *, batch_size: int, max_length: int | None = None, vectors: Path | None = None
) -> Encoder:
    """Return the sentence-transformers model `name`, its own prompts applied to queries and documents.

    Args:
        name: a model's folder, or a name that `find_model` knows or the Hub has.
        batch_size: texts per forward pass.
        max_length: tokens kept of a text, at most what the model can read; None: what the model itself keeps.
        vectors: folder of the vector cache; None: every text is encoded each time.

    Raises:
        ModelError: there is no such model, its folder is broken, or the Hub cannot be reached.
    """
    model = load_model(name, max_length)
    encoder: Encoder = SentenceEncoder(name, model, batch_size)
    if vectors is not None:
        identity = fingerprint(content(model, name), str(model.max_seq_length))
        encoder = CachedEncoder(encoder, vectors, identity)
    return encoder


def load_model(name: str, max_length: int | None) -> Any:
    """Return the SentenceTransformer itself, as training needs it; arguments and errors are those of `load_encoder`."""
    model = load("SentenceTransformer", name)
    if max_length is not None:
        cut_at(model, max_length)
    return model


class SentenceEncoder:
    """A loaded sentence-transformers model as an Encoder."""

    def __init__(self, name: str, model: Any, batch_size: int) -> None:
        self.name = name
        self._model, self._batch_size = model, batch_size

    def encode(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Return (n, d) unit rows, with the model's prompt for `role`.

        Raises:
            ModelError: the model gives vectors that are not finite numbers, as a broken training run leaves it.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        if len(texts) <= CHUNK:
            return self._encode_chunk(texts, role)
        parts: list[NDArray[np.float32]] = []
        with Progress(f"encode ({Path(self.name).name})", len(texts), "texts") as progress:
            for start in range(0, len(texts), CHUNK):
                parts.append(self._encode_chunk(texts[start : start + CHUNK], role))
                progress.advance(len(parts[-1]))
        return np.concatenate(parts)

    def _encode_chunk(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        encode = self._model.encode_query if role == "query" else self._model.encode_document
        rows: NDArray[np.float32] = encode(
            [readable(text) for text in texts] or [""],  # none would be without a dimension
            batch_size=self._batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )[: len(texts)].astype(np.float32)
        if not np.isfinite(rows).all():
            raise ModelError(
                f"{self.name}: expected finite numbers, but it gives vectors with NaN or infinity;"
                " its weights are broken, train it again with a lower learning rate"
            )
        return rows
