"""What the engine costs beside bare clients, on the path of `synthneg generate`: ledger, retries, parsing all on.

python benchmarks/engine/speed.py FAULTY_SERVER.py [--records 2000] [--in-flight 256] [--rounds 5] [--json FILE]
python benchmarks/engine/speed.py FAULTY_SERVER.py --grow 10000 100000 1000000 [--json FILE]

FAULTY_SERVER.py is an OpenAI-compatible server with --port, --latency-ms, GET /stats and POST /reset. Clients take
turns, each in a process of its own, and medians over the rounds are shown.

  ratio   time that the latency alone would take / the server's span from the first request to the last answer
  CPU     user and system time per record beyond those of a run with few records, so without the start
  memory  largest resident set of the process
  again   records/s of the whole command over the finished ledger, its start left out likewise
  first   seconds from the command to its first connection
"""

import argparse
import json
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

CLIENTS = ("raw", "aiohttp", "openai-aiohttp", "openai")
LATENCY_S = 0.05
FEW = 100
WORDS = (
    "harbour town walls people valley bread road years light river stone garden winter market bridge"
).split()
SETTINGS = """run: speed
corpus: {{path: {corpus}}}
llm: {{backend: openai, base_url: "{url}", model: mock, concurrency: {in_flight}}}
generate: {{queries: {{prompts: [query/question], rounds: 0}}}}
"""


class Cost(NamedTuple):
    """What one process took."""

    wall_s: float
    cpu_s: float
    memory_mb: float


def run(command: list[str], folder: Path) -> Cost:
    """Run a command and return what it took."""
    start = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    error = process.stderr.read() if process.stderr else b""
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[:4]}: {error.decode()[-2000:]}")
    return Cost(time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def corpus(folder: Path, records: int) -> Path:
    """Write passages of a hundred words each, numbered for the server."""
    file, chance = folder / f"{records}.jsonl", random.Random(records)
    if not file.exists():
        with file.open("w") as out:
            for number in range(records):
                text = f"[id:{number}] {' '.join(chance.choices(WORDS, k=100))} {number}"
                out.write(json.dumps({"_id": str(number), "text": text}) + "\n")
    return file


@contextmanager
def serving(script: Path, latency_s: float) -> Iterator[str]:
    """Start the server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        str(script),
        "--port",
        str(port),
        "--latency-ms",
        f"{latency_s * 1000:g}",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def stats(server: str) -> dict[str, Any]:
    """Return the server's counts."""
    with urllib.request.urlopen(f"{server}/stats") as answer:
        counts: dict[str, Any] = json.load(answer)
    return counts


def reset(server: str) -> None:
    """Zero the server's counts."""
    urllib.request.urlopen(urllib.request.Request(f"{server}/reset", method="POST")).read()


class Engine:
    """`synthneg generate` in a folder of its own."""

    def __init__(self, folder: Path, server: str, in_flight: int) -> None:
        self._folder, self._url, self._in_flight = folder, f"{server}/v1", in_flight

    def command(self, records: int) -> list[str]:
        """Return the command for so many records."""
        settings = self._folder / f"{records}.yaml"
        settings.write_text(
            SETTINGS.format(
                corpus=corpus(self._folder, records), url=self._url, in_flight=self._in_flight
            )
        )
        main = "from synthneg.cli import main; main()"
        return [sys.executable, "-c", main, "generate", str(settings), "--outputs", f"out{records}"]

    def anew(self, records: int) -> Cost:
        """Ask for everything."""
        subprocess.run(["rm", "-rf", self._folder / f"out{records}"], check=True)
        return run(self.command(records), self._folder)

    def again(self, records: int) -> Cost:
        """Give the same command over the finished ledger."""
        return run(self.command(records), self._folder)

    def first_s(self, records: int) -> float:
        """Return the seconds from the command to its first connection."""
        subprocess.run(["rm", "-rf", self._folder / f"out{records}"], check=True)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.settimeout(60)
            self._url, url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1", self._url
            command = self.command(records)
            start = time.monotonic()
            process = subprocess.Popen(command, cwd=self._folder, stderr=subprocess.DEVNULL)
            listening.accept()
            seconds = time.monotonic() - start
            process.kill()
            process.wait()
        self._url = url
        return seconds


def compare(script: Path, records: int, in_flight: int, rounds: int) -> dict[str, Any]:
    """Return, for each client, the medians of what it took."""
    rows: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name, serving(script, LATENCY_S) as server:
        folder = Path(name)
        engine = Engine(folder, server, in_flight)
        for number in range(rounds):
            for client in (*CLIENTS, "synthneg generate"):
                few, all_of_them = (
                    _one(client, engine, server, n, in_flight, folder) for n in (FEW, records)
                )
                span_s = stats(server)["span_s"]
                row = {
                    "ratio": records / in_flight * LATENCY_S / span_s,
                    "CPU ms": (all_of_them.cpu_s - few.cpu_s) / (records - FEW) * 1000,
                    "memory MB": all_of_them.memory_mb,
                }
                if client not in CLIENTS:
                    row["again/s"] = (records - FEW) / (
                        engine.again(records).wall_s - engine.again(FEW).wall_s
                    )
                    row["first s"] = engine.first_s(records)
                rows.setdefault(client, []).append(row)
                print(number, client, {k: round(v, 3) for k, v in row.items()}, flush=True)
    return {
        client: {name: statistics.median(row[name] for row in some) for name in some[0]}
        for client, some in rows.items()
    }


def _one(client: str, engine: Engine, server: str, n: int, in_flight: int, folder: Path) -> Cost:
    reset(server)
    if client not in CLIENTS:
        return engine.anew(n)
    script = Path(__file__).with_name("clients.py")
    return run(
        [sys.executable, str(script), client, f"{server}/v1", str(n), str(in_flight)], folder
    )


def grow(script: Path, sizes: list[int], in_flight: int) -> dict[str, Any]:
    """Return what each size of corpus takes: memory must not grow with it."""
    rows = {}
    with tempfile.TemporaryDirectory() as name, serving(script, 0.01) as server:
        engine = Engine(Path(name), server, in_flight)
        few = engine.anew(FEW)
        few_again = engine.again(FEW)
        for records in sizes:
            reset(server)
            new, old = engine.anew(records), engine.again(records)
            rows[str(records)] = {
                "CPU ms": (new.cpu_s - few.cpu_s) / records * 1000,
                "records/s": records / (new.wall_s - few.wall_s),
                "memory MB": new.memory_mb,
                "again/s": records / (old.wall_s - few_again.wall_s),
                "again memory MB": old.memory_mb,
            }
            print(records, {k: round(v, 3) for k, v in rows[str(records)].items()}, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("server", type=Path)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--grow", type=int, nargs="+", metavar="RECORDS")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.grow:
        rows = grow(options.server, options.grow, options.in_flight)
    else:
        rows = compare(options.server, options.records, options.in_flight, options.rounds)
    names = list(next(reversed(rows.values())))
    print(f"\n{'':20}" + "".join(f"{name:>18}" for name in names))
    for client, row in rows.items():
        print(f"{client:20}" + "".join(f"{row.get(name, float('nan')):>18.3f}" for name in names))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
