"""Any OpenAI-compatible server, over connections that cost a fraction of the openai client's CPU per request.

The key comes from an environment variable, travels in a header, and is cut out of whatever the server says.
"""

import asyncio
import errno
import os
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

import orjson

from synthneg import __version__
from synthneg.config import LLMConfig
from synthneg.errors import BackendError, SettingsError
from synthneg.llm.base import Reply, Request, Transient
from synthneg.llm.connection import Connections, Unreachable
from synthneg.llm.ledger import Ledger
from synthneg.llm.secret import Secret
from synthneg.llm.wire import (
    Dialect,
    Misunderstood,
    body_of,
    known_dialect,
    refusal_of,
    remember_dialect,
    reply_of,
)

_SECRET_FROM_CHARS = 16
_MISSING_KEY = "none"
_PROBE_S = 0.5
_TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)


class HttpBackend:
    """A server that speaks /chat/completions.

    Args:
        base_url: address up to and with /v1.
        model: the server's name for the model; None: the only one that it offers.
        identity: what the ledger's key covers beside the request.
        key: the bearer token, or None.
        config: time-out.
        memory: where the server's dialect is remembered, so that the next start need not find it out.
    """

    def __init__(
        self,
        base_url: str,
        model: str | None,
        identity: str,
        key: str | None,
        config: LLMConfig,
        memory: Ledger | None = None,
    ) -> None:
        self.identity = identity
        self._url, self._model, self._key, self._config = base_url.rstrip("/"), model, key, config
        self._secret = Secret(key)
        # A shorter key is a placeholder such as EMPTY, and may be a word of a reply.
        self._in_replies = Secret(key if len(key or "") >= _SECRET_FROM_CHARS else None)
        self._connections: Connections | None = None
        self._connected = False
        self._memory = memory
        known = known_dialect(memory, identity) if memory else None
        self._dialect = known or Dialect()
        self._probe: asyncio.Event | None = None  # set when the dialect is known to be understood
        self._sure = known is not None

    async def complete(self, request: Request) -> Reply:
        """Return the reply; see `Backend`."""
        if self._sure or request.schema is None:
            return await self._understood(request)
        if self._probe is None:
            # One request finds out how this server takes a schema, and not each of hundreds.
            self._probe = asyncio.Event()
            try:
                reply = await self._understood(request)
                self._learn(self._dialect)
            finally:
                self._probe.set()
            return reply
        with suppress(TimeoutError):  # a refusal comes at once; a reply may take long
            await asyncio.wait_for(self._probe.wait(), _PROBE_S)
        return await self._understood(request)

    async def _understood(self, request: Request) -> Reply:
        """Return the reply, in whatever dialect the server takes."""
        while True:
            dialect = self._dialect
            try:
                return await self._post(request, dialect)
            except Misunderstood as refused:
                if self._dialect == dialect:  # else another request has found it out meanwhile
                    self._dialect = refused.other
                    self._learn(refused.other)

    def _learn(self, dialect: Dialect) -> None:
        self._sure = True
        if self._memory is not None:
            remember_dialect(self._memory, self.identity, dialect)

    def waits_for(self) -> str:
        """Return ""; see `Backend`."""
        return ""

    async def close(self) -> None:
        """Close the connections."""
        if self._connections is not None:
            await self._connections.close()

    async def _post(self, request: Request, dialect: Dialect) -> Reply:
        if self._connections is None:
            self._connections = self._opened()
        try:
            answer = await self._connections.post(
                orjson.dumps(body_of(self._model, request, dialect))
            )
        except TimeoutError as error:
            raise Transient("timeout", f"no reply within {self._config.timeout_s:g} s") from error
        except OSError as error:
            raise self._cut_off(error) from error
        self._connected = True
        if answer.status == 200:
            return self._in_replies.cut_reply(reply_of(self._in_replies.cut_bytes(answer.data)))
        if 300 <= answer.status < 400:
            place = self._secret.cut(answer.headers.get(b"location", b"?").decode("latin-1"))
            raise BackendError(
                f"{self._url} answered {answer.status}: it has moved to {place[:200]};"
                " set llm.base_url to the new address, up to and with /v1"
            )
        raise refusal_of(
            answer.status,
            self._secret.cut_json(answer.data),
            answer.headers.get(b"retry-after", b"").decode("latin-1"),
            dialect=dialect,
            request=request,
            where=self._url,
            key_env=self._config.api_key_env,
        )

    def _cut_off(self, error: OSError) -> Exception:
        """Return what a missing or broken connection means: try again, or stop the run."""
        from urllib.request import getproxies  # noqa: PLC0415  # slow to load, and for an error alone

        seen = f"{self._url} cannot be asked ({error.strerror or error})"
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in _TOO_MANY_FILES:
            return BackendError(
                f"{seen}; lower llm.concurrency ({self._config.concurrency}), or let processes open more files:"
                " ulimit -n"
            )
        if self._connected or not isinstance(error, Unreachable):
            return Transient("connection", seen)
        # Where none has ever answered, no retry cures it.
        remedy = "is the server running? else correct llm.base_url"
        if getproxies().get(urlsplit(self._url).scheme):
            remedy += (
                "; a proxy of the environment is not used, so the server must be reached directly"
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            remedy = "let the environment variable SSL_CERT_FILE name a file with the certificate to be trusted"
        elif isinstance(cause, ssl.SSLError):
            remedy = "does the server speak https? else let llm.base_url begin with http://"
        return BackendError(f"{seen}; {remedy}")

    def _opened(self) -> Connections:
        headers = {"Content-Type": "application/json", "User-Agent": f"synthneg/{__version__}"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            return Connections(f"{self._url}/chat/completions", headers, self._config.timeout_s)
        except ValueError as error:
            raise BackendError(
                f"llm.base_url must be an address such as http://localhost:8000/v1, got {self._url!r}"
            ) from error


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
    if "?" in config.base_url or "#" in config.base_url:
        raise SettingsError(
            "llm.base_url is an address up to and with /v1, without ? and what follows; a key in it goes into the"
            f" environment variable {config.api_key_env}"
        )
    return config.base_url.rstrip("/")


def open_server(config: LLMConfig, memory: Ledger | None = None) -> HttpBackend:
    """Return the backend of `llm.backend: openai`.

    Raises:
        SettingsError: see `check_server`.
        BackendError: the server offers several models and none was chosen, or it cannot be asked.
    """
    address, key = check_server(config), read_key(config.api_key_env)
    model = config.model or only_model(address, key, config.api_key_env)
    return HttpBackend(address, model, f"{address} {model}", key, config, memory)


def read_key(variable: str) -> str | None:
    """Return the key, without the line's end that a file gives it; None where there is none."""
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise SettingsError(
            f"the environment variable {variable} holds characters that no key has; put the key alone into it"
        )
    return key or None


def only_model(base_url: str, key: str | None, variable: str) -> str:
    """Return the name of the one model that a server offers, or raise BackendError."""
    # heavy, and needed for this question alone
    from openai import APIError, OpenAI  # noqa: PLC0415

    try:
        with OpenAI(
            base_url=base_url, api_key=key or _MISSING_KEY, max_retries=1, timeout=30
        ) as client:
            names = [model.id for model in client.models.list()]
    except APIError as error:
        words = Secret(key).cut(str(error))
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
