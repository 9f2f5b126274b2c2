"""What `synthneg import` takes of memory, time and disk as a dataset grows: rows of JSON, and a folder in BEIR format.

python benchmarks/formats/import_memory.py WORK [--sizes 60000 300000 1000000] [--json FILE]
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORDS = "harbour bakery glacier orchard railway beehive foundry library vineyard lighthouse".split()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[60_000, 300_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", choices=MAKERS, default=list(MAKERS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = []
    for kind in arguments.kinds:
        for size in arguments.sizes:
            folder = arguments.work / f"{kind}-{size}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            dataset = MAKERS[kind](folder, size)
            found.append({"kind": kind, "rows": size} | imported(folder, dataset))
            print(json.dumps(found[-1]), flush=True)
            shutil.rmtree(folder)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def text(number: int, words: int) -> str:
    """Return as many words, which no other number has."""
    some = (WORDS[number * 7 % 10], WORDS[number // 10 % 10], WORDS[number // 100 % 10])
    return f"{number} " + " ".join(some[place % 3] for place in range(words - 1))


def triplets(folder: Path, rows: int, words: int = 60) -> Path:
    """Write rows of a query, its positive and its negative; every fourth negative is another row's positive."""
    with (folder / "rows.jsonl").open("w") as file:
        for n in range(rows):
            other = n + 1 if n % 4 == 0 and n + 1 < rows else 2 * rows + n
            row = {
                "query": text(rows + n, 9),
                "positive": text(n, words),
                "negative": text(other, words),
            }
            file.write(json.dumps(row) + "\n")
    return folder / "rows.jsonl"


def beir(folder: Path, rows: int, words: int = 60) -> Path:
    """Write as many passages, a query for each and its label."""
    place = folder / "beir"
    (place / "qrels").mkdir(parents=True)
    _write(
        place / "corpus.jsonl",
        ({"_id": f"p{n}", "title": "", "text": text(n, words)} for n in range(rows)),
    )
    _write(
        place / "queries.jsonl", ({"_id": f"q{n}", "text": text(rows + n, 9)} for n in range(rows))
    )
    with (place / "qrels" / "train.tsv").open("w") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        file.writelines(f"q{n}\tp{n}\t1\n" for n in range(rows))
    return place


def _write(file: Path, rows: Iterator[dict[str, Any]]) -> None:
    with file.open("w") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


MAKERS = {"triplets": triplets, "beir": beir}


def imported(folder: Path, dataset: Path) -> dict[str, float]:
    """Return what the import of a dataset takes, in a process of its own."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, "import", str(dataset), "--run", "large"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    used = json.loads(done.stdout.splitlines()[-1])
    return used | {
        "wall_s": round(time.monotonic() - start, 1),
        "dataset_mb": round(size(dataset) / 1e6),
        "run_mb": round(size(folder / "outputs") / 1e6),
    }


_IMPORT = """
import json, resource
from synthneg.cli import main
try:
    main()
except SystemExit as ended:
    if ended.code:
        raise
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"peak_mb": round(used.ru_maxrss / 1e3), "cpu_s": round(used.ru_utime + used.ru_stime, 1)}))
"""


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


if __name__ == "__main__":
    main()
