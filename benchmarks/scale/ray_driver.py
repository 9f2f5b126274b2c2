"""What asking on a Ray cluster takes of the driver, at several numbers of jobs, beside asking on this machine.

python benchmarks/scale/ray_driver.py --folder SCRATCH --jobs 10000 100000 [--json FILE]

Of each number and engine, in a process of its own: that many passages of sixty words, one query asked for each, over a
server without latency on the loopback interface; Ray is started on this machine with two workers and 64 partitions.

  own      largest anonymous memory of the driver, in MiB, seen every 50 ms: what it cannot give back
  before   the same when the corpus is written and Ray is connected, before anything is asked
  seconds  of asking, start of the workers included
  CPU      user and system seconds of the driver while it asks
  again    seconds of the same command once more, when everything is answered
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import orjson

from synthneg.cluster.session import connect
from synthneg.generate.asking import with_asker
from synthneg.generate.queries import write_queries
from synthneg.records import Passage
from synthneg.run import Run
from synthneg.settings import resolve

SEED = 7
WORDS = [
    f"{a}{b}{c}"
    for a in ("ka", "lo", "mi", "ne")
    for b in ("ru", "sa", "ti")
    for c in ("den", "fol", "gar")
]


class Server(asyncio.Protocol):
    """One connection; a passage is answered with a question of its words and its number."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._out, self._read = transport, b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, rest = self._read.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: *(\d+)", head.lower())[1]) if found else 1
        if len(rest) < length:
            return
        self._read = b""
        asked = orjson.loads(rest)["messages"][-1]["content"]
        number = re.search(r"number (\d+)", asked)[1]
        said = f"why does {number} go with {' '.join(asked.split()[-9:-2])}"
        choice = {"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": len(asked) // 4, "completion_tokens": 20}
        body = orjson.dumps({"model": "scripted", "choices": [choice], "usage": usage})
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self._out.write(head % len(body) + body)


def serve(port: multiprocessing.Queue) -> None:
    async def work() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(work())


def own_mib() -> float:
    """Return the anonymous memory of this process."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024


def measured(folder: Path, count: int, engine: str, url: str) -> dict[str, float]:
    """Return what one process takes."""
    values = {
        "run": "r",
        "seed": SEED,
        "corpus": {"path": "corpus", "held_out": 0},
        "llm": {"backend": "openai", "base_url": url, "model": "scripted", "concurrency": 64},
        "generate": {"queries": {"prompts": ["query/question"], "rounds": 0, "language": "any"}},
        "ray": {"workers": 2},
    }
    with closing(Run(folder, resolve(values, "ray_driver"), engine)) as run:
        if not run.has("passages.jsonl"):
            chance = random.Random(SEED)
            with run.stage("corpus", "passages.jsonl") as stage:
                for n in range(count):
                    stage.take()
                    stage.keep(
                        Passage(f"p{n}", f"number {n} {' '.join(chance.choices(WORDS, k=58))}")
                    )
        if engine == "ray":
            connect(run)
        before, most, ended = own_mib(), [0.0], threading.Event()

        def watch() -> None:
            while not ended.wait(0.05):
                most[0] = max(most[0], own_mib())

        watcher = threading.Thread(target=watch)
        watcher.start()
        start, cpu = time.monotonic(), sum(os.times()[:2])
        with_asker(run, write_queries)
        seconds, cpu = time.monotonic() - start, sum(os.times()[:2]) - cpu
        ended.set()
        watcher.join()
        assert run.books()["generate.queries"]["kept"] == count
    return {"before": before, "own": most[0], "seconds": seconds, "CPU": cpu}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, required=True, help="for the runs, which are deleted"
    )
    parser.add_argument("--jobs", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--engines", nargs="+", default=["local", "ray"])
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # jobs, engine, address
    given = parser.parse_args()
    if given.one:
        count, engine, url = given.one
        print(json.dumps(measured(given.folder, int(count), engine, url)))
        return
    port: multiprocessing.Queue = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{port.get()}/v1"
    rows = []
    for count in given.jobs:
        for engine in given.engines:
            folder = given.folder / f"{engine}-{count}"
            shutil.rmtree(folder, ignore_errors=True)
            command = [
                sys.executable,
                __file__,
                "--folder",
                str(folder),
                "--one",
                str(count),
                engine,
                url,
            ]
            first, again = (
                json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                for _ in range(2)
            )
            rows.append({"jobs": count, "engine": engine, **first, "again": again["seconds"]})
            print(
                {
                    key: round(value, 1) if isinstance(value, float) else value
                    for key, value in rows[-1].items()
                },
                flush=True,
            )
            if given.json:
                facts = {
                    "seed": SEED,
                    "cpus": os.cpu_count(),
                    "workers": 2,
                    "partitions": 64,
                    "rows": rows,
                }
                given.json.write_text(json.dumps(facts, indent=1) + "\n")
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
