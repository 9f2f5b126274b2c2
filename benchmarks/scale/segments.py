"""What a partition's ledger costs in pieces on a storage, beside the plain file of one machine.

python benchmarks/scale/segments.py --replies 10000 [--storage URL] [--json FILE]

64 requests in flight, each of --reply-ms; a place is held until its reply is safe, as in a run. Kinds, in turns:
the plain ledger (`file`), pieces in a folder (`folder`), and pieces at --storage (`url`), an object store.

  seconds  of asking, from the first request until the ledger is closed
  share    of the time that the requests alone would take: 1 costs nothing
  CPU      user and system seconds of this process
  objects  written while asking
  bytes    per reply, of what is left: the file, or the objects after they were folded
  open     seconds until a successor has all of it
"""

import argparse
import asyncio
import json
import random
import resource
import statistics
import tempfile
import time
import uuid
from pathlib import Path

from synthneg.cluster.ledgers import PartitionLedger, SegmentedLedger
from synthneg.cluster.segments import Segments
from synthneg.cluster.storage import storage_at
from synthneg.llm.base import Reply, Request
from synthneg.llm.keys import key_of
from synthneg.prompts.render import Message

SEED, PLACES, TURNS = 7, 64, 3
FOLDER = "partitions/000/ledger"
WORDS = ["tea", "mill", "river", "bread", "oven", "stone", "leaf", "water", "winter", "market"]


def text(draw: random.Random, words: int) -> str:
    return " ".join(draw.choice(WORDS) + str(draw.randrange(1000)) for _ in range(words))


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def ask(ledger: PartitionLedger, replies: int, reply_s: float) -> None:
    draw, system = random.Random(SEED), Message("system", text(random.Random(1), 200))

    async def place(first: int) -> None:
        for number in range(first, replies, PLACES):
            request = Request((system, Message("user", text(draw, 120))), {}, number, None)
            reply = Reply(text(draw, 25), "stop", 400, 40, "m")
            await asyncio.sleep(reply_s)
            await ledger.store(key_of("m", request), "m", request, reply, reply_s)

    await asyncio.gather(*map(place, range(PLACES)))


def measure(kind: str, place: str, replies: int, reply_s: float) -> dict[str, float]:
    """Return the figures of one kind."""
    storage = storage_at(place)

    def opened() -> PartitionLedger:
        if kind == "file":
            return PartitionLedger(Path(place, "ledger.sqlite"), {})
        return SegmentedLedger(Segments(storage, FOLDER), {})

    written = [0]
    ledger = opened()

    async def work() -> None:
        await ask(ledger, replies, reply_s)
        written[0] = len(storage.list(FOLDER))
        ledger.close()

    start, used = time.perf_counter(), cpu_s()
    asyncio.run(work())
    seconds, used = time.perf_counter() - start, cpu_s() - used
    left = sum(len(storage.read_bytes(name)) for name in storage.list(""))
    start = time.perf_counter()
    again = opened()
    assert again.totals().replies == replies
    opening = time.perf_counter() - start
    again.close()
    least = replies / PLACES * reply_s
    return {
        "seconds": seconds,
        "share": seconds / least,
        "cpu": used,
        "objects": written[0],
        "bytes": left / replies,
        "open": opening,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replies", type=int, default=10_000)
    parser.add_argument("--reply-ms", type=float, default=400.0)
    parser.add_argument("--storage", help="an fsspec URL, such as s3://bucket/path")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    kinds = ["file", "folder", *(["url"] if options.storage else [])]
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for _ in range(TURNS):
        for kind in kinds:
            with tempfile.TemporaryDirectory() as folder:
                place = f"{options.storage}/{uuid.uuid4().hex}" if kind == "url" else folder
                found[kind].append(measure(kind, place, options.replies, options.reply_ms / 1000))
                print(kind, {name: round(value, 2) for name, value in found[kind][-1].items()})
    table = {
        kind: {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
        for kind, turns in found.items()
    }
    for kind, row in table.items():
        print(kind.ljust(8), *(f"{name} {value:.2f}" for name, value in row.items()))
    if options.json:
        setup = {"replies": options.replies, "reply_ms": options.reply_ms, "places": PLACES}
        result = {**setup, "seed": SEED, "turns": TURNS, "median": table, "all": found}
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
