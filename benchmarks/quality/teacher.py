"""How well teachers rank that go by vectors, by words, and by both: `train.lists.lexical` at several weights.

    python benchmarks/quality/teacher.py MODEL COLLECTION:SPLIT ... [--vectors FOLDER] [--json FILE]

A query's score of a document is the cosine by MODEL plus the weight times BM25's score over that of the query's best
document. nDCG@10 with a 95 % interval of 10,000 bootstrap samples over the queries, and the difference from the cosines
alone with the p-value of a paired randomisation test. Splits are train or dev: weights are chosen here.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synthneg.evaluate.collection import Collection, read_collection
from synthneg.evaluate.measure import measure
from synthneg.evaluate.significance import interval, randomisation_p
from synthneg.scoring.encoder import load_encoder
from synthneg.scoring.lexical import Bm25
from synthneg.scoring.search import best_first

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
SEED, SAMPLES, DEPTH = 7, 10_000, 101


def rankings(found: Collection, cosines: np.ndarray, words: np.ndarray, weight: float) -> Iterator:
    for id, by_vector, by_word in zip(found.queries, cosines, words, strict=True):
        scores = by_vector + weight * by_word / max(float(by_word.max()), 1e-9)
        best = best_first(scores, DEPTH)
        yield id, best, scores[best]


def measured(name: str, options: argparse.Namespace) -> dict[str, object]:
    folder, _, split = name.partition(":")
    found = read_collection(Path(folder), split)
    encoder = load_encoder(options.model, batch_size=64, vectors=options.vectors)
    queries = list(found.queries.values())
    documents = encoder.encode(found.document_texts, "document")
    cosines = encoder.encode(queries, "query") @ documents.T
    pairs = Bm25(found.document_texts).pairs(queries)
    words = pairs(range(len(queries)), range(len(documents)))
    rows: dict[str, object] = {}
    first: dict[str, float] = {}
    for weight in WEIGHTS:
        values = measure(found, rankings(found, cosines, words, weight), ["nDCG@10"])["nDCG@10"]
        first = first or values
        mean = interval(list(values.values()), SEED, SAMPLES)
        apart = [values[id] - first[id] for id in values]
        p = randomisation_p(apart, SEED, SAMPLES) if weight else 1.0
        rows[str(weight)] = {"nDCG@10": [mean.mean, mean.low, mean.high], "p": p}
        print(
            f"  {weight:.1f}  {mean.mean:.3f} [{mean.low:.3f}, {mean.high:.3f}]"
            f"  {float(np.mean(apart)):+.3f}  p = {p:.4f}"
        )
    return {"queries": len(queries), "weights": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("collections", nargs="+", metavar="COLLECTION:SPLIT")
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for name in options.collections:
        shown = f"{Path(name).name}"
        print(shown)
        results[shown] = measured(name, options)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
