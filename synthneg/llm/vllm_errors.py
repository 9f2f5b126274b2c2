"""What vLLM raises, as the errors of a backend."""

from collections.abc import Iterator
from contextlib import contextmanager

from synthneg.errors import BackendError
from synthneg.llm.base import TOO_LONG, Transient, Unanswerable

_MOST_CHARS = 300  # of what is said of an error


@contextmanager
def in_our_words() -> Iterator[None]:
    """Turn what vLLM raises into the errors of a backend."""
    from vllm.exceptions import GracefulHTTPError, VLLMClientError  # noqa: PLC0415  # an extra
    from vllm.v1.engine.exceptions import (  # noqa: PLC0415  # as above
        EngineDeadError,
        EngineGenerateError,
    )

    try:
        yield
    except EngineDeadError as error:
        raise BackendError(
            "vLLM's engine has died; nothing answered is lost: give the same command again; if memory ran out, with a"
            " smaller llm.engine.max_model_len, max_num_seqs or gpu_memory_utilization"
        ) from error
    except GracefulHTTPError as error:
        raise Transient("busy", one_line(error)) from error
    except EngineGenerateError as error:
        raise Transient("engine", one_line(error.__cause__ or error)) from error
    except (VLLMClientError, ValueError, TypeError) as error:
        if getattr(error, "parameter", None) in ("input_tokens", "input_text"):
            raise Unanswerable(TOO_LONG, one_line(error)) from error
        raise BackendError(
            f"vLLM refuses a request: {one_line(error)}; check llm.model and the prompt's sampling and reply"
        ) from error


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_MOST_CHARS]
