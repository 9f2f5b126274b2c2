"""Any OpenAI-compatible server, over aiohttp, which costs less CPU per request than the openai client.

The key comes from an environment variable, travels in a header, and is cut out of whatever the server says.
"""

import asyncio
import os
import re
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from synthneg.config import LLMConfig
from synthneg.errors import BackendError, SettingsError
from synthneg.llm.base import Reply, Request, Transient, Unanswerable

# A shorter key is a placeholder such as EMPTY, and may be a word of a reply.
_SECRET_FROM_CHARS = 16
_FORMATS = ("json_schema", "json_object", "text")
_MISSING_KEY = "none"
_MOST_WORDS_CHARS = 300
_TOO_LONG = re.compile(
    r"context (?:size|length|window)|maximum context|too many tokens", re.IGNORECASE
)


class HttpBackend:
    """A server that speaks /chat/completions.

    Args:
        base_url: address up to and with /v1.
        model: the server's name for the model; None: the only one that it offers.
        identity: what the ledger's key covers beside the request.
        key: the bearer token, or None.
        config: time-out and concurrency.
    """

    def __init__(
        self, base_url: str, model: str | None, identity: str, key: str | None, config: LLMConfig
    ) -> None:
        self.identity = identity
        self._url, self._model, self._key, self._config = base_url.rstrip("/"), model, key, config
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()
        self._connected = False
        self._format = 0  # index into _FORMATS of the most demanding one that the server takes

    async def complete(self, request: Request) -> Reply:
        """Return the reply; see `Backend`."""
        session = await self._open()
        while True:
            asked = self._format
            try:
                return await self._post(session, request, _FORMATS[asked])
            except _FormatRefused:
                # Once for all requests: several may come back refused at the same time.
                self._format = max(self._format, asked + 1)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _open(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._session is None:
                headers = {"Content-Type": "application/json"}
                if self._key:
                    headers["Authorization"] = f"Bearer {self._key}"
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0),
                    timeout=aiohttp.ClientTimeout(total=self._config.timeout_s, sock_connect=30),
                    headers=headers,
                )
            return self._session

    async def _post(self, session: aiohttp.ClientSession, request: Request, format: str) -> Reply:
        body = orjson.dumps(self._body(request, format))
        try:
            async with session.post(f"{self._url}/chat/completions", data=body) as response:
                status, data = response.status, self._without_key(await response.read())
                retry_after = response.headers.get("Retry-After")
        except TimeoutError as error:
            raise Transient("timeout", f"no reply within {self._config.timeout_s:g} s") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise BackendError(
                f"llm.base_url must be an address such as http://localhost:8000/v1, got {self._url!r}"
            ) from error
        except aiohttp.ClientConnectorError as error:
            seen = f"cannot connect to {self._url}: {error.strerror or error}"
            if not self._connected and _nobody_there(error):
                raise BackendError(
                    f"{seen}; is the server running? else correct llm.base_url"
                ) from error
            raise Transient("connection", seen) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Transient("connection", f"{type(error).__name__}: {error}") from error
        self._connected = True
        if status != 200:
            raise self._refusal(status, data, retry_after, request, format)
        return _reply(data)

    def _body(self, request: Request, format: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "seed": request.seed,
            **request.sampling,
        }
        if request.schema is not None and format == "json_schema":
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": request.schema, "strict": True},
            }
        elif request.schema is not None and format == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body

    def _refusal(
        self, status: int, data: bytes, retry_after: str | None, request: Request, format: str
    ) -> Exception:
        words = _words(data)
        if self._key:
            words = words.replace(self._key, "***")
        words = words[:_MOST_WORDS_CHARS] or "nothing"
        if status == 429:
            return Transient("http_429", words, _seconds(retry_after))
        if status in (408, 409) or status >= 500:
            return Transient(f"http_{status}", words, _seconds(retry_after))
        if status in (400, 413, 422) and _TOO_LONG.search(words):
            return Unanswerable("too_long_for_model", words)
        if (
            status in (400, 422)
            and request.schema is not None
            and format != "text"
            and re.search("format|schema|grammar", words, re.IGNORECASE)
        ):
            return _FormatRefused()
        remedy = {
            401: f"put a valid key into the environment variable {self._config.api_key_env}",
            403: f"the key in {self._config.api_key_env} may not use this model",
            404: "check llm.base_url (it ends with /v1) and llm.model",
        }.get(status, "check the settings of llm and of the prompts")
        return BackendError(f"{self._url} answered {status}: {words}; {remedy}")

    def _without_key(self, data: bytes) -> bytes:
        """Return what the server sent without the key, which some repeat: replies and errors go into files."""
        if self._key is None or len(self._key) < _SECRET_FROM_CHARS:
            return data
        return data.replace(self._key.encode(), b"***")


class _FormatRefused(Exception):  # noqa: N818  # a signal inside this module
    """The server does not know this response_format."""


def _nobody_there(error: aiohttp.ClientConnectorError) -> bool:
    """Whether the address has no server at all, which no retry cures where none has ever answered."""
    unknown = isinstance(error, aiohttp.ClientConnectorDNSError)
    return unknown or isinstance(error.os_error, ConnectionRefusedError)


def _reply(data: bytes) -> Reply:
    try:
        body = orjson.loads(data)
        choice = body["choices"][0]
        message, usage = choice["message"], body.get("usage") or {}
        text = message.get("content") or message.get("refusal") or ""
        if not isinstance(text, str):
            raise TypeError("the content is no text")
        return Reply(
            text=text,
            finish=str(choice.get("finish_reason") or "stop"),
            tokens_in=int(usage.get("prompt_tokens") or 0),
            tokens_out=int(usage.get("completion_tokens") or 0),
            model=str(body.get("model") or ""),
            reasoning=str(message.get("reasoning_content") or ""),
        )
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:  # not JSON is a ValueError
        raise Transient("bad_body", f"expected a chat completion, got {data[:120]!r}") from error


def _words(data: bytes) -> str:
    """Return what the server says of an error, in one line."""
    text = data.decode("utf-8", "replace")
    try:
        error = orjson.loads(data)["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (orjson.JSONDecodeError, LookupError, TypeError):
        pass
    return " ".join(str(text).split())


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After header; a date in it is not understood and gives None."""
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None


def check_server(config: LLMConfig) -> str:
    """Return the server's address as it is used, without asking it.

    Raises:
        SettingsError: no address, or one that holds a secret.
    """
    if not config.base_url:
        raise SettingsError(
            "llm.base_url is missing: the server's address, such as http://localhost:8000/v1"
        )
    if "@" in urlsplit(config.base_url).netloc:
        raise SettingsError(
            f"llm.base_url holds a name or password before the @; put the key into {config.api_key_env} instead"
        )
    return config.base_url.rstrip("/")


def open_server(config: LLMConfig) -> HttpBackend:
    """Return the backend of `llm.backend: openai`.

    Raises:
        SettingsError: see `check_server`.
        BackendError: the server offers several models and none was chosen, or it cannot be asked.
    """
    address, key = check_server(config), _key(config.api_key_env)
    model = config.model or _only_model(address, key, config.api_key_env)
    return HttpBackend(address, model, f"{address} {model}", key, config)


def _key(variable: str) -> str | None:
    """Return the key, without the line's end that a file gives it; None where there is none."""
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise SettingsError(
            f"the environment variable {variable} holds characters that no key has; put the key alone into it"
        )
    return key or None


def _only_model(base_url: str, key: str | None, variable: str) -> str:
    # heavy, and needed for this question alone
    from openai import APIError, OpenAI  # noqa: PLC0415

    try:
        with OpenAI(
            base_url=base_url, api_key=key or _MISSING_KEY, max_retries=1, timeout=30
        ) as client:
            names = [model.id for model in client.models.list()]
    except APIError as error:
        words = str(error).replace(key, "***") if key else str(error)
        remedy = (
            f"put a valid key into the environment variable {variable}"
            if getattr(error, "status_code", None) in (401, 403)
            else "is the server running? else set llm.model"
        )
        raise BackendError(
            f"{base_url} cannot be asked for its models ({' '.join(words.split())[:200]}); {remedy}"
        ) from error
    if len(names) != 1:
        raise BackendError(
            f"{base_url} offers {len(names)} models; set llm.model to one of: {', '.join(names[:20])}"
        )
    return names[0]
