"""Write a BEIR collection's corpus without the documents that its test split judges: what prompts are chosen on.

python benchmarks/prompts/without_test.py COLLECTION FOLDER
"""

import argparse
import csv
import shutil
from pathlib import Path

import orjson


def main() -> None:
    """Write FOLDER/corpus.jsonl, and beside it the queries and qrels of the other splits."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collection", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    source, folder = arguments.collection, arguments.folder
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    with (source / "qrels" / "test.tsv").open(encoding="utf-8") as stream:
        judged = {row["corpus-id"] for row in csv.DictReader(stream, delimiter="\t")}
    lines = (source / "corpus.jsonl").read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if orjson.loads(line)["_id"] not in judged]
    (folder / "corpus.jsonl").write_bytes(b"".join(kept))
    shutil.copy(source / "queries.jsonl", folder)
    for qrels in (source / "qrels").glob("*.tsv"):
        if qrels.stem != "test":
            shutil.copy(qrels, folder / "qrels")
    print(f"{len(kept):,} of {len(lines):,} documents in {folder}")


if __name__ == "__main__":
    main()
