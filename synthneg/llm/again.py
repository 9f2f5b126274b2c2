"""How a request is put anew after a reply of no use: what went wrong decides what is changed."""

from dataclasses import replace
from typing import Any

from synthneg.llm.base import Request
from synthneg.llm.parse import Problem
from synthneg.prompts.head import Form

_DOUBLINGS = 2
# Models that think take some hundred to two thousand tokens for it; a prompt's max_tokens speaks of the answer alone.
_REASONING_TOKENS = 2048


def again(request: Request, form: Form, problem: Problem, attempt: int, seed: int) -> Request:
    """Return the next request for a record whose reply could not be used.

    A reply cut at its limit gets twice the room, at most four times the prompt's; one
    that stopped in its reasoning gets room for it, and no stop sequence, which reasoning meets sooner than the answer
    does; a loop of blanks under a schema goes without the schema, since that is what shuts the way out; an answer that
    does not fit twice changes between with and without.

    Args:
        request: the one that was answered last.
        form: what the reply must give; a dict is the schema that the first request carried.
        problem: of the reply to `request`.
        attempt: how often the record has been asked for, at least 1.
        seed: of the next request.
    """
    sampling, schema = request.sampling, request.schema
    if problem.reason == "truncated" and attempt <= _DOUBLINGS:
        sampling = _with_room(sampling, 0)
    elif problem.reason == "reasoning":
        sampling = _with_room(_without_stop(sampling), _REASONING_TOKENS)
    elif problem.reason == "empty":
        # A model that begins with an empty line is stopped there.
        sampling = _without_stop(sampling)
    if isinstance(form, dict):
        schema = _other_schema(schema, form, problem.reason, attempt)
    return replace(request, sampling=sampling, schema=schema, seed=seed)


def _without_stop(sampling: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in sampling.items() if key != "stop"}


def _with_room(sampling: dict[str, Any], least: int) -> dict[str, Any]:
    if "max_tokens" not in sampling:
        return sampling
    return {**sampling, "max_tokens": max(2 * sampling["max_tokens"], least)}


def _other_schema(
    sent: dict[str, Any] | None, form: dict[str, Any], reason: str, attempt: int
) -> dict[str, Any] | None:
    """Return the schema of the next request, None for a reply in plain text, in which JSON is then looked for."""
    if sent is None:
        return form if reason in ("not_json", "schema") else None
    goes = reason == "whitespace_loop" or (attempt > 1 and reason not in ("truncated", "reasoning"))
    return None if goes else sent
