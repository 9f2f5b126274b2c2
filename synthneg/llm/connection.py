"""Keep-alive connections to one HTTP/1.1 server, for posting many small bodies at once.

A general client spends most of a request's time on what is not needed here: cookies, redirects, digests, streams.
This one writes a head that is made once, and reads with httptools' parser; `benchmarks/engine` compares it with others.
"""

import asyncio
import ssl
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

_CONNECT_S = 30.0


class Answer(NamedTuple):
    """What a server sends back."""

    status: int
    headers: dict[bytes, bytes]  # names in lower case
    data: bytes


class Unreachable(ConnectionError):
    """No connection came about; the cause is the OSError that says why, ssl.SSLError included."""


class Connections:
    """Connections to the server of one address; belongs to one event loop.

    Args:
        url: what is posted to; http or https.
        headers: sent with each request, besides Host and Content-Length.
        timeout_s: longest wait for an answer, from the first byte sent to the last one received, in seconds.

    Raises:
        ValueError: the address is none.
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("neither http:// nor https:// and a host")
        if not url.isascii() or any(char.isspace() for char in url):
            raise ValueError("characters that an address may not have as they are")
        self._host, secure = parts.hostname, parts.scheme == "https"
        self._port = parts.port or (443 if secure else 80)
        self._tls = ssl.create_default_context() if secure else None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # Without the last of these a server may compress, as some do.
        lines = [f"POST {path} HTTP/1.1", f"Host: {parts.netloc}", "Accept-Encoding: identity"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._head = "\r\n".join([*lines, "Content-Length: "]).encode("latin-1")
        self._timeout_s = timeout_s
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()

    async def post(self, body: bytes) -> Answer:
        """Return the answer to a body.

        Raises:
            TimeoutError: no answer in time.
            Unreachable: no connection.
            OSError: a connection that broke.
        """
        message = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        kept = self._idle.pop() if self._idle else None
        if kept is not None:
            try:
                return await self._post(kept, message)
            except _Stale:
                pass  # the server closed it while the request was on its way: no answer had begun
        return await self._post(await self._connect(), message)

    async def close(self) -> None:
        """Close all connections."""
        for connection in list(self._all):
            connection.abort()
        await asyncio.sleep(0)

    async def _post(self, connection: "_Connection", message: bytes) -> Answer:
        answer = await connection.post(message, self._timeout_s)
        if connection.usable:
            self._idle.append(connection)
        return answer

    async def _connect(self) -> "_Connection":
        loop, limit_s = asyncio.get_running_loop(), min(_CONNECT_S, self._timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._gone), self._host, self._port, ssl=self._tls
                )
        except TimeoutError as error:
            raise Unreachable(f"no connection within {limit_s:g} s") from error
        except OSError as error:
            raise Unreachable(error.strerror or str(error)) from error
        self._all.add(connection)
        return connection

    def _gone(self, connection: "_Connection") -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)


class _Stale(ConnectionError):
    """A kept connection was closed by the server before a byte of the answer had come."""


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request. The methods named on_... are called by the parser."""

    def __init__(self, gone: Callable[["_Connection"], None]) -> None:
        self.usable = False  # for another request
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._whole_at_end = False
        self._kept = False  # it has brought an answer before
        self._silent = True  # nothing of this answer has come

    async def post(self, message: bytes, timeout_s: float) -> Answer:
        """Send a request and return its answer; without a whole answer the connection is closed."""
        if self._transport is None or self._transport.is_closing():
            raise _Stale("the server closed the connection")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Answer] = loop.create_future()
        self._waiter, self.usable, self._silent = waiter, False, True
        self._headers, self._pieces = {}, []
        timer = loop.call_later(timeout_s, self._fail, TimeoutError())
        self._transport.write(message)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiter = None
            if not self.usable:
                self.abort()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        self._silent = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionError(f"this is no answer in HTTP/1.1: {error}"))
            self.usable = False
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up, unless the end of the connection is the end of the answer."""
        self._transport = None
        self.usable = False
        self._gone(self)
        if exc is None and self._whole_at_end:
            self._end()
        kind = _Stale if self._kept and self._silent else ConnectionError
        self._fail(kind(f"the server closed the connection{f': {exc}' if exc else ''}"))

    def on_message_begin(self) -> None:
        """Refuse an answer that nobody has asked for: the next request must never get it."""
        if self._waiter is None or self._waiter.done():
            raise ValueError("an answer too many")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """See whether the length of the answer is said."""
        said = self._headers.keys() & {b"content-length", b"transfer-encoding"}
        self._whole_at_end = not said and self._parser.get_status_code() >= 200

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """Hand the answer over; one that only informs, such as 103, is not it."""
        if self._parser.get_status_code() < 200:
            self._headers = {}
            return
        self.usable = self._parser.should_keep_alive() and self._transport is not None
        self._end()

    def _end(self) -> None:
        self._whole_at_end = False
        self._kept = True
        if self._waiter is None or self._waiter.done():
            return
        try:
            data = _unpacked(b"".join(self._pieces), self._headers.get(b"content-encoding", b""))
        except (ValueError, zlib.error) as error:
            self._fail(ConnectionError(f"the answer cannot be unpacked: {error}"))
        else:
            self._waiter.set_result(Answer(self._parser.get_status_code(), self._headers, data))

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)


def _unpacked(data: bytes, encoding: bytes) -> bytes:
    """Return a body as it was before the server compressed it."""
    coding = encoding.strip().lower()
    if coding in (b"", b"identity"):
        return data
    if coding in (b"gzip", b"x-gzip", b"deflate"):
        return zlib.decompress(data, zlib.MAX_WBITS | 32)
    raise ValueError(f"it is compressed as {coding.decode('latin-1')}, which was not asked for")
