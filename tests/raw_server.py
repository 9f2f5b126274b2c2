"""A server on the loopback interface that says, byte for byte, what a test wants said.

    async with raw_server(script) as server: ... server.url

The script is called with each request, as (connection's number, request's number on it, writer), and writes whatever it
likes; a connection is closed when the script returns False.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Script = Callable[[int, int, asyncio.StreamWriter], Awaitable[bool | None]]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class RawServer:
    """What a server has seen."""

    def __init__(self, script: Script) -> None:
        self.port = 0
        self.requests: list[bytes] = []  # heads and bodies
        self.connections = 0
        self.open = 0
        self._script = script

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        self.open += 1
        number, said = self.connections, 0
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.requests.append(head + body)
                said += 1
                if await self._script(number, said, writer) is False:
                    break
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return an answer with its length."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@asynccontextmanager
async def raw_server(
    script: Script, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve in this event loop."""
    made = RawServer(script)
    server = await asyncio.start_server(made.serve, host, 0, ssl=tls, limit=32 << 20)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
