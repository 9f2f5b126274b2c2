"""The one place that knows all backends by name; each is imported when it is opened."""

from synthneg.config import LLMConfig
from synthneg.errors import RunError, SettingsError
from synthneg.llm.base import Backend
from synthneg.llm.batch_memory import OpenBatches
from synthneg.llm.history import History
from synthneg.llm.ledger import Ledger
from synthneg.progress import say

# A batch takes up to a day, and a request may be refused in one dialect after the other.
_BATCH_S = 8 * 86_400.0
_LOADING_S = 86_400.0  # weights may have to come from the Hub


def check_backend(config: LLMConfig) -> None:
    """Refuse settings that no backend could be opened with, without asking a server or loading weights.

    Raises:
        SynthnegError: an address or file of weights that is missing, or packages that are.
    """
    if config.mode == "batch" and config.backend != "openai":
        raise SettingsError(
            f"llm.mode: batch is for llm.backend: openai, but that is {config.backend}; set one of the two otherwise"
        )
    if config.backend == "local":
        from synthneg.llm.local import check_local  # noqa: PLC0415  # needs an extra

        check_local(config)
    elif config.backend == "vllm":
        from synthneg.llm.vllm import check_vllm  # noqa: PLC0415  # as above

        check_vllm(config)
    else:
        from synthneg.llm.http import check_server  # noqa: PLC0415  # as in open_backend

        check_server(config)


def open_backend(config: LLMConfig, memory: Ledger) -> Backend:
    """Return the backend that the settings name; what it learns of a server it remembers in the ledger.

    Raises:
        SynthnegError: settings that do not fit, missing packages, or a server that cannot be asked.
    """
    if config.backend == "local":
        from synthneg.llm.local import open_local  # noqa: PLC0415  # needs an extra

        return open_local(config)
    if config.backend == "vllm":
        from synthneg.llm.vllm import open_vllm  # noqa: PLC0415  # as above

        return open_vllm(config)
    if config.mode == "batch":
        from synthneg.llm.batch import open_batches  # noqa: PLC0415  # as above

        return open_batches(config, memory)
    from synthneg.llm.http import open_server  # noqa: PLC0415  # not needed for the other backends

    backend = open_server(config, memory)
    left = [batch.id for batch in OpenBatches(memory, backend.identity).all() if batch.id]
    if left:
        say(
            f"{left[0]} is at work at the server with requests of this run: llm.mode: batch waits for it, and"
            " llm.mode: live pays for them again"
        )
    return backend


def named_backend(config: LLMConfig) -> tuple[LLMConfig, str]:
    """Return the settings with the name of the model, and the identity of the backend, which is opened elsewhere.

    Nothing is loaded. A server is asked which model it has where the settings do not say.

    Raises:
        SynthnegError: settings that no backend could have, or a server that cannot be asked.
    """
    if config.backend == "local":
        from synthneg.llm.local import local_identity  # noqa: PLC0415  # as in open_backend

        return config, local_identity(config)
    if config.backend == "vllm":
        from synthneg.llm.vllm import vllm_identity  # noqa: PLC0415  # as above

        return config, vllm_identity(config)
    from synthneg.llm.http import check_server, only_model, read_key  # noqa: PLC0415  # as above

    address, variable = check_server(config), config.api_key_env
    model = config.model or only_model(address, read_key(variable), variable)
    return config.model_copy(update={"model": model}), f"{address} {model}"


def identity_of(config: LLMConfig, history: History) -> str:
    """Return the identity of the backend that the settings name, without asking a server or loading weights.

    Args:
        config: the settings.
        history: the replies. A server's model that no setting names is found there.

    Raises:
        SynthnegError: the ledger has replies, but none of this backend; or settings that no backend could have.
    """
    answered = history.identities()
    if config.backend == "local":
        from synthneg.llm.local import local_identity  # noqa: PLC0415  # as in open_backend

        identity = local_identity(config)
    elif config.backend == "vllm":
        from synthneg.llm.vllm import vllm_identity  # noqa: PLC0415  # as above

        identity = vllm_identity(config)
    else:
        from synthneg.llm.http import check_server  # noqa: PLC0415  # as above

        address = check_server(config)
        models = [name for name in answered if name.startswith(f"{address} ")]
        if config.model is None and len(models) > 1:
            raise SettingsError(
                f"the replies are of several models ({', '.join(models)}); set llm.model to the one that is meant"
            )
        identity = f"{address} {config.model}" if config.model or not models else models[0]
    if answered and identity not in answered:
        raise RunError(
            f"the ledger has no reply of {identity}, which the settings name; it has replies of {', '.join(answered)}:"
            " set llm back to that, or let `synthneg run` ask anew"
        )
    return identity


def asking_config(config: LLMConfig) -> LLMConfig:
    """Return the settings under which such a backend is asked.

    Requests for batches wait together, for hours: as many as a batch holds, with no time-out of the live mode's and
    none of its limits a minute. vLLM holds to the time-out itself, from when its weights are loaded, which may take
    longer than any reply.
    """
    if config.backend == "vllm":
        return config.model_copy(update={"timeout_s": _LOADING_S})
    if config.mode == "live":
        return config
    return config.model_copy(
        update={
            "concurrency": config.batch.requests,
            "timeout_s": _BATCH_S,
            "requests_per_minute": None,
            "input_tokens_per_minute": None,
            "output_tokens_per_minute": None,
        }
    )
