"""A deterministic OpenAI-compatible server on the loopback interface, with the faults that real ones have.

    python tests/llm_server.py --port 0 --log requests.log --fault tea:429:2     # prints its address
    with llm_server.serving(fault_list, log=file) as server: ... server.url

An answer depends on the messages, the seed and the schema alone. Each request that arrives is one line of the log, its
key first and the time last, written before it is answered: a key that stands there twice was asked twice, even if the
client was killed.

A fault is MARKER:KIND[:TIMES]: requests whose messages contain MARKER (any, where it is empty) get KIND the first TIMES
times that these messages arrive, or always. Kinds: see `FAULTS`.
"""

import argparse
import asyncio
import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from synthneg.llm.base import Request
from synthneg.prompts.render import Message
from synthneg.testing import alternatives, invented

MODEL = "loopback-llm"
REFUSAL = "I'm sorry, but I can't help with that."
FAULTS = (
    "429",  # with Retry-After
    "500",
    "reset",  # the connection breaks in mid-body
    "truncated",  # a body that ends in the middle of its JSON
    "hang",  # no answer before the client gives up
    "401",
    "echo",  # 403 whose message repeats the Authorization header
    "too_long",  # 400: the context is too short
    "empty",  # no content
    "refusal",
    "length",  # cut in mid-sentence, finish_reason "length"
    "prose",  # prose where a schema was asked for
)
_STATUS = {
    "429": (429, "Rate limit reached for requests"),
    "500": (500, "The server had an error while processing your request"),
    "401": (401, "Incorrect API key provided"),
    "too_long": (
        400,
        "This model's maximum context length is 2048 tokens; your messages have more",
    ),
}


class Fault(NamedTuple):
    """What requests get whose messages contain `marker`, the first `times` times that these arrive; 0: always."""

    marker: str
    kind: str
    times: int = 0

    @classmethod
    def read(cls, text: str) -> "Fault":
        """Return the fault written as MARKER:KIND[:TIMES]."""
        marker, kind, *times = text.split(":")
        if kind not in FAULTS:
            raise ValueError(f"expected one of {', '.join(FAULTS)}, got {kind!r}")
        return cls(marker, kind, int(times[0]) if times else 0)


class Server:
    """The server and what it remembers: attempts by messages, bodies in the order of arrival."""

    def __init__(
        self,
        faults: Sequence[Fault] = (),
        *,
        log: Path | None = None,
        latency_ms: float = 0.0,
        key: str | None = None,
        formats: Sequence[str] = ("json_schema", "json_object"),
        retry_after: str = "0.05",
        models: Sequence[str] = (MODEL,),
        logprobs: bool = True,
        canned: tuple[int, str] | None = None,
    ) -> None:
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.attempts: Counter[str] = Counter()
        self.most_in_flight = 0
        self._in_flight = 0
        self._faults, self._latency_ms, self._key = faults, latency_ms, key
        self._formats, self._retry_after, self._models = formats, retry_after, models
        self._logprobs = logprobs  # whether it gives probabilities
        self._canned = canned  # status and body of every answer
        self._log = log.open("ab", buffering=0) if log else None
        self._runner: web.AppRunner | None = None
        self._stopping = asyncio.Event()

    async def start(self, port: int = 0) -> None:
        """Listen, and set `url`."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    def open_connections(self) -> int:
        """Return how many connections clients hold open, once the server has seen those that were closed."""
        time.sleep(0.1)
        return len(self._runner.server.connections)  # type: ignore[union-attr]  # it was started

    async def stop(self) -> None:
        """Close all connections."""
        self._stopping.set()
        if self._runner:
            await self._runner.cleanup()
        if self._log:
            self._log.close()

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._unknown(request)) is not None:
            return refused
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "x"} for name in self._models
        ]
        return web.json_response({"object": "list", "data": data})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        key, said = key_of(body), str(body["messages"])
        self.attempts[said] += 1
        fault = self._fault(body, self.attempts[said])
        if self._log:
            line = f"{key} {fault or 'ok'} {time.time():.4f}\n"
            self._log.write(line.encode())  # one write: lines never mix
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await asyncio.sleep(self._latency_ms / 1000)
            return (
                self._unknown(request)
                or self._format_refused(body)
                or await self._answer(request, body, fault)
            )
        finally:
            self._in_flight -= 1

    def _unknown(self, request: web.Request) -> web.StreamResponse | None:
        if self._key is None or request.headers.get("Authorization") == f"Bearer {self._key}":
            return None
        return _error(401, "You didn't provide an API key, or it is wrong")

    def _format_refused(self, body: dict[str, Any]) -> web.StreamResponse | None:
        wanted = body.get("response_format", {}).get("type")
        if "logprobs" in body and not self._logprobs:
            return _error(403, "You are not allowed to request logprobs from this model")
        if "top_logprobs" in body and not body.get("logprobs"):
            return _error(400, "top_logprobs requires logprobs to be set to true")
        if wanted is None or wanted in self._formats:
            return None
        return _error(400, f"response_format of type {wanted} is not supported by this model")

    def _fault(self, body: dict[str, Any], attempt: int) -> str | None:
        said = "\n".join(message["content"] for message in body["messages"])
        for fault in self._faults:
            if fault.marker in said and (not fault.times or attempt <= fault.times):
                return fault.kind
        return None

    async def _answer(
        self, request: web.Request, body: dict[str, Any], fault: str | None
    ) -> web.StreamResponse:
        if self._canned is not None:
            status, text = self._canned
            return web.Response(status=status, body=text.encode("latin-1"))
        if fault == "echo":
            return _error(
                403,
                f"the header Authorization: {request.headers.get('Authorization')} is not allowed",
            )
        if fault in _STATUS:
            response = _error(*_STATUS[fault])
            if fault == "429":
                response.headers["Retry-After"] = self._retry_after
            return response
        if fault == "hang":
            await self._stopping.wait()
        text, finish = answer(body), "stop"
        if fault == "length":
            text, finish = text[: text.rfind(" ")].rstrip("."), "length"
        text = {"empty": "", "refusal": REFUSAL, "prose": "Here you are."}.get(fault or "", text)
        data = json.dumps(completion(body, text, finish)).encode()
        if fault == "truncated":
            return web.Response(body=data[: len(data) // 2], content_type="application/json")
        if fault == "reset":
            return await _broken(request, data)
        return web.Response(body=data, content_type="application/json")


def key_of(body: dict[str, Any]) -> str:
    """Return the hash of what a request says and its seed: the first word of its line in the log."""
    said = json.dumps([body["messages"], body.get("seed")], sort_keys=True)
    return hashlib.blake2b(said.encode(), digest_size=12).hexdigest()


def answer(body: dict[str, Any]) -> str:
    """Return the invented reply to a request; where JSON is wanted without a schema, with the keys that it names."""
    form = body.get("response_format")
    schema = form.get("json_schema", {}).get("schema") if form else None
    if form and schema is None:
        schema = {
            "type": "object",
            "required": sorted(set(re.findall(r'"(\w+)"', str(body["messages"])))),
        }
    said = tuple(Message(message["role"], message["content"]) for message in body["messages"])
    return invented(Request(said, {}, body.get("seed", 0), schema))


def completion(body: dict[str, Any], text: str, finish: str) -> dict[str, Any]:
    """Return the body of a chat completion; a token is a word."""
    asked = sum(len(message["content"].split()) for message in body["messages"])
    replied = len(text.split())
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    if body.get("logprobs"):
        top = alternatives(text, body.get("top_logprobs", 0))
        tokens = [{"token": token, "logprob": value} for token, value in top.items()]
        said = [{"token": token, "logprob": -0.25} for token in text.split()]
        said[0]["top_logprobs"] = tokens
        choice["logprobs"] = {"content": said}
    return {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [choice | {"finish_reason": finish}],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": replied,
            "total_tokens": asked + replied,
        },
    }


def _error(status: int, words: str) -> web.Response:
    return web.json_response(
        {"error": {"message": words, "type": "error", "code": status}}, status=status
    )


async def _broken(request: web.Request, data: bytes) -> web.StreamResponse:
    """Send half of what was promised, then drop the connection."""
    response = web.StreamResponse(headers={"Content-Length": str(len(data))})
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    await asyncio.sleep(0.01)
    if request.transport:
        request.transport.abort()
    return response


@contextmanager
def serving(faults: Sequence[Fault] = (), **options: Any) -> Iterator[Server]:
    """Serve from a thread of this process."""
    server, loop = Server(faults, **options), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def started(*arguments: str) -> Iterator[str]:
    """Serve from a process of its own; yields the address."""
    command = [sys.executable, __file__, "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()  # type: ignore[union-attr]  # it is a pipe
        finally:
            process.terminate()


def asked(log: Path) -> Counter[str]:
    """Return how often each key was asked for, from a server's log."""
    return Counter(line.split()[0] for line in log.read_text().splitlines())


def arrivals(log: Path) -> list[float]:
    """Return when each request came, in seconds, from a server's log."""
    return [float(line.split()[-1]) for line in log.read_text().splitlines()]


async def _serve(server: Server, port: int) -> None:
    await server.start(port)
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--log", type=Path, help="file that gets a line per request")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="before each answer")
    parser.add_argument("--key", help="bearer token that every request must bring")
    parser.add_argument("--fault", type=Fault.read, action="append", default=[])
    parser.add_argument(
        "--formats", default="json_schema,json_object", help="response formats taken"
    )
    parser.add_argument("--retry-after", default="0.05", help="of a 429, in seconds")
    options = parser.parse_args()
    server = Server(
        options.fault,
        log=options.log,
        latency_ms=options.latency_ms,
        key=options.key,
        formats=options.formats.split(","),
        retry_after=options.retry_after,
    )
    asyncio.run(_serve(server, options.port))


if __name__ == "__main__":
    main()
