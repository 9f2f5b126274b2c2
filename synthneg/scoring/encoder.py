"""Encoders: texts to unit vectors, by sentence-transformers."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from synthneg.config.encoding import EncodingConfig, Pooling
from synthneg.errors import ModelError
from synthneg.files import fingerprint
from synthneg.progress import Progress, say
from synthneg.scoring.base import Encoder as Encoder
from synthneg.scoring.base import Role as Role
from synthneg.scoring.family import family_of
from synthneg.scoring.frozen import read_frozen
from synthneg.scoring.models import brings, content, cut_at, load, set_precision
from synthneg.scoring.models import check_model as check_model
from synthneg.scoring.models import find_model as find_model
from synthneg.scoring.models import readable as readable
from synthneg.scoring.processes import Processes
from synthneg.scoring.store import CHUNK
from synthneg.scoring.vectors import CachedEncoder, Known

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_AS_IT_IS = EncodingConfig()


def load_encoder(
    name: str,
    *,
    batch_size: int,
    max_length: int | None = None,
    vectors: Path | None = None,
    encoding: EncodingConfig = _AS_IT_IS,
    processes: int = 1,
    as_trained: bool = False,
) -> Encoder:
    """Return the sentence-transformers model `name`, with the prompts of queries and of documents.

    Args:
        name: a model's folder, or a name that `find_model` knows or the Hub has.
        batch_size: texts per forward pass.
        max_length: tokens kept of a text, at most what the model can read; None: what the model itself keeps.
        vectors: folder of the vector cache; None: every text is encoded each time.
        encoding: how it reads, where that is not what `load_model` finds.
        processes: how many encode on a CPU, each with the model loaded.
        as_trained: whether vectors keep their lengths where the model compares by dot product, as measuring it asks;
            else all rows have length 1.

    Raises:
        ModelError: there is no such model, its folder is broken, or the Hub cannot be reached.
    """
    found = load_identified(
        name,
        batch_size=batch_size,
        max_length=max_length,
        encoding=encoding,
        processes=processes,
        as_trained=as_trained,
    )
    return (
        found.encoder
        if vectors is None
        else CachedEncoder(found.encoder, vectors, *found.identity())
    )


class Identified(NamedTuple):
    """An encoder, and what tells under what its vectors are kept.

    That is a text that changes whenever its vectors do, and the model whose vectors its documents have, if another.
    """

    encoder: Encoder
    identity: Callable[[], tuple[str, Known | None]]


def load_identified(
    name: str,
    *,
    batch_size: int,
    max_length: int | None = None,
    encoding: EncodingConfig = _AS_IT_IS,
    processes: int = 1,
    as_trained: bool = False,
) -> Identified:
    """Return the model as it is, for whoever keeps its vectors; arguments and errors are those of `load_encoder`."""
    model = load("SentenceTransformer", name)
    changes = _read_as(model, name, encoding)
    if max_length is not None:
        cut_at(model, max_length)
    used = set_precision(model, encoding.precision)
    many = None
    if processes > 1 and model.device.type == "cpu":
        again = partial(
            load_encoder,
            name,
            batch_size=batch_size,
            max_length=max_length,
            encoding=encoding,
            as_trained=as_trained,
        )
        many = Processes(processes, again)
    unit = not (as_trained and model.similarity_fn_name == "dot")
    shaping = [
        *changes,
        *([used] if used != "float32" else []),
        *([] if unit else ["lengths kept"]),
    ]

    def identity() -> tuple[str, Known | None]:
        frozen = None if shaping else read_frozen(Path(find_model(name)))
        return fingerprint(content(model, name), str(model.max_seq_length), *shaping), frozen

    return Identified(SentenceEncoder(name, model, batch_size, many, unit=unit), identity)


def load_model(name: str, max_length: int | None) -> Any:
    """Return the SentenceTransformer itself, as training needs it; arguments and errors are those of `load_encoder`.

    A model of a known family that brings no prompts of its own has those that the family was trained with.
    """
    model = load("SentenceTransformer", name)
    _read_as(model, name, _AS_IT_IS)
    if max_length is not None:
        cut_at(model, max_length)
    return model


def _read_as(model: Any, name: str, encoding: EncodingConfig) -> list[str]:
    """Give the model prefixes and a pooling, and return what differs from what it brings."""
    family = family_of(name)
    prompts = dict(model.prompts)
    pooling = encoding.pooling
    if family is not None and not any(prompts.values()):
        prompts |= {"query": family.query, "document": family.document}
    bare = family is not None and not brings(name, "modules.json")
    if family is not None and bare:
        pooling = pooling or family.pooling
        model.similarity_fn_name = family.similarity
    if encoding.query_prefix is not None:
        prompts["query"] = encoding.query_prefix
    if encoding.document_prefix is not None:
        prompts["document"] = encoding.document_prefix
    changes = []
    if prompts != model.prompts:
        changes.append(f"query {prompts.get('query')!r}, document {prompts.get('document')!r}")
        model.prompts = prompts
    if pooling is not None and _pool(model, name, pooling):
        changes.append(f"pooling {pooling}")
    if changes and encoding == _AS_IT_IS and family is not None:
        say(f"{name}: read as {family.name} does: {', '.join(changes)}")
    return changes


def _pool(model: Any, name: str, pooling: Pooling) -> bool:
    """Let the model make its vectors in this way, and return whether that is another than before."""
    from sentence_transformers.sentence_transformer import modules  # noqa: PLC0415 - heavy: torch

    for place, module in enumerate(model):
        if isinstance(module, modules.Pooling):
            other = modules.Pooling(module.embedding_dimension, pooling)
            if other.get_config_dict() == module.get_config_dict():
                return False
            model[place] = other
            return True
    raise ModelError(
        f"{name}: expected a model that pools its tokens, as the pooling {pooling} asks, but it makes its vectors in"
        " another way; leave out verify.encoding.pooling"
    )


class SentenceEncoder:
    """A loaded sentence-transformers model as an Encoder."""

    def __init__(
        self,
        name: str,
        model: Any,
        batch_size: int,
        processes: Processes | None = None,
        *,
        unit: bool = True,
    ) -> None:
        """Take in the model, who encodes more than a batch if not this process, and whether rows have length 1."""
        self.name, self._unit = name, unit
        self._model, self._batch_size, self._processes = model, batch_size, processes

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

        if self._processes is not None and len(texts) > self._batch_size:
            return self._processes.encode(texts, role, self._batch_size)
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        rows: NDArray[np.float32] = encode(
            [readable(text) for text in texts] or [""],  # none would be without a dimension
            batch_size=self._batch_size,
            show_progress_bar=False,
        )[: len(texts)].astype(np.float32)
        if not np.isfinite(rows).all():
            raise ModelError(
                f"{self.name}: expected finite numbers, but it gives vectors with NaN or infinity;"
                " its weights are broken, train it again with a lower learning rate"
            )
        # Here, not by the library, which would divide in the precision of the weights.
        if self._unit:
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return rows
