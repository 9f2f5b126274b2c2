"""Bare clients that the engine is compared with: each posts one prompt per record and reads the reply, nothing else.

python benchmarks/engine/clients.py raw|aiohttp|openai|openai-aiohttp URL RECORDS IN_FLIGHT
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from itertools import count

SYSTEM = "You write what people type into a search engine. " * 8
Ask = Callable[[int], Awaitable[None]]


def messages(number: int) -> list[dict[str, str]]:
    """Return a prompt of about the length of a shipped one with a short passage."""
    text = f"[id:{number}] " + "the harbour of the old town lies below its walls " * 12
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


async def pool(ask: Ask, records: int, in_flight: int) -> None:
    """Ask for all records with so many workers."""
    numbers = count()

    async def work() -> None:
        while (number := next(numbers)) < records:
            await ask(number)

    await asyncio.gather(*(work() for _ in range(in_flight)))


async def with_raw(url: str, records: int, in_flight: int) -> None:
    """Read and write the bytes of HTTP by hand, over streams that are kept."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(number: int) -> None:
        reader, writer = idle.pop() if idle else await asyncio.open_connection(host, int(port))
        body = json.dumps({"model": "mock", "messages": messages(number)}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        json.loads(await reader.readexactly(length))
        idle.append((reader, writer))

    await pool(ask, records, in_flight)


async def with_aiohttp(url: str, records: int, in_flight: int) -> None:
    """Post with one aiohttp session."""
    import aiohttp  # noqa: PLC0415  # one client is measured at a time

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(number: int) -> None:
            body = {"model": "mock", "messages": messages(number)}
            async with session.post(f"{url}/chat/completions", json=body) as response:
                await response.json()

        await pool(ask, records, in_flight)


async def with_openai(url: str, records: int, in_flight: int, over_aiohttp: bool = False) -> None:
    """Ask with the openai package, over its own transport or over aiohttp."""
    import openai  # noqa: PLC0415  # as above

    transport = openai.DefaultAioHttpClient() if over_aiohttp else openai.DefaultAsyncHttpxClient()
    async with openai.AsyncOpenAI(base_url=url, api_key="none", http_client=transport) as client:

        async def ask(number: int) -> None:
            await client.chat.completions.create(model="mock", messages=messages(number))  # type: ignore[arg-type]

        await pool(ask, records, in_flight)


CLIENTS = {
    "raw": with_raw,
    "aiohttp": with_aiohttp,
    "openai": with_openai,
    "openai-aiohttp": lambda *a: with_openai(*a, over_aiohttp=True),
}

if __name__ == "__main__":
    name, url, records, in_flight = sys.argv[1:]
    asyncio.run(CLIENTS[name](url, int(records), int(in_flight)))
