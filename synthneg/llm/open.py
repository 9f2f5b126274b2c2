"""The one place that knows all backends by name; each is imported when it is opened."""

from synthneg.config import LLMConfig
from synthneg.llm.base import Backend


def check_backend(config: LLMConfig) -> None:
    """Refuse settings that no backend could be opened with, without asking a server or loading weights.

    Raises:
        SynthnegError: an address or file of weights that is missing, or packages that are.
    """
    if config.backend == "local":
        from synthneg.llm.local import check_local  # noqa: PLC0415  # needs an extra

        check_local(config)
    elif config.backend == "vllm":
        from synthneg.llm.vllm import check_vllm  # noqa: PLC0415  # as above

        check_vllm(config)
    else:
        from synthneg.llm.http import check_server  # noqa: PLC0415  # as in open_backend

        check_server(config)


def open_backend(config: LLMConfig) -> Backend:
    """Return the backend that the settings name.

    Raises:
        SynthnegError: settings that do not fit, missing packages, or a server that cannot be asked.
    """
    if config.backend == "local":
        from synthneg.llm.local import open_local  # noqa: PLC0415  # needs an extra

        return open_local(config)
    if config.backend == "vllm":
        from synthneg.llm.vllm import open_vllm  # noqa: PLC0415  # as above

        return open_vllm(config)
    from synthneg.llm.http import open_server  # noqa: PLC0415  # aiohttp is not needed for the local settings' errors

    return open_server(config)
