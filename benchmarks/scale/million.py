"""What a run of a size takes on one machine: each stage in a process of its own, over a server without latency.

python benchmarks/scale/million.py MODEL --folder SCRATCH --sizes 10000 100000 1000000 [--json FILE]

MODEL is a static encoder (potion-base-8M). Of each size: a corpus is made, `query/question` asks for a query of every
passage, `negative/from-query` for a negative of every query that passed, and what passes is written as `triplet` and
`beir`. Everything else is as the defaults have it. Then `synthneg generate`, and all stages, over what is finished.

  seconds   of the stage, start of the process included
  CPU       user and system seconds of the process
  search    seconds of it in the search over all passages, and over all queries, of the nearest clusters
  own       largest anonymous memory, seen every 50 ms: what the process cannot give back
  resident  largest resident set; pages of mapped files count, which the system takes back when it needs them

A stage whose figures stand in SCRATCH is not done again.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from corpus import vocabulary, write

from synthneg import pipeline
from synthneg.cli.common import settings as read
from synthneg.run import Run
from synthneg.scoring.nearby import Nearby
from synthneg.verify import nearby, scores

SEED = 7
STAGES = (
    "corpus",
    "generate.queries",
    "verify.queries",
    "generate.documents",
    "generate.negatives",
    "mine",
    "verify.documents",
    "export",
    "again: generate",
    "again: all stages",
)
SETTINGS = """run: run
seed: {seed}
corpus: {{path: {corpus}}}
llm: {{backend: openai, base_url: "{url}", model: scripted, concurrency: 64}}
generate:
  queries: {{prompts: [query/question]}}
  documents: {{prompts: []}}
  negatives: {{prompts: [negative/from-query]}}
mine: {{bm25: 0, dense: 0}}
verify: {{encoder: {model}, approximate_above: 1000}}
export: {{shapes: [triplet, beir]}}
"""
SEARCHES = {  # what searches the whole corpus, or all queries, or clusters of them
    scores: ("count_above",),
    nearby: ("count_above", "top_k"),
    Nearby: ("__init__", "counts", "count_above", "pairs_within"),
}
FIGURES = "figures.json"  # of a size, in its folder
_EVERY_S = 0.05
_MIB = 2**20


class Searching:
    """Counts the seconds that a function of the exact search takes, of the clock and of CPUs."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    @contextmanager
    def _clock(self) -> Iterator[None]:
        wall, cpu = time.monotonic(), time.process_time()
        yield
        self.wall += time.monotonic() - wall
        self.cpu += time.process_time() - cpu

    def timed(self, search: Any) -> Any:
        """Return the function, counted; of one that yields, what it takes to come to each item."""

        def counted(*arguments: Any) -> Any:
            with self._clock():
                found = search(*arguments)
            return self._each(found) if isinstance(found, Iterator) else found

        return counted

    def _each(self, found: Iterator[Any]) -> Iterator[Any]:
        while True:
            with self._clock():
                item = next(found, None)
            if item is None:
                return
            yield item


def work(stage: str, settings: Path, outputs: Path) -> None:
    """Do one stage, in the process that this is, and print what of it was search."""
    searching = Searching()
    for place, names in SEARCHES.items():
        for name in names:
            setattr(place, name, searching.timed(getattr(place, name)))
    steps = {
        "corpus": [pipeline.read_documents],
        "generate.queries": [pipeline.generate_queries],
        "verify.queries": [pipeline.check_queries],
        "generate.documents": [pipeline.generate_documents],
        "generate.negatives": [pipeline.generate_negatives],
        "mine": [pipeline.mine_negatives],
        "verify.documents": [pipeline.check_documents],
        "export": [pipeline.export_dataset],
    }
    steps["again: generate"] = [steps[name][0] for name in STAGES[:5] if "verify" not in name]
    steps["again: all stages"] = [step for some in list(steps.values())[:8] for step in some]
    config, _ = read(settings, None, outputs)
    run = Run(outputs, config)
    try:
        for step in steps[stage]:
            step(run)
    finally:
        run.close()
    print(json.dumps({"wall": searching.wall, "cpu": searching.cpu}))


def measured(stage: str, settings: Path, outputs: Path) -> dict[str, float]:
    """Return what a stage took, done in a process of its own."""
    command = [sys.executable, __file__, "--work", stage, str(settings), str(outputs)]
    start, own = time.monotonic(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            own = max(own, _anonymous(process.pid))
            time.sleep(_EVERY_S)
        _, status, used = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.stdout is not None
        said = process.stdout.read().splitlines()
    if status:
        sys.exit(f"{stage}: it ended with status {status}")
    search = json.loads(said[-1])
    return {
        "seconds": round(time.monotonic() - start, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "search_s": round(search["wall"], 2),
        "search_cpu_s": round(search["cpu"], 2),
        "own_mib": round(own / _MIB, 1),
        "resident_mib": round(used.ru_maxrss / 1024, 1),
    }


def _anonymous(pid: int) -> int:
    """Return the anonymous memory of a process in bytes; 0 where it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def serving(model: Path, port: int) -> Iterator[None]:
    """Keep the server running."""
    script = Path(__file__).with_name("server.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(model), str(port)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()


def sizes_of(folder: Path) -> dict[str, int]:
    """Return the bytes of each file of a run, by its name in the run's folder; those of `dataset/` together."""
    found: dict[str, int] = {}
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        parts = file.relative_to(folder).parts
        name = "/".join(parts[:2] if parts[0] == "dataset" else parts)
        found[name] = found.get(name, 0) + file.stat().st_size
    return {name: size for name, size in found.items() if size > _MIB // 16}


def grow(model: Path, folder: Path, records: int, until: str) -> None:
    """Take one size through the stages that its figures lack, and add each as it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus, outputs, figures = folder / "corpus.jsonl", folder / "outputs", folder / FIGURES
    known = json.loads(figures.read_text()) if figures.exists() else {"stages": {}}
    if not corpus.exists():
        write(corpus, vocabulary(model), records, SEED)
    # The address is part of a reply's key, so a size keeps its port for good.
    known.setdefault("port", free_port())
    url = f"http://127.0.0.1:{known['port']}/v1"
    settings = folder / "synthneg.yaml"
    settings.write_text(SETTINGS.format(seed=SEED, corpus=corpus, url=url, model=model))
    with serving(model, known["port"]):
        for stage in STAGES[: STAGES.index(until) + 1]:
            if stage not in known["stages"]:
                found = measured(stage, settings, outputs)
                print(f"{records:,} {stage}: {found}", flush=True)
                known["stages"][stage] = found
                known["bytes"] = sizes_of(outputs / "run")
                known["books"] = json.loads((outputs / "run" / "books.json").read_bytes())
                figures.write_text(json.dumps(known, indent=1))


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    for records in options.sizes:
        folder = options.folder.resolve() / str(records)
        grow(options.model.resolve(), folder, records, options.until)
    found = {
        str(records): json.loads((options.folder / str(records) / FIGURES).read_text())
        for records in options.sizes
    }
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
