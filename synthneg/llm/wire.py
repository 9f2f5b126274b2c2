"""Requests and replies as OpenAI-compatible servers write them: bodies, usage, refusals, words of errors."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import orjson

from synthneg.errors import BackendError
from synthneg.llm.base import TOO_LONG, Reply, Request, Transient, Unanswerable
from synthneg.llm.ledger import Ledger
from synthneg.llm.suppress import SUPPRESS

Format = Literal["json_schema", "json_object", "text"]
FORMATS: tuple[Format, ...] = ("json_schema", "json_object", "text")  # from the most demanding one
_MOST_WORDS_CHARS = 300
_DIALECT = "dialect"
_TOO_LONG = re.compile(
    r"context (?:size|length|window)|maximum context|too many tokens", re.IGNORECASE
)
_FORMAT = re.compile("format|schema|grammar", re.IGNORECASE)
_LOGPROBS = {"logprobs", "top_logprobs"}  # what is asked for in a request
_PROBABILITIES = re.compile("log_?prob", re.IGNORECASE)
# It gives them, but fewer: what is to be lowered is the prompt's.
_FEWER = re.compile("greater|maximum|at most|less than|exceed|between", re.IGNORECASE)
_UNTAKEN = (400, 403, 422)
_LONGEST_WAIT_S = 3600.0  # that a server may ask for; a person waits for no longer one
# Said with status 429, and yet no waiting will cure it.
_NO_MONEY = re.compile("insufficient_quota|billing|exceeded your current quota", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one server and model take: found out from their refusals, once."""

    format: Format = FORMATS[0]  # how a reply schema is asked for
    limit: Literal["max_tokens", "max_completion_tokens"] = (
        "max_tokens"  # what the longest reply is called
    )
    lacks: Literal["", "no logprobs"] = ""  # what it refuses to give


def known_dialect(memory: Ledger, identity: str) -> Dialect | None:
    """Return what was found out of a server and model at an earlier start, or in the other mode."""
    known = memory.fact(identity, _DIALECT)
    return Dialect(**orjson.loads(known)) if known else None


def remember_dialect(memory: Ledger, identity: str, dialect: Dialect) -> None:
    """Remember what a server and model take."""
    memory.learn(identity, _DIALECT, orjson.dumps(dialect).decode())


class Misunderstood(Exception):  # noqa: N818  # a signal between these modules
    """The server refuses a dialect; `other` is the one to try."""

    def __init__(self, other: Dialect) -> None:
        super().__init__(other)
        self.other = other


def body_of(model: str | None, request: Request, dialect: Dialect) -> dict[str, Any]:
    """Return the body of a chat completion."""
    body: dict[str, Any] = {
        "model": model,
        "messages": request.messages,
        "seed": request.seed,
        **request.sampling,
    }
    body.pop(SUPPRESS, None)  # which tokens the words have is known to who holds the weights alone
    if dialect.limit != "max_tokens" and "max_tokens" in body:
        body[dialect.limit] = body.pop("max_tokens")
    if dialect.lacks:
        body.pop("top_logprobs", None)
        body.pop("logprobs", None)
    elif not _LOGPROBS.isdisjoint(body):
        # llama.cpp would tell twenty alternatives of every token, where none are asked for, and none at all with 0.
        body |= {"logprobs": True, "top_logprobs": body.get("top_logprobs", 1)}
    format = dialect.format
    if request.schema is not None and format == "json_schema":
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": request.schema, "strict": True},
        }
    elif request.schema is not None and format == "json_object":
        body["response_format"] = {"type": "json_object"}
    return body


def reply_of(data: bytes) -> Reply:
    """Return the reply that the body of a chat completion holds.

    Raises:
        Transient: it holds none; a proxy's page, say, or the first half of one.
    """
    try:
        body = orjson.loads(data)
        choice = body["choices"][0]
        message, usage = choice["message"], body.get("usage") or {}
        text = message.get("content") or message.get("refusal") or ""
        if not isinstance(text, str):
            raise TypeError("the content is no text")
        finish = "refusal" if message.get("refusal") else choice.get("finish_reason")
        return Reply(
            text=text,
            finish=str(finish or "stop"),
            tokens_in=int(usage.get("prompt_tokens") or 0),
            tokens_out=int(usage.get("completion_tokens") or 0),
            model=str(body.get("model") or ""),
            reasoning=str(message.get("reasoning_content") or message.get("reasoning") or ""),
            top=_alternatives(choice["logprobs"]) if choice.get("logprobs") else {},
            logprob=_mean(choice["logprobs"]) if choice.get("logprobs") else None,
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Transient("bad_body", f"expected a chat completion, got {data[:120]!r}") from error


def _alternatives(logprobs: Any) -> dict[str, float]:
    """Return the first token's alternatives; {} where there are none, for the reply itself is sound without them."""
    try:
        return merged(
            (str(one["token"]), float(one["logprob"]))
            for one in logprobs["content"][0]["top_logprobs"]
        )
    except (LookupError, TypeError, ValueError):
        return {}


def _mean(logprobs: Any) -> float | None:
    """Return the mean logarithm of the tokens' probabilities; None where there is none that could be one."""
    try:
        return mean_logprob([float(one["logprob"]) for one in logprobs["content"]])
    except (LookupError, TypeError, ValueError):
        return None


def mean_logprob(logprobs: Sequence[float]) -> float | None:
    """Return the mean, at most 0; None of none, or where one is no number.

    >>> mean_logprob([-0.5, -1.0]), mean_logprob([]), mean_logprob([-0.5, -math.inf])
    (-0.75, None, None)
    """
    if not logprobs or not all(map(math.isfinite, logprobs)):
        return None
    return round(min(math.fsum(logprobs) / len(logprobs), 0.0), 4)


def merged(alternatives: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return tokens with the logarithms of their probabilities, the most probable first.

    Several tokens may have one text, such as pieces of characters, which many servers show as a blank or as nothing:
    their probabilities are added. One that a model cannot say (minus infinity) is left out.

    >>> merged([("no", math.log(0.25)), ("", math.log(0.125)), ("", math.log(0.375)), ("yes", -math.inf)])
    {'': -0.6931, 'no': -1.3863}
    """
    shares: dict[str, float] = {}
    for token, logprob in alternatives:
        share = math.exp(min(logprob, 0.0))
        if share > 0:  # not so of a NaN either
            shares[token] = shares.get(token, 0.0) + share
    by_share = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return {token: round(min(math.log(share), 0.0), 4) for token, share in by_share}


def refusal_of(
    status: int,
    data: bytes,
    retry_after: str | None,
    *,
    dialect: Dialect,
    request: Request | None,
    where: str,
    key_env: str,
) -> Exception:
    """Return what an answer with an error's status means: try again, give this request up, or stop the run.

    Args:
        status: of HTTP.
        data: the body, without the key.
        retry_after: the header of that name.
        dialect: that of the request.
        request: what was refused; None for what asks for no reply.
        where: the address, for the message.
        key_env: name of the environment variable with the key, for the remedy.
    """
    words = words_of(data) or "nothing"
    wait_s = seconds_of(retry_after)
    if wait_s is not None and wait_s > _LONGEST_WAIT_S:
        return BackendError(
            f"{where} answered {status} and asks to wait {wait_s / 3600:.1f} hours: {words}; what is answered is kept,"
            " the same command goes on then"
        )
    if status == 429 and not _NO_MONEY.search(data.decode("utf-8", "replace")):
        return Transient("http_429", words, wait_s)
    if status in (408, 409) or status >= 500:
        return Transient(f"http_{status}", words, wait_s)
    if status in (400, 413, 422) and _TOO_LONG.search(words):
        return Unanswerable(TOO_LONG, words)
    # OpenAI says with 403 that a model gives no probabilities.
    other = _other(dialect, request, status, words) if request and status in _UNTAKEN else None
    if other is not None:
        return Misunderstood(other)
    remedy = {
        401: f"put a valid key into the environment variable {key_env}",
        403: f"the key in {key_env} may not use this model",
        404: "check llm.base_url (it ends with /v1) and llm.model",
        429: "the account has nothing left to spend: what is answered is kept, the same command goes on when it has",
    }.get(status, "check the settings of llm and of the prompts")
    return BackendError(f"{where} answered {status}: {words}; {remedy}")


def _other(dialect: Dialect, request: Request, status: int, words: str) -> Dialect | None:
    """Return the dialect that the words of a refusal ask for, or None where they speak of something else."""
    asked = not dialect.lacks and not request.sampling.keys().isdisjoint(_LOGPROBS)
    if asked and _PROBABILITIES.search(words) and not _FEWER.search(words):
        return replace(dialect, lacks="no logprobs")
    if status == 403:
        return None
    if "max_completion_tokens" in words and dialect.limit == "max_tokens":
        return replace(dialect, limit="max_completion_tokens")
    if request.schema is not None and dialect.format != FORMATS[-1] and _FORMAT.search(words):
        return replace(dialect, format=FORMATS[FORMATS.index(dialect.format) + 1])
    return None


def words_of(data: bytes) -> str:
    """Return what the server says of an error, in one line of at most 300 characters."""
    text = data.decode("utf-8", "replace")
    try:
        error = orjson.loads(data)["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (orjson.JSONDecodeError, LookupError, TypeError):
        pass
    return " ".join(str(text).split())[:_MOST_WORDS_CHARS]


def seconds_of(retry_after: str | None) -> float | None:
    """Return the seconds from now that a Retry-After header names, as a number or as a date; None for anything else.

    >>> seconds_of("1.5"), seconds_of("-3"), seconds_of("soon"), seconds_of("Wed, 21 Oct 2015 07:28:00 GMT")
    (1.5, 0.0, None, 0.0)
    """
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
