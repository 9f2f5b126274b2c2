"""What went wrong at the Hub, in one line with what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from synthneg.errors import HubError

# The errors of hf_xet, which carries the large files, say the status in their text alone.
_XET_STATUS = re.compile(r"HTTP status (?:client|server) error \((\d{3})")
_MOST_CHARS = 200


@contextmanager
def hub_errors(subject: str, setting: str) -> Iterator[None]:
    """Turn what the Hub's client raises into a HubError.

    Args:
        subject: what was asked for, such as a repository's name; the line begins with it.
        setting: what names it, for the remedy, such as publish.repo.
    """
    # Heavy, and it reads its environment when imported: only when the Hub is asked.
    from huggingface_hub import constants, errors  # noqa: PLC0415

    try:
        yield
    except (errors.HTTPError, OSError, ValueError, RuntimeError) as error:
        raise HubError(f"{subject}: {_explain(error, constants.ENDPOINT, setting)}") from error


def _explain(error: BaseException, endpoint: str, setting: str) -> str:
    from huggingface_hub import errors  # noqa: PLC0415  # as above

    status = _status(error)
    if isinstance(error, errors.LocalTokenNotFoundError):
        return "no token for the Hub was found; put one with write access into HF_TOKEN, or run `hf auth login`"
    if (
        isinstance(error, (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError))
        and _offline()
    ):
        return "HF_HUB_OFFLINE is set, so the Hub is not asked; unset it"
    if status == 401:
        return "the Hub does not accept the token (401); put a valid one into HF_TOKEN, or run `hf auth login`"
    if status in (403, 404) or isinstance(error, PermissionError):
        return (
            f"the token may not do that there ({status or 'refused'}: {_one_line(error)}); {setting} must be your own"
            " or your organization's, and the token needs write access"
        )
    if "Invalid metadata" in str(error):
        return (
            f"the Hub does not take the card ({_one_line(error)}); spell the licence as the Hub does"
            " (publish.license, publish.model_license), such as cc-by-4.0"
        )
    if status is None and isinstance(error, (errors.HTTPError, ConnectionError)):
        return (
            f"{endpoint} cannot be reached ({_one_line(error)}); check the network, the proxy and HF_ENDPOINT,"
            " then give the same command again"
        )
    answer = f"the Hub answered {status}" if status else "it failed"
    return f"{answer} ({_one_line(error)}); give the same command again later, what has arrived is not sent twice"


def _offline() -> bool:
    from huggingface_hub import constants  # noqa: PLC0415  # as above

    return bool(constants.HF_HUB_OFFLINE)


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status behind an error; the client wraps those of single files."""
    while error is not None:
        if said := _XET_STATUS.search(str(error)):
            return int(said[1])
        if (response := getattr(error, "response", None)) is not None:
            return int(response.status_code)
        error = error.__cause__
    return None


def _one_line(error: BaseException) -> str:
    """Return the innermost message that the error stands for, cut to a line."""
    while error.__cause__ is not None and not _said(error):
        error = error.__cause__
    return " ".join((_said(error) or str(error) or type(error).__name__).split())[:_MOST_CHARS]


def _said(error: BaseException) -> str:
    """Return the Hub's own words, where the error has them."""
    text = str(error)
    if "Invalid metadata" in text:
        return text
    return str(getattr(error, "server_message", None) or "")
