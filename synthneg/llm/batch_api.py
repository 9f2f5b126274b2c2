"""The calls of the Batch API, through the openai client, and the lines of its files.

Whatever the server says comes back without the key; faults that time may cure are `Transient`, all others BackendError.
"""

import re
import ssl
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

import orjson

from synthneg.errors import BackendError
from synthneg.llm.base import Reply, Request, Transient
from synthneg.llm.wire import Dialect, body_of, refusal_of, reply_of, words_of

if TYPE_CHECKING:
    from openai.types import Batch

ENDPOINT: Final = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")
_NO_BATCHES = (404, 405, 501)
_NO_KEY = "none"
# A shorter key is a placeholder such as EMPTY, and may be a word of a reply.
_SECRET_FROM_CHARS = 16
_TIMEOUT_S = 300.0  # of one look at a socket, not of a whole upload
_CLOCKS_APART_S = 86_400.0
_TOO_LARGE = re.compile(r"too large|too big|maximum (?:file )?size", re.IGNORECASE)
# Files are not known everywhere at once: a batch of a fresh one may be refused for seconds (curator#116).
_NO_FILE = re.compile(r"(?:find|no such) file|file .{0,80}(?:not found|not ready)", re.IGNORECASE)
_QUEUE_FULL = "token_limit_exceeded"


class FileUnknown(Transient):
    """The server does not know a file yet, or does not have it any more."""


class State(NamedTuple):
    """How far the server is with a batch."""

    id: str
    status: str  # one of ENDED, or validating, in_progress, finalizing, cancelling
    done: int
    total: int
    files: tuple[str, ...]  # of replies and of errors, as far as there are any
    words: str  # on the batch as a whole
    queue_full: bool  # refused because as much as the account may have is waiting already


class Line(NamedTuple):
    """A line of a file of replies or errors."""

    key: str
    status: int  # of HTTP; 0 where the request was never put to the model
    body: bytes
    code: str  # of the error, where there is one
    words: str


class BatchApi:
    """A server's files and batches.

    Args:
        base_url: address up to and with /v1.
        key: the bearer token, or None.
        key_env: name of the environment variable with the key, for remedies.
    """

    def __init__(self, base_url: str, key: str | None, key_env: str) -> None:
        from openai import AsyncOpenAI  # noqa: PLC0415  # heavy: only when batches are asked for

        self._url, self._key, self._key_env = base_url, key, key_env
        self._client = AsyncOpenAI(base_url=base_url, api_key=key or _NO_KEY, timeout=_TIMEOUT_S)
        self._reached = False

    async def upload(self, name: str, file: BinaryIO) -> str:
        """Return the server's name for a file of requests, which is sent in pieces and never held whole."""
        with self._told("files", made=True):
            file.seek(0)
            sent = (name, file, "application/jsonl")
            return (await self._client.files.create(file=sent, purpose="batch")).id

    async def create(self, file: str, digest: str) -> State:
        """Create a batch of an uploaded file, trying once: a lost answer must not become a second batch."""
        with self._told("batches", made=True):
            batch = await self._client.with_options(max_retries=0).batches.create(
                input_file_id=file,
                endpoint=ENDPOINT,
                completion_window="24h",
                metadata={"made_by": "synthneg", "sha256": digest},
            )
            return self._state(batch)

    async def find(self, file: str, since: float) -> State | None:
        """Return the batch of a file that was uploaded after `since` (seconds since 1970), if there is one."""
        with self._told("batches", made=True):
            async for batch in self._client.batches.list(limit=100):
                if batch.input_file_id == file:
                    return self._state(batch)
                if batch.created_at < since - _CLOCKS_APART_S:
                    break  # the newest come first
        return None

    async def state(self, id: str) -> State | None:
        """Return how far a batch is; None where the server does not know it."""
        from openai import NotFoundError  # noqa: PLC0415  # as above

        with self._told(f"batches/{id}"):
            try:
                return self._state(await self._client.batches.retrieve(id))
            except NotFoundError:
                return None

    async def lines(self, file: str) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a file as they arrive."""
        rest = b""
        with self._told(f"files/{file}/content"):
            content = self._client.files.with_streaming_response.content(file)
            async with content as response:
                # By "\n" alone: the client's own lines end at U+2028 too, which a reply may hold.
                async for chunk in response.iter_bytes():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield self._without_key(line)
        yield self._without_key(rest)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def outcome(self, line: Line, request: Request, dialect: Dialect) -> Reply | Exception:
        """Return what a line says of its request: the reply, or what to raise for it."""
        if line.status == 200:
            try:
                return reply_of(line.body)
            except Transient as error:
                return error
        if line.status == 0:
            return Transient(line.code, line.words, wait_s=0)
        refusal = refusal_of(
            line.status,
            line.body,
            None,
            dialect=dialect,
            request=request,
            where=f"{self._url} (in a batch)",
            key_env=self._key_env,
        )
        if isinstance(refusal, Transient):
            # At once: those that failed together go into the next batch together. And under another name than in the
            # live mode, where such a refusal slows the asking down.
            return Transient(f"batch_{line.status}", refusal.detail, wait_s=0)
        return refusal

    def _state(self, batch: "Batch") -> State:
        counts, errors = batch.request_counts, (batch.errors and batch.errors.data) or []
        said = [
            f"line {error.line}: {error.message}" if error.line else str(error.message)
            for error in errors
        ]
        more = f" (and {len(said) - 3} more)" if len(said) > 3 else ""
        words = self._clean(" ".join("; ".join(said[:3]).split()).encode()).decode()
        return State(
            id=batch.id,
            status=batch.status,
            done=counts.completed + counts.failed if counts else 0,
            total=counts.total if counts else 0,
            files=tuple(filter(None, (batch.output_file_id, batch.error_file_id))),
            words=(words[:300] or "no reason given") + more,
            queue_full=any(error.code == _QUEUE_FULL for error in errors),
        )

    @contextmanager
    def _told(self, place: str, *, made: bool = False) -> Iterator[None]:
        """Turn the client's errors into ours; `made` is for places that a server without batches does not have."""
        from openai import APIConnectionError, APIStatusError  # noqa: PLC0415  # as above

        try:
            yield
        except APIStatusError as error:
            self._reached = True
            raise self._refusal(error, place, made) from None  # the cause may repeat the key
        except _lost_connection(APIConnectionError) as error:
            words = f"{type(error).__name__}: {error.__cause__ or error}"
            words = self._clean(words.encode()).decode()
            if not self._reached:
                raise BackendError(
                    f"cannot connect to {self._url} ({words}); is the server running? else correct llm.base_url"
                ) from None
            raise Transient("connection", words) from None
        self._reached = True

    def _refusal(self, error: Any, place: str, made: bool) -> Exception:
        status, data = error.status_code, self._clean(error.response.content)
        words, where = words_of(data) or "nothing", f"{self._url}/{place}"
        if status in (400, 404) and _NO_FILE.search(words):
            return FileUnknown("file", f"{where} answered {status}: {words}")
        if status in _NO_BATCHES and made:
            return BackendError(
                f"{where} answered {status}: {words}; does this server have the Batch API? use llm.mode: live"
            )
        if status == 413 or (status == 400 and _TOO_LARGE.search(words)):
            return BackendError(f"{where} answered {status}: {words}; lower llm.batch.requests")
        refusal = refusal_of(
            status,
            data,
            error.response.headers.get("Retry-After"),
            dialect=Dialect(),
            request=None,
            where=where,
            key_env=self._key_env,
        )
        if isinstance(refusal, (Transient, BackendError)):
            return refusal
        return BackendError(f"{where} answered {status}: {words}; check the settings of llm")

    def _without_key(self, line: bytes) -> bytes:
        """Return a line of a file without the key."""
        return self._clean(line) if len(self._key or "") >= _SECRET_FROM_CHARS else line

    def _clean(self, words: bytes) -> bytes:
        """Return words of the server without the key, which some repeat."""
        return words.replace(self._key.encode(), b"***") if self._key else words


def line_of(key: str, model: str | None, request: Request, dialect: Dialect) -> bytes:
    """Return the line of an input file that asks for one reply."""
    body = body_of(model, request, dialect)
    line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def read_line(data: bytes) -> Line | None:
    """Return what a line of a file of replies or errors says; None where it is no such line.

    >>> read_line(b'{"custom_id": "a", "response": null, "error": {"code": "batch_expired", "message": "late"}}')
    Line(key='a', status=0, body=b'', code='batch_expired', words='late')
    """
    try:
        line = orjson.loads(data)
        key, response, error = str(line["custom_id"]), line.get("response"), line.get("error")
        if response:
            body = orjson.dumps(response.get("body"))
            return Line(key, int(response["status_code"]), body, "", "")
        code, words = (error or {}).get("code"), (error or {}).get("message")
        said = " ".join(str(words or "no reply and no reason").split())
        return Line(key, 0, b"", str(code or "batch_error"), said[:300])
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _lost_connection(wrapped: type[Exception]) -> tuple[type[Exception], ...]:
    """Return what a lost connection raises: in mid-body, the client's HTTP library is not `wrapped` by the client."""
    # It has another name in newer versions of the client, and is there when the client is.
    modules = [sys.modules.get(name) for name in ("httpx", "httpx2")]
    return wrapped, ConnectionError, ssl.SSLError, *(m.HTTPError for m in modules if m)
