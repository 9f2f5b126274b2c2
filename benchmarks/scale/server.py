"""An OpenAI-compatible server without latency, for `million.py`: what it says follows from what it is asked.

python benchmarks/scale/server.py MODEL PORT

A passage is answered with a question of eight of its words, a query with a text of sixty words of which three are the
query's. It prints a line when it serves, on the loopback interface, until it is ended.
"""

import argparse
import asyncio
import random
import zlib
from pathlib import Path

import orjson
from corpus import vocabulary

_MODELS = orjson.dumps({"object": "list", "data": [{"id": "scripted", "object": "model"}]})
_PASSAGE, _QUERY = "Passage: ", "Query: "
_WORDS = 60


def question(passage: str, chance: random.Random) -> str:
    """Return a question of words that stand in the passage, in another order."""
    words = [word for w in passage.split() if len(word := w.strip(".,").lower()) > 3]
    first, *others = chance.sample(sorted(set(words)), 8)
    return f"how does {first} {others[0]} in {others[1]} {others[2]} go with {' '.join(others[3:])}"


def text(query: str, words: list[str], chance: random.Random) -> str:
    """Return a text that has some words of the query, and does not answer it."""
    said = chance.sample(query.split(), 3) + chance.sample(words, _WORDS)
    chance.shuffle(said)
    return " ".join(said).capitalize() + "."


class Server(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, words: list[str]) -> None:
        self._words, self._read = words, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self._out = transport

    def data_received(self, data: bytes) -> None:
        """Answer whatever request is whole."""
        self._read += data
        while True:
            head, found, rest = self._read.partition(b"\r\n\r\n")
            if not found:
                return
            lines = head.lower().split(b"\r\ncontent-length:", 1)
            length = int(lines[1].split(b"\r\n", 1)[0]) if len(lines) == 2 else 0
            if len(rest) < length:
                return
            self._read = rest[length:]
            body = _MODELS if head.startswith(b"GET") else self._answer(rest[:length])
            self._out.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (len(body), body)
            )

    def _answer(self, body: bytes) -> bytes:
        asked = orjson.loads(body)["messages"][-1]["content"]
        chance = random.Random(zlib.crc32(asked.encode()))
        if asked.startswith(_QUERY):
            said = text(asked.removeprefix(_QUERY).partition("\n")[0], self._words, chance)
        else:
            said = question(asked.removeprefix(_PASSAGE), chance)
        message = {"role": "assistant", "content": said}
        used = {"prompt_tokens": len(body) // 4, "completion_tokens": len(said) // 4}
        return orjson.dumps(
            {
                "model": "scripted",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": used,
            }
        )


async def serve(words: list[str], port: int) -> None:
    """Serve until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(words), "127.0.0.1", port)
    print(f"serving on port {port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="whose vocabulary gives the words")
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    asyncio.run(serve(vocabulary(options.model), options.port))
