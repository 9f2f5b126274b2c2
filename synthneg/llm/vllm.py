"""vLLM in this process: its asynchronous engine, with continuous batching and a prefix cache.

The engine starts with the first request that no ledger answers, so a finished run loads no weights. Its own processes
do the computing; this one renders prompts and reads replies.
"""

import asyncio
import copy
import difflib
import itertools
import os
import re
import signal
from dataclasses import fields
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthneg.config import LLMConfig
from synthneg.errors import BackendError, SettingsError, require
from synthneg.files import fingerprint
from synthneg.llm.base import TOO_LONG, Reply, Request, Transient, Unanswerable
from synthneg.llm.local import edge_hash
from synthneg.llm.orphan import OWNER
from synthneg.llm.suppress import SUPPRESS, bias_of
from synthneg.llm.vllm_errors import in_our_words, one_line
from synthneg.llm.wire import mean_logprob, merged
from synthneg.progress import say

if TYPE_CHECKING:
    from vllm.outputs import CompletionOutput
    from vllm.sampling_params import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

_ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    # A forked engine would inherit the threads of an encoder that has run here, which hang in the copy.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
}
# Each can be set anew in llm.engine.
_DEFAULTS: dict[str, Any] = {
    "enable_prefix_caching": True,
    "max_model_len": -1,  # the longest context that fits into the memory; the model's own may not
    # Our schemas bound their strings: for each token of such a reply xgrammar took 11 ms of CPU, guidance 0.02 ms. And
    # where no blanks are allowed between the keys, no reply is blanks up to its last token.
    "structured_outputs_config": {"backend": "guidance", "disable_any_whitespace": True},
    "disable_log_stats": True,
    "use_tqdm_on_load": False,
}
# The arguments that decide what is answered; all others, such as the number of GPUs, how fast.
_SHAPING = (
    *("revision", "tokenizer", "tokenizer_revision", "tokenizer_mode", "dtype", "quantization"),
    *("load_format", "hf_overrides", "generation_config", "override_generation_config"),
)
_SAMPLING = (
    *("temperature", "top_p", "top_k", "min_p", "max_tokens", "min_tokens", "stop"),
    *(
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
        SUPPRESS,
        "top_logprobs",
        "logprobs",
    ),
)
_MODEL_FILES = (".json", ".safetensors", ".bin", ".pt", ".model", ".jinja", ".txt")
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def _mean(said: "CompletionOutput") -> float | None:
    """Return the mean logarithm of the probabilities of the tokens that were said."""
    places = zip(said.token_ids, said.logprobs or (), strict=False)
    return mean_logprob([place[token].logprob for token, place in places])


class VllmBackend:
    """A model in an engine of vLLM; see `Backend`."""

    def __init__(self, model: str, config: LLMConfig) -> None:
        folder = Path(model).expanduser()
        files: list[Path] = []
        if folder.is_dir():
            model = str(folder)
            files = sorted(f for f in folder.iterdir() if f.suffix in _MODEL_FILES and f.is_file())
        # The name of a folder, and not its path, which is nobody's business in a dataset.
        self._name = folder.resolve().name if files else model
        shaping = {key: config.engine[key] for key in _SHAPING if key in config.engine}
        weights = [(file.name, edge_hash(file)) for file in files]
        self.identity = f"vllm {self._name} {fingerprint(weights, shaping)[:8]}"
        self._model, self._config = model, config
        self._start: asyncio.Task[_Engine] | None = None
        self._numbers = itertools.count()

    async def complete(self, request: Request) -> Reply:
        """Return the reply; see `Backend`."""
        engine = await self._engine()
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await engine.reply(request, str(next(self._numbers)), self._name)
        except TimeoutError as error:
            raise Transient("timeout", f"no reply within {self._config.timeout_s:g} s") from error

    def waits_for(self) -> str:
        """Return that the weights are being loaded, which takes minutes; see `Backend`."""
        return (
            "vLLM loads the weights" if self._start is not None and not self._start.done() else ""
        )

    async def close(self) -> None:
        """Stop the engine and its processes."""
        start, self._start = self._start, None
        if start is None:
            return
        await asyncio.wait([start])
        if not start.cancelled() and start.exception() is None:
            start.result().stop()

    async def _engine(self) -> "_Engine":
        if self._start is None:
            say(f"vLLM: loading {self._model}")
            self._start = asyncio.create_task(asyncio.to_thread(_Engine, self._model, self._config))
        # Shielded: a request that is given up leaves the others their engine.
        return await asyncio.shield(self._start)


class _Engine:
    """A running engine, with its weights loaded."""

    def __init__(self, model: str, config: LLMConfig) -> None:
        self._llm = _open(model, config)
        from vllm.platforms import current_platform  # noqa: PLC0415  # an extra, and heavy
        from vllm.renderers.params import ChatParams  # noqa: PLC0415  # as above
        from vllm.utils.mistral import is_mistral_tokenizer  # noqa: PLC0415  # as above

        # Where a prompt was read in pieces, vLLM's older runner winds its generator back. A CPU's cannot be wound back,
        # and the engine dies of it.
        self._seeds = self._llm.vllm_config.use_v2_model_runner or not current_platform.is_cpu()
        if not self._seeds:
            say("vLLM: on a CPU it takes no seed per request, so the replies are not repeatable")
        # What a prompt does not set is the model's own advice, as with vLLM's server.
        self._advice: dict[str, Any] = self._llm.model_config.get_diff_sampling_param()
        self._chat = ChatParams(
            chat_template_kwargs={
                "add_generation_prompt": True,
                "tokenize": is_mistral_tokenizer(self._llm.get_tokenizer()),
            }
        )

    async def reply(self, request: Request, number: str, model: str) -> Reply:
        """Return the reply to a request, which has its number in the engine."""
        with in_our_words():
            params = self._sampling(request)
            messages = [{"role": m.role, "content": m.content} for m in request.messages]
            _, (prompt,) = await self._llm.renderer.render_chat_async([messages], self._chat)
            tokens, room = len(prompt["prompt_token_ids"]), self._llm.model_config.max_model_len
            if tokens >= room:
                raise Unanswerable(TOO_LONG, f"{tokens} tokens in a context of {room}")
            async for output in self._llm.generate(prompt, params, number):
                said = output.outputs[0]
        if said.finish_reason in ("abort", "error"):
            raise Transient("engine", f"vLLM ended the reply with {said.finish_reason!r}")
        first = said.logprobs[0].values() if said.logprobs else ()
        return Reply(
            text=said.text,
            finish=str(said.finish_reason),
            tokens_in=tokens,
            tokens_out=len(said.token_ids),
            model=model,
            top=merged((one.decoded_token or "", one.logprob) for one in first)
            if "top_logprobs" in request.sampling
            else {},
            logprob=_mean(said) if "logprobs" in request.sampling else None,
        )

    def stop(self) -> None:
        """Stop the engine's processes and wait for their end."""
        self._llm.shutdown()
        # Something in vLLM keeps the frames that opened it, and with them this object; an engine that lived on would be
        # taken down at the interpreter's end, when half of its modules are gone, and complain.
        del self._llm

    def _sampling(self, request: Request) -> "SamplingParams":
        from vllm.sampling_params import (  # noqa: PLC0415  # an extra, and heavy
            RequestOutputKind,
            SamplingParams,
            StructuredOutputsParams,
        )

        unknown = sorted(set(request.sampling) - set(_SAMPLING))
        if unknown:
            raise BackendError(
                f"a prompt's sampling has {', '.join(unknown)}, which llm.backend: vllm does not know;"
                f" it knows {', '.join(_SAMPLING)}"
            )
        sampling = {key: value for key, value in request.sampling.items() if key != SUPPRESS}
        # The engine has one argument for both: how many alternatives, none of them beside the token itself.
        if sampling.pop("logprobs", False) or "top_logprobs" in sampling:
            sampling["logprobs"] = sampling.pop("top_logprobs", 0)
        return SamplingParams(
            **self._advice | sampling,
            logit_bias=bias_of(request.sampling.get(SUPPRESS, ()), self._llm.get_tokenizer()),
            seed=request.seed if self._seeds else None,
            structured_outputs=request.schema and StructuredOutputsParams(json=request.schema),
            output_kind=RequestOutputKind.FINAL_ONLY,
            skip_clone=True,  # made for this request alone
        )


def _open(model: str, config: LLMConfig) -> "AsyncLLM":
    """Return a new engine of vLLM."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["VLLM_NO_USAGE_STATS"] = "1"  # nobody is told what runs here
    os.environ[OWNER] = str(os.getpid())
    from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415  # an extra, and heavy
    from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415  # as above

    _check_arguments(config.engine, {field.name for field in fields(AsyncEngineArgs)} - {"model"})
    arguments = copy.deepcopy(_DEFAULTS | config.engine)
    # A terminal sends Ctrl-C to the engine's processes too, which would end what is in flight. They inherit the mask,
    # unless the tracker starts with them, which lifts it.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return AsyncLLM.from_engine_args(AsyncEngineArgs(model=model, **arguments))
    except (RuntimeError, ValueError, TypeError, OSError, ImportError, LookupError) as error:
        raise BackendError(
            f"vLLM cannot load {model}: {one_line(error)}; where its processes failed, their words stand above;"
            " correct llm.model or llm.engine"
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _check_arguments(given: dict[str, Any], known: set[str]) -> None:
    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else "vLLM's AsyncEngineArgs lists them"
            raise SettingsError(f"unknown setting llm.engine.{name}; {hint}")


def check_vllm(config: LLMConfig) -> str:
    """Return the folder or Hub name of the weights, without loading them.

    Raises:
        SettingsError: `llm.model` is missing.
        BackendError: `llm.model` is neither a folder with a model nor a name that the Hub could have.
        MissingExtra: vLLM is not installed.
    """
    require("vllm", "vllm", "llm.backend: vllm")
    return _model_of(config)


def vllm_identity(config: LLMConfig) -> str:
    """Return the identity of the backend that `open_vllm` would open, without vLLM."""
    return VllmBackend(_model_of(config), config).identity


def _model_of(config: LLMConfig) -> str:
    if not config.model:
        raise SettingsError(
            "llm.model is missing: for llm.backend: vllm, a folder of weights or a Hub name such as"
            " Qwen/Qwen2.5-7B-Instruct"
        )
    folder = Path(config.model).expanduser()
    if folder.is_file():
        raise BackendError(
            f"llm.model: expected a folder of weights or a Hub name for llm.backend: vllm, and {folder} is a file;"
            " llm.backend: local takes GGUF files"
        )
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise BackendError(
            f"llm.model: {folder} is a folder without a model: it has no config.json"
        )
    if not folder.is_dir() and not _HUB_NAME.fullmatch(config.model):
        raise BackendError(
            f"llm.model: there is no folder {folder}; expected one with weights, or a Hub name"
        )
    return config.model


def open_vllm(config: LLMConfig) -> VllmBackend:
    """Return the backend of `llm.backend: vllm`; errors are those of `check_vllm`."""
    return VllmBackend(check_vllm(config), config)
