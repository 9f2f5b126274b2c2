"""BM25 over 100,000 passages for 10,000 queries: CPU seconds to index and to answer.

    python benchmarks/scoring/bm25.py PATH/TO/COLLECTIONS [--documents 100000] [--queries 10000] [--json FOLDER]

PATH/TO/COLLECTIONS holds the folders scifact and nfcorpus in BEIR format. Their documents and queries are repeated
with a tenth of the words replaced by words of other texts, until there are enough. Ends with status 1 where both
together take more than 10 s of CPU.
"""

import argparse
import platform
import random
import sys
import time
from importlib.metadata import version
from pathlib import Path

import orjson

from synthneg.scoring.lexical import Bm25

SEED = 7
ALLOWED_S = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("collections", type=Path)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    documents, queries = (
        many(read(options.collections, file), count)
        for file, count in (("corpus.jsonl", options.documents), ("queries.jsonl", options.queries))
    )
    Bm25(documents[:100]).search(queries[:100], 100)  # imports, and what is compiled
    start = time.process_time()
    index = Bm25(documents)
    indexed = time.process_time()
    found = index.search(queries, 100)
    answered = time.process_time()
    result = {
        "documents": len(documents),
        "words_per_document": sum(len(d.split()) for d in documents) / len(documents),
        "queries": len(queries),
        "words_per_query": sum(len(q.split()) for q in queries) / len(queries),
        "k": 100,
        "found_per_query": sum(len(indices) for indices, _ in found) / len(found),
        "seed": SEED,
        "index_cpu_s": round(indexed - start, 2),
        "answer_cpu_s": round(answered - indexed, 2),
        "total_cpu_s": round(answered - start, 2),
        "allowed_cpu_s": ALLOWED_S,
        "bm25s": version("bm25s"),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    for name, value in result.items():
        print(f"{name:20} {value}")
    if options.json is not None:
        options.json.mkdir(parents=True, exist_ok=True)
        (options.json / "bm25.json").write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    return int(answered - start > ALLOWED_S)


def read(collections: Path, file: str) -> list[str]:
    """Return the texts of a file of both collections, title and text joined by a blank."""
    rows = [
        orjson.loads(line)
        for name in ("scifact", "nfcorpus")
        for line in (collections / name / file).read_bytes().splitlines()
    ]
    return [f"{row.get('title', '')} {row['text']}".strip() for row in rows]


def many(texts: list[str], count: int) -> list[str]:
    """Return `count` texts: these, and then these again with a tenth of the words replaced."""
    chance = random.Random(SEED)
    pool = [word for text in texts for word in text.split()]
    made = texts[:count]
    while len(made) < count:
        words = texts[len(made) % len(texts)].split()
        for place in chance.sample(range(len(words)), len(words) // 10):
            words[place] = chance.choice(pool)
        made.append(" ".join(words))
    return made


if __name__ == "__main__":
    sys.exit(main())
