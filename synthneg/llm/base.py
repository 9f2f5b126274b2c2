"""The seam to language models: what is asked, what comes back, and the one method that a backend has."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from synthneg.prompts.render import Message

TOO_LONG = "too_long_for_model"  # reason of an Unanswerable: longer than the model's context


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to be asked for; the ledger's key covers all of it."""

    messages: tuple[Message, ...]
    # temperature, max_tokens, top_p, stop, suppress, top_logprobs, logprobs
    sampling: dict[str, Any]
    seed: int
    schema: dict[str, Any] | None  # JSON schema of the reply; None for text


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answered, raw."""

    text: str
    finish: str  # "stop", "length", or the server's own word
    tokens_in: int
    tokens_out: int
    model: str  # as the server names it
    reasoning: str = ""  # where the server sends it apart from the text
    # What the first token could have been: its text -> natural logarithm of its probability. Empty where it was not
    # asked for with `top_logprobs`, or the backend does not give it.
    top: dict[str, float] = field(default_factory=dict, hash=False)
    # The mean natural logarithm of the probabilities of its tokens, at most 0; None where it was not asked for with
    # `logprobs`, or the backend does not give it.
    logprob: float | None = None


class Transient(Exception):  # noqa: N818  # a signal to try again, caught by `ask`; it never reaches a user
    """A try failed in a way that another try may cure."""

    def __init__(self, reason: str, detail: str, wait_s: float | None = None) -> None:
        super().__init__(reason, detail, wait_s)
        self.reason, self.detail, self.wait_s = reason, detail, wait_s


class Unanswerable(Exception):  # noqa: N818  # as above
    """This one request cannot be answered, however often it is sent; others can."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class Backend(Protocol):
    """Answers requests, one at a time each, any number at once.

    `identity` names the weights or the server, without a secret: a reply is taken from the ledger for the same identity
    alone.
    """

    identity: str

    async def complete(self, request: Request) -> Reply:
        """Return the reply.

        Raises:
            Transient: another try may succeed.
            Unanswerable: this request alone cannot be answered, such as one longer than the model's context.
            BackendError: no retry will help; the run stops.
        """
        ...

    def waits_for(self) -> str:
        """Return what the backend itself waits for, in words for the line of progress; "" for nothing but replies."""
        ...

    async def close(self) -> None:
        """Let go of connections and weights; a second time does nothing."""
        ...
