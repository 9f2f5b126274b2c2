"""What pacing does to a server that is alone, queues or refuses: plain workers against `Pace`, taking turns.

python benchmarks/engine/pace.py FAULTY_SERVER.py [--records 4000] [--in-flight 256] [--rounds 3] [--seed 7]

FAULTY_SERVER.py is an OpenAI-compatible server with the options --port, --max-concurrency, --over queue|429,
--latency-dist, --f429 and with POST /reset. A refused request is sent again when the server's Retry-After is over,
and only then; "refused" counts such answers. Both clients send over bare aiohttp.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass

import aiohttp

from synthneg.config import LLMConfig
from synthneg.llm.limits import Pace

SERVERS = {
    "no limit, 50 ms": [],
    "no limit, lognormal": ["--latency-dist", "lognormal"],
    "5 % refused at random": ["--f429", "0.05", "--retry-after", "0.2"],
    "queues above 16": ["--max-concurrency", "16", "--over", "queue"],
    "refuses above 16": ["--max-concurrency", "16", "--over", "429", "--retry-after", "1"],
}


@dataclass
class Run:
    """One pass over the records."""

    seconds: float
    busy: float
    refused: int
    limit: int


class Client:
    """Sends each record until it is answered, with `in_flight` workers."""

    def __init__(self, url: str, records: int, in_flight: int, paced: bool) -> None:
        self._url, self._in_flight = f"{url}/v1/chat/completions", in_flight
        self._left = deque(range(records))
        self._pace = Pace(LLMConfig(concurrency=in_flight)) if paced else None
        self._busy, self._refused = 0.0, 0

    async def run(self) -> Run:
        start = time.monotonic()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as self._session:
            await asyncio.gather(*(self._work() for _ in range(self._in_flight)))
        seconds = time.monotonic() - start
        limit = self._pace.limit if self._pace else self._in_flight
        return Run(seconds, self._busy / seconds, self._refused, limit)

    async def _work(self) -> None:
        while self._left:
            record, again = self._left.popleft(), False
            while (wait_s := await self._send(record, again)) is not None:
                await asyncio.sleep(wait_s)
                again = True

    async def _send(self, record: int, again: bool) -> float | None:
        """Return None when answered, else the seconds that the server asks to wait."""
        messages = [{"role": "user", "content": f"[id:{record}] Say something."}]
        body = json.dumps({"model": "mock", "messages": messages}).encode()
        headers = {"Content-Type": "application/json"}
        pace = self._pace
        if pace is not None and not pace.try_enter(10, 50):
            await pace.enter(10, 50, urgent=again)
        sent = time.monotonic()
        async with self._session.post(self._url, data=body, headers=headers) as response:
            reply = json.loads(await response.read())
        seconds = time.monotonic() - sent
        self._busy += seconds
        wait_s = float(response.headers["Retry-After"]) if response.status == 429 else None
        self._refused += wait_s is not None
        if pace is not None and wait_s is None:
            usage = reply["usage"]
            used = usage["prompt_tokens"], usage["completion_tokens"]
            pace.leave("done", seconds, 10, 50, *used)
        elif pace is not None:
            pace.leave("refused", seconds, 10, 50, 0, 0, wait_s)
        return wait_s


async def compare(url: str, arguments: argparse.Namespace) -> dict[bool, list[Run]]:
    """Return the runs of the plain and of the paced client, which take turns."""
    runs: dict[bool, list[Run]] = {False: [], True: []}
    for _ in range(arguments.rounds):
        for paced in runs:
            async with aiohttp.ClientSession() as session:
                await session.post(f"{url}/reset")
            runs[paced].append(
                await Client(url, arguments.records, arguments.in_flight, paced).run()
            )
    return runs


async def wait_for(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(100):
            try:
                async with session.get(f"{url}/stats"):
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)
    raise SystemExit(f"no server at {url}")


async def measure(arguments: argparse.Namespace) -> None:
    url = f"http://127.0.0.1:{arguments.port}"
    for name, options in SERVERS.items():
        command = [sys.executable, arguments.server, "--port", str(arguments.port)]
        server = subprocess.Popen(
            [*command, "--seed", str(arguments.seed), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            await wait_for(url)
            runs = await compare(url, arguments)
        finally:
            server.terminate()
            server.wait()
        for paced, rows in runs.items():
            rate = statistics.median(arguments.records / run.seconds for run in rows)
            busy = statistics.median(run.busy for run in rows)
            refused = statistics.median(run.refused for run in rows)
            kind = "paced" if paced else "plain"
            print(
                f"| {name} | {kind} | {rate:,.0f} | {busy:.0f} | {refused:.0f} | {rows[-1].limit} |",
                flush=True,
            )


def cost_us() -> float:
    """Return the microseconds of a pair of try_enter and leave where nothing limits."""
    pace, pairs = Pace(LLMConfig(concurrency=256)), 100_000
    start = time.perf_counter()
    for _ in range(pairs):
        pace.try_enter(10, 50)
        pace.leave("done", 0.05, 10, 50, 10, 50)
    return (time.perf_counter() - start) / pairs * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("server", help="the server's script")
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--port", type=int, default=8377)
    arguments = parser.parse_args()
    print(
        f"{arguments.records} records, at most {arguments.in_flight} in flight, medians of {arguments.rounds} runs,"
        f" seed {arguments.seed}; an uncontended pair of try_enter and leave takes"
        f" {statistics.median(cost_us() for _ in range(5)):.1f} µs\n"
    )
    print("| server | client | records/s | mean in flight | refused | limit at the end |")
    print("|---|---|---|---|---|---|")
    asyncio.run(measure(arguments))


if __name__ == "__main__":
    main()
