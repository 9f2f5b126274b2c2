"""What half precision does to cosines, ranks, verdicts and nDCG, on judged collections.

    python benchmarks/scoring/half.py COLLECTIONS --models MODEL... [--kept FOLDER] [--json FOLDER]

COLLECTIONS holds folders of BEIR's format. Each model encodes each collection once in float32; the same vectors as the
cache rounds them are compared with these. With --kept, float32 vectors are kept in that folder for another time.

For ranks and verdicts every query of every split has its best judged document in the place of the passage that it was
written from, as verify.queries ranks it; nDCG@10 and R@100 are of the split `test`. A change of rank by no more than
the documents that stand within 1e-4 of the query's own, in float32, is one among ties.
"""

import argparse
import csv
import platform
import sys
from pathlib import Path

import numpy as np
import orjson

from synthneg.config.encoding import EncodingConfig
from synthneg.evaluate.collection import Collection, read_collection
from synthneg.evaluate.measure import measure
from synthneg.scoring.encoder import load_encoder
from synthneg.scoring.half import narrow, widen
from synthneg.scoring.search import count_above, top_k

TIE = 1e-6  # as in verify.queries
NEAR = 1e-4  # cosines as near as this to each other are called a tie here
CUTOFFS = (1, 10, 20)  # round_trip_k
MEASURES = ("nDCG@10", "R@100")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("collections", type=Path)
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [
        compared(model, folder, options.kept)
        for model in options.models
        for folder in sorted(path for path in options.collections.iterdir() if path.is_dir())
    ]
    for row in rows:
        print(orjson.dumps(row, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())
    if options.json is not None:
        options.json.mkdir(parents=True, exist_ok=True)
        machine = f"{platform.machine()}, numpy {np.__version__}"
        result = {"machine": machine, "tie": TIE, "near": NEAR, "rows": rows}
        data = orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
        (options.json / "half.json").write_bytes(data)
    return 0


def compared(model: str, folder: Path, kept: Path | None) -> dict[str, object]:
    collection = read_collection(folder, "test")
    every = asked(folder, collection)
    texts = {
        "documents": list(collection.document_texts),
        "queries": [text for text, _ in every],
        "tested": list(collection.queries.values()),
    }
    vectors = encoded(model, texts, kept and kept / f"{Path(model).name}-{folder.name}.npz")
    documents, queries, tested = (vectors[name] for name in texts)
    own = np.array([row for _, row in every])
    exact = ranked(queries, documents, own)
    halves = [widen(narrow(vectors)) for vectors in (queries, documents, tested)]
    half = ranked(halves[0], halves[1], own)
    moved = np.abs(
        (queries * documents[own]).sum(axis=1) - (halves[0] * halves[1][own]).sum(axis=1)
    )
    changed = exact != half
    found = {
        "model": Path(model).name,
        "collection": folder.name,
        "documents": len(documents),
        "queries": len(queries),
        "cosine_moved_mean": float(moved.mean()),
        "cosine_moved_most": float(moved.max()),
        "ranks_changed": int(changed.sum()),
        "ranks_changed_in_the_first_100": int((changed & (np.minimum(exact, half) <= 100)).sum()),
        "ranks_changed_beyond_ties": beyond_ties(queries, documents, own, exact, half),
        "verdicts_changed": {k: int(((exact <= k) != (half <= k)).sum()) for k in CUTOFFS},
        "top_10_other_documents": other_documents(queries, documents, halves),
    }
    found["float32"] = measured(collection, tested, documents)
    found["float16"] = measured(collection, halves[2], halves[1])
    return found


def encoded(model: str, texts: dict[str, list[str]], file: Path | None) -> dict[str, np.ndarray]:
    if file is not None and file.exists():
        with np.load(file) as kept:
            return dict(kept)
    encoder = load_encoder(model, batch_size=64, encoding=EncodingConfig(precision="float32"))
    found = {
        name: encoder.encode(some, "document" if name == "documents" else "query")
        for name, some in texts.items()
    }
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **found)
    return found


def asked(folder: Path, collection: Collection) -> list[tuple[str, int]]:
    """Return each judged query of any split and the row of its best document."""
    rows = {id: row for row, id in enumerate(collection.document_ids)}
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    texts = {row["_id"]: row["text"] for row in map(orjson.loads, lines)}
    best: dict[str, tuple[int, str]] = {}
    for file in sorted((folder / "qrels").glob("*.tsv")):
        with file.open(encoding="utf-8", newline="") as stream:
            for query, document, grade in list(csv.reader(stream, delimiter="\t"))[1:]:
                if int(grade) > 0 and document in rows:
                    best[query] = max(best.get(query, (0, "")), (int(grade), document))
    return [(texts[query], rows[document]) for query, (_, document) in best.items()]


def ranked(queries: np.ndarray, documents: np.ndarray, own: np.ndarray) -> np.ndarray:
    cosines = (queries * documents[own]).sum(axis=1)
    return 1 + count_above(queries, documents, cosines + TIE)


def beyond_ties(
    queries: np.ndarray, documents: np.ndarray, own: np.ndarray, exact: np.ndarray, half: np.ndarray
) -> int:
    """Count the ranks that changed by more than the documents that stand within `NEAR` of the query's own."""
    count = 0
    for i in np.flatnonzero(exact != half):
        cosines = documents @ queries[i]
        near = int((np.abs(cosines - cosines[own[i]]) <= NEAR).sum()) - 1
        count += abs(int(exact[i]) - int(half[i])) > near
    return count


def other_documents(queries: np.ndarray, documents: np.ndarray, halves: list[np.ndarray]) -> int:
    """Count the queries whose ten nearest are other documents, in whatever order."""
    exact, half = top_k(queries, documents, 10)[0], top_k(halves[0], halves[1], 10)[0]
    return int((np.sort(exact) != np.sort(half)).any(axis=1).sum())


def measured(
    collection: Collection, queries: np.ndarray, documents: np.ndarray
) -> dict[str, float]:
    indices, scores = top_k(queries, documents, 1001)
    rankings = zip(collection.queries, indices, scores, strict=True)
    values = measure(collection, rankings, MEASURES)
    return {name: round(float(np.mean(list(v.values()))), 5) for name, v in values.items()}


if __name__ == "__main__":
    sys.exit(main())
