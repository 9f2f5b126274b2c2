"""A Batch API on the loopback interface: files, batches, error files, expiry, and the faults that real ones have.

    python tests/batch_server.py --port 0 --log calls.log --line tea:500:1 --call create:lost:1     # prints its address
    with batch_server.serving(lines=[...], calls=[...]) as server: ... server.url

It answers as `llm_server` does. Each call that arrives is a line of the log (`upload`, `create`, `poll`, `list`,
`content`), and so is each reply that was paid for (`paid` and the key of its request): a key that stands there twice
was paid for twice, whatever became of the client.

A line fault is MARKER:KIND[:TIMES], as in `llm_server`; see `LINES`. A call fault is CALL:KIND[:TIMES]; see `CALLS`.
"""

import argparse
import asyncio
import json
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
from llm_server import MODEL, answer, completion, key_of

LINES = {
    "429": (429, "Rate limit reached for requests"),
    "500": (500, "The server had an error while processing your request"),
    "400": (400, "Invalid value for the field temperature"),
    "401": (401, "Incorrect API key provided"),
    "too_long": (
        400,
        "This model's maximum context length is 2048 tokens; your messages have more",
    ),
    "expired": None,  # not begun before the batch's window closed
    "missing": None,  # no line at all
    "garbage": None,  # half a line
}
CALLS = (
    "500",
    "reset",  # the connection breaks before anything is done
    "lost",  # it is done, and the connection breaks before the answer
    "half",  # of content: the connection breaks in the middle
    "404",
    "echo",  # 403 whose message repeats the Authorization header
    "no_file",  # 400: the file is not known yet
    "slow",  # done after SLOW_S, whether the client is still there or not
    "never",  # waits SLOW_S, does nothing, and breaks the connection
    "fail",  # of create: the batch fails as a whole
    "full",  # of create: the batch fails, since the account's queue is full
    "cancel",  # of create: the batch is cancelled when half of it is done
    "forget",  # of create: the batch is not known afterwards
)
SLOW_S = 0.4


class Fault(NamedTuple):
    """What lines with `where` in them, or calls of that name, get the first `times` times; 0: always."""

    where: str
    kind: str
    times: int = 0

    @classmethod
    def read(cls, text: str) -> "Fault":
        """Return the fault written as WHERE:KIND[:TIMES]."""
        where, kind, *times = text.split(":")
        if kind not in LINES and kind not in CALLS:
            raise ValueError(f"expected one of {', '.join((*LINES, *CALLS))}, got {kind!r}")
        return cls(where, kind, int(times[0]) if times else 0)


class Server:
    """The server and what it remembers."""

    def __init__(
        self,
        lines: Sequence[Fault] = (),
        calls: Sequence[Fault] = (),
        *,
        log: Path | None = None,
        key: str | None = None,
        formats: Sequence[str] = ("json_schema", "json_object"),
        most_queued: int | None = None,
        seconds: float = 0.0,
        chunk_s: float = 0.0,
    ) -> None:
        self.url = ""
        self.calls: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self._lines, self._faults, self._key, self._formats = lines, calls, key, formats
        self._most_queued = most_queued  # requests of an account in unfinished batches
        self._seconds, self._chunk_s = seconds, chunk_s  # of a batch; between two pieces of content
        self._seen: Counter[tuple[Fault, str]] = Counter()
        self._log = log.open("ab", buffering=0) if log else None
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        """Listen, and set `url`."""
        app = web.Application(client_max_size=256 << 20)
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list)
        app.router.add_get("/v1/batches/{id}", self._poll)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        """Close all connections."""
        if self._runner:
            await self._runner.cleanup()
        if self._log:
            self._log.close()

    # The calls.

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        refused, fault = await self._call("upload", request)
        if refused is not None:
            return refused
        form = await request.post()
        if form["purpose"] != "batch":
            return _error(400, "purpose must be batch")
        id, file = f"file-{len(self.files)}", form["file"]
        self.files[id] = file.file.read()  # type: ignore[union-attr]  # a part with a name is a file
        data = {"id": id, "object": "file", "bytes": len(self.files[id]), "created_at": 0}
        data |= {"filename": file.filename, "purpose": "batch", "status": "processed"}  # type: ignore[union-attr]
        return await self._answer(request, fault, data)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        refused, fault = await self._call("create", request)
        if refused is not None:
            return refused
        body = await request.json()
        assert body["endpoint"] == "/v1/chat/completions"
        assert body["completion_window"] == "24h"
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        id = f"batch_{len(self.batches)}"
        batch = {"id": id, "object": "batch", "created_at": int(time.time()), **body}
        batch |= {"status": "validating", "begun": time.monotonic(), "lines": lines}
        batch["wrong"] = self._wrong(fault, len(lines))
        self.batches[id] = batch
        if batch["wrong"] is None:
            self._work(batch, lines[: len(lines) // 2] if fault == "cancel" else lines)
            if fault == "cancel":
                batch["cancelled_at"] = 1
        shown = self._shown(batch)
        if fault == "forget":
            del self.batches[id]
        return await self._answer(request, fault, shown)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        refused, fault = await self._call("list", request)
        if refused is not None:
            return refused
        newest_first = [self._shown(batch) for batch in reversed(self.batches.values())]
        after = request.query.get("after")
        if after:
            ids = [batch["id"] for batch in newest_first]
            newest_first = newest_first[ids.index(after) + 1 :]
        page = newest_first[:2]  # short pages, so that there are several
        more = len(newest_first) > len(page)
        data = {"object": "list", "data": page, "has_more": more}
        return await self._answer(request, fault, data)

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        refused, fault = await self._call("poll", request)
        batch = self.batches.get(request.match_info["id"])
        if refused is not None:
            return refused
        if batch is None:
            return _error(404, f"No batch found with id '{request.match_info['id']}'.")
        return await self._answer(request, fault, self._shown(batch))

    async def _content(self, request: web.Request) -> web.StreamResponse:
        refused, fault = await self._call("content", request)
        if refused is not None:
            return refused
        data = self.files.get(request.match_info["id"])
        if data is None:
            return _error(404, f"No such File object: {request.match_info['id']}")
        response = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await response.prepare(request)
        size = max(1, len(data) // 20)
        for start in range(0, len(data), size):
            if fault == "half" and start > len(data) // 2:
                _drop(request)
                break
            await response.write(data[start : start + size])
            await asyncio.sleep(self._chunk_s)
        return response

    # What is wrong with a call.

    async def _call(
        self, name: str, request: web.Request
    ) -> tuple[web.StreamResponse | None, str | None]:
        """Note a call; return what refuses it, or the fault that it shall have later."""
        self.calls[name] += 1
        self._write(name)
        bearer = request.headers.get("Authorization")
        if self._key is not None and bearer != f"Bearer {self._key}":
            return _error(401, "Incorrect API key provided"), None
        fault = self._fault(self._faults, name, name)
        refusals = {
            "500": (500, "The server had an error"),
            "404": (404, "Invalid URL"),
            "echo": (403, f"the header Authorization: {bearer} is not allowed"),
            "no_file": (400, "Cannot find file file-0, or project does not have access to it."),
        }
        if fault in refusals:
            return _error(*refusals[fault]), None
        if fault in ("slow", "never"):
            if name == "create":
                await request.read()  # it will not come any more when the client is gone
            await asyncio.sleep(SLOW_S)
        if fault in ("reset", "never"):
            _drop(request)
            return web.Response(), None
        return None, fault

    async def _answer(
        self, request: web.Request, fault: str | None, data: dict[str, Any]
    ) -> web.StreamResponse:
        if fault == "lost":
            _drop(request)
        return web.json_response(data)

    def _fault(self, faults: Sequence[Fault], text: str, who: str) -> str | None:
        for fault in faults:
            if fault.where in text:
                self._seen[fault, who] += 1
                if not fault.times or self._seen[fault, who] <= fault.times:
                    return fault.kind
        return None

    def _wrong(self, fault: str | None, size: int) -> list[dict[str, Any]] | None:
        """Return the errors of a batch that fails as a whole."""
        queued = sum(len(b["lines"]) for b in self.batches.values() if not self._over(b))
        if fault == "full" or (self._most_queued is not None and queued + size > self._most_queued):
            words = f"Enqueued token limit reached for {MODEL} in organization x."
            return [{"code": "token_limit_exceeded", "message": words, "line": None}]
        if fault == "fail":
            words = "Each line in the file must have a URL of its endpoint."
            return [{"code": "mismatched_url", "message": words, "line": 2}]
        return None

    # The work of a batch: done, and paid for, when it is created; shown bit by bit.

    def _work(self, batch: dict[str, Any], lines: list[dict[str, Any]]) -> None:
        outputs, errors = [], []
        # Replies come in another order than requests.
        for line in reversed(lines):
            body = line["body"]
            said = "\n".join(message["content"] for message in body["messages"])
            kind = self._fault(self._lines, said, key_of(body))
            wanted = body.get("response_format", {}).get("type")
            made = {
                "id": f"batch_req_{len(outputs)}",
                "custom_id": line["custom_id"],
                "error": None,
            }
            if wanted is not None and wanted not in self._formats:
                words = f"response_format of type {wanted} is not supported by this model"
                errors.append(made | {"response": _refused(400, words)})
            elif kind == "expired":
                error = {"code": "batch_expired", "message": "This request could not be executed."}
                errors.append(made | {"response": None, "error": error})
            elif kind in ("missing", "garbage"):
                outputs += ['{"custom_id": "'] if kind == "garbage" else []
            elif kind is not None:
                errors.append(made | {"response": _refused(*LINES[kind])})  # type: ignore[misc]  # None is above
            else:
                self.paid[key_of(body)] += 1
                self._write(f"paid {key_of(body)}")
                # Many a client takes U+2028 for the end of a line.
                text = answer(body) if wanted else f"{answer(body)}\u2028"
                reply = completion(body, text, "stop")
                outputs.append(made | {"response": {"status_code": 200, "body": reply}})
            if kind == "expired":
                batch["expired_at"] = 1
        batch |= self._filed("output", outputs) | self._filed("error", errors)
        batch["counts"] = (len(outputs), len(errors))

    def _filed(self, what: str, lines: list[Any]) -> dict[str, str]:
        if not lines:
            return {}
        id = f"file-{what}-{len(self.files)}"
        written = [x if isinstance(x, str) else json.dumps(x, ensure_ascii=False) for x in lines]
        self.files[id] = "".join(f"{line}\n" for line in written).encode()
        return {f"{what}_file_id": id}

    def _over(self, batch: dict[str, Any]) -> bool:
        return batch["wrong"] is not None or time.monotonic() - batch["begun"] >= self._seconds

    def _shown(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a batch as it looks now: validating, in progress, finalizing, over."""
        hidden = ("begun", "lines", "wrong", "counts", "output_file_id", "error_file_id")
        shown = {name: value for name, value in batch.items() if name not in hidden}
        total = len(batch["lines"])
        if batch["wrong"] is not None:
            return shown | {
                "status": "failed",
                "errors": {"object": "list", "data": batch["wrong"]},
            }
        done, failed = batch["counts"]
        if self._over(batch):
            ends = ("expired", "cancelled")
            status = next((end for end in ends if f"{end}_at" in batch), "completed")
            files = {name: batch.get(name) for name in ("output_file_id", "error_file_id")}
            shown |= files
        else:
            share = (time.monotonic() - batch["begun"]) / self._seconds
            status = ("validating", "in_progress", "in_progress", "finalizing")[int(4 * share)]
            done, failed = int(share * done), 0
        counts = {"total": total, "completed": done, "failed": failed}
        return shown | {"status": status, "request_counts": counts}

    def _write(self, words: str) -> None:
        if self._log:
            self._log.write(f"{words}\n".encode())  # one write: lines never mix


def _refused(status: int, words: str) -> dict[str, Any]:
    return {"status_code": status, "body": {"error": {"message": words, "type": "error"}}}


def _error(status: int, words: str) -> web.Response:
    return web.json_response({"error": {"message": words, "type": "error"}}, status=status)


def _drop(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()


@contextmanager
def serving(
    lines: Sequence[Fault] = (), calls: Sequence[Fault] = (), **options: Any
) -> Iterator[Server]:
    """Serve from a thread of this process."""
    server, loop = Server(lines, calls, **options), asyncio.new_event_loop()
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
    parser.add_argument(
        "--log", type=Path, help="file that gets a line per call and per paid reply"
    )
    parser.add_argument("--key", help="bearer token that every call must bring")
    parser.add_argument("--line", type=Fault.read, action="append", default=[])
    parser.add_argument("--call", type=Fault.read, action="append", default=[])
    parser.add_argument("--seconds", type=float, default=0.0, help="that a batch takes")
    parser.add_argument("--chunk-s", type=float, default=0.0, help="between pieces of content")
    options = parser.parse_args()
    server = Server(
        options.line,
        options.call,
        log=options.log,
        key=options.key,
        seconds=options.seconds,
        chunk_s=options.chunk_s,
    )
    asyncio.run(_serve(server, options.port))


if __name__ == "__main__":
    main()
