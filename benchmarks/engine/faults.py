"""What becomes of every record when the server fails, on the real path of `synthneg generate`.

python benchmarks/engine/faults.py FAULTY_SERVER.py [--records 2000] [--in-flight 64] [--json FILE]

FAULTY_SERVER.py is an OpenAI-compatible server with shares of faults as options, GET /stats and POST /reset, whose
faults depend on the [id:N] in a prompt and on how often that has been asked. Per scenario:

  in, kept     records; of graded documents, records that have all four
  rejected     documents that no reply brought, of records that have others
  failed       by reason
  silent       records that are neither in a file nor in rejects.jsonl: must be 0
  wasted       records of which the ledger has a good reply, and that are not kept: must be 0
  twice        records that were asked for again after a good reply: must be 0
  gap          shortest time from a 429 with Retry-After of 1 s to the next try of that request, in seconds
"""

import argparse
import json
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
from speed import WORDS, serving, stats

from synthneg.config import RunConfig
from synthneg.records import Query
from synthneg.run import Run

REFUSAL = "I'm sorry"
TRANSPORT = {"f429": 0.05, "f500": 0.05, "freset": 0.02, "ftrunc": 0.05}
REPLIES = {"fprose": 0.05, "flength": 0.05, "frefusal": 0.05, "ftimeout": 0.02, "timeout_s": 4}
SCENARIOS: dict[str, tuple[str, dict[str, float | str]]] = {
    "text, transport": ("text", TRANSPORT),
    "text, all": ("text", TRANSPORT | REPLIES),
    "schema, transport": ("schema", TRANSPORT),
    "schema, all": ("schema", TRANSPORT | REPLIES),
    "text, server of 8 refuses": ("text", {"max_concurrency": 8, "over": "429"}),
}


def reset(server: str, knobs: dict[str, float | str]) -> None:
    """Zero the server's counters and set its faults."""
    body = json.dumps({"plain": "text"} | knobs).encode()
    request = urllib.request.Request(f"{server}/reset", data=body, method="POST")
    urllib.request.urlopen(request).read()


def write(folder: Path, server: str, records: int, in_flight: int) -> dict[str, Any]:
    """Write passages and settings; return the settings."""
    chance = random.Random(7)
    with (folder / "corpus.jsonl").open("w") as out:
        for number in range(records):
            text = f"[id:{number}] {' '.join(chance.choices(WORDS, k=40))}."
            out.write(json.dumps({"_id": f"p{number}", "title": "", "text": text}) + "\n")
    url = f"{server}/v1"
    llm = {"backend": "openai", "base_url": url, "model": "mock", "concurrency": in_flight}
    settings = {
        "run": "faults",
        "corpus": {"path": str(folder / "corpus.jsonl")},
        "llm": llm | {"timeout_s": 3},
        "generate": {
            "queries": {"prompts": ["query/question"], "rounds": 0, "language": "any"},
            "negatives": {"prompts": []},
        },
    }
    (folder / "synthneg.yaml").write_text(yaml.safe_dump(settings))
    return settings


def generate(folder: Path) -> None:
    """Run the command to its end."""
    command = [sys.executable, "-c", "from synthneg.cli import main; main()", "generate"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"synthneg generate ended with status {done.returncode}:\n{done.stderr}")


def verify_all(folder: Path, settings: dict[str, Any]) -> None:
    """Let every query pass, with its record's number in it, so that documents can be asked for without an encoder."""
    run = Run(folder / "outputs", RunConfig.model_validate(settings))
    with run.stage("verify.queries", "verified_queries.jsonl") as stage:
        for number, query in enumerate(run.read("queries.jsonl", Query)):
            stage.take()
            text = f"[id:{number}] {query.text}"
            stage.keep(Query(query.id, text, query.passage_id, query.split, query.origin))
    run.close()


def lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of the run."""
    with file.open() as stream:
        yield from map(json.loads, stream)


def ends(run: Path, form: str) -> tuple[set[str], Counter[str], Counter[str], set[str]]:
    """Return the records that are kept, the reasons of what is not, and the records that have any end."""
    kept: Counter[str] = Counter()
    if form == "text":
        stage, whole = "generate.queries", 1
        kept.update(query["id"].split(":")[0] for query in lines(run / "queries.jsonl"))
    else:
        stage, whole = "generate.documents", 4
        rows = (row for row in lines(run / "documents.jsonl") if row["source"] == "graded")
        kept.update(row["id"].split(":")[0] for row in rows)
    books = json.loads((run / "books.json").read_text())[stage]
    rejects = [row for row in lines(run / "rejects.jsonl") if row["stage"] == stage]
    ended = set(kept) | {row["id"].split(":")[0] for row in rejects}
    failed = Counter({reason: n // whole for reason, n in books["failed"].items()})
    wholly = {id for id, n in kept.items() if n == whole}
    return wholly, Counter(books["rejected"]), failed, ended


def well_answered(ledger: Path, form: str) -> Counter[str]:
    """Return how many good replies each record got: whole texts, or JSON with all four keys."""
    good: Counter[str] = Counter()
    with closing(sqlite3.connect(ledger)) as base:
        rows = base.execute(
            "SELECT said, body, text, finish FROM replies JOIN shared ON shared.id = shared"
        )
        for said, body, text, finish in rows:
            id = re.search(r"\[id:(\d+)\]", json.loads(said)["content"])
            if id and finish == "stop" and _is_good(text, json.loads(body)[3], form):
                good[f"p{id[1]}"] += 1
    return good


def _is_good(text: str, schema: object, form: str) -> bool:
    if form == "text":
        return bool(text) and not text.startswith(REFUSAL)
    try:
        return schema is not None and set(json.loads(text)) == set("3210")
    except ValueError:
        return False


def shortest_gap_s(ledger: Path) -> float | None:
    """Return the shortest time from a 429 to the next try of the same request."""
    with closing(sqlite3.connect(ledger)) as base:
        tries = [
            *base.execute("SELECT key, at - seconds, at, reason FROM failures"),
            *base.execute("SELECT key, at - seconds, at, '' FROM replies"),
        ]
    tries.sort()
    gaps = [
        after[1] - before[2]
        for before, after in zip(tries, tries[1:], strict=False)
        if before[0] == after[0] and before[3] == "http_429"
    ]
    return round(min(gaps), 3) if gaps else None


def measure(name: str, script: Path, records: int, in_flight: int) -> dict[str, Any]:
    """Return what one scenario comes to."""
    form, knobs = SCENARIOS[name]
    with tempfile.TemporaryDirectory() as made, serving(script, 0.02) as server:
        folder = Path(made)
        settings = write(folder, server, records, in_flight)
        run = folder / "outputs" / "faults"
        if form == "schema":
            reset(server, {})
            generate(folder)
            verify_all(folder, settings)
        reset(server, knobs)
        generate(folder)
        seen = stats(server)
        kept, rejected, failed, ended = ends(run, form)
        counts, good = seen["counts"], well_answered(run / "ledger.sqlite", form)
        return {
            "in": records,
            "kept": len(kept),
            "rejected": dict(rejected),
            "failed": dict(failed),
            "silent": records - len(ended),
            "wasted": len(good.keys() - kept),
            "twice": sum(n - 1 for n in good.values()),
            "gap": shortest_gap_s(run / "ledger.sqlite") if "f429" in knobs else None,
            "requests": counts["requests"],
            "faults": {name: n for name, n in sorted(counts.items()) if name[0] in "f4"}
            | {"ftimeout": counts.get("client_gone", 0)},
            "span": seen["span_s"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("server", type=Path)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--only", choices=SCENARIOS, action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = {}
    for name in options.only or SCENARIOS:
        found[name] = measure(name, options.server.resolve(), options.records, options.in_flight)
        print(name, *(f"{key}={value}" for key, value in found[name].items()), sep="\n    ")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
