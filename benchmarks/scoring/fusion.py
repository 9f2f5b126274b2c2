"""Ways to put a model's ranking and BM25's together, side by side: `evaluate` has one of them as rows of its own.

    python benchmarks/scoring/fusion.py MODEL[,MODEL ...] COLLECTION:SPLIT ... [--vectors FOLDER] [--json FILE]

nDCG@10 of the model, of BM25, and of both: reciprocal rank fusion (Cormack 2009, k = 60) and scores brought to 0 to 1,
half and half, each over the first 100 or 1,000 documents of either; and the latter's difference from RRF at the same
depth, with a 95 % interval of 10,000 bootstrap samples over the queries and a paired randomisation test. Splits are
train or dev: the way is chosen here.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synthneg.evaluate.collection import Collection, read_collection
from synthneg.evaluate.hybrid import together
from synthneg.evaluate.measure import bm25_rank, dense_rank, measure
from synthneg.evaluate.significance import interval, randomisation_p
from synthneg.scoring.encoder import load_encoder

SEED, SAMPLES, RRF_K = 7, 10_000, 60
DEPTHS = (100, 1000)


def by_rank(first: list, second: list) -> Iterator:
    for (id, places, _), (_, more, _) in zip(first, second, strict=True):
        found, back = np.unique(np.concatenate([places, more]), return_inverse=True)
        ranks = np.concatenate([np.arange(len(places)), np.arange(len(more))]) + 1
        total = np.bincount(back, 1 / (RRF_K + ranks), len(found)).astype(np.float32)
        order = np.argsort(-total, kind="stable")
        yield id, found[order], total[order]


def cut(rankings: list, depth: int) -> list:
    return [(id, places[:depth], scores[:depth]) for id, places, scores in rankings]


def measured(collection: Collection, model: str, vectors: Path | None) -> dict[str, object]:
    encoder = load_encoder(model, batch_size=64, vectors=vectors, as_trained=True)
    dense = list(dense_rank(collection, encoder, max(DEPTHS)))
    words = list(bm25_rank(collection, max(DEPTHS)))

    def values(rankings: object) -> dict[str, float]:
        return measure(collection, rankings, ["nDCG@10"])["nDCG@10"]

    ways = {"model": values(dense), "bm25": values(words)}
    row: dict[str, object] = {"queries": len(collection.queries)}
    for depth in DEPTHS:
        some, others = cut(dense, depth), cut(words, depth)
        ways[f"rrf@{depth}"] = rank = values(by_rank(some, others))
        ways[f"half@{depth}"] = half = values(together(some, others))
        gaps = [half[id] - rank[id] for id in half]
        found = interval(gaps, SEED, SAMPLES)
        p = randomisation_p(gaps, SEED, SAMPLES)
        row[f"half less rrf@{depth}"] = [found.mean, found.low, found.high, p]
    return row | {name: float(np.mean(list(of.values()))) for name, of in ways.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models")
    parser.add_argument("collections", nargs="+", metavar="COLLECTION:SPLIT")
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for name in options.collections:
        folder, _, split = name.partition(":")
        collection = read_collection(Path(folder), split)
        for model in options.models.split(","):
            key = f"{Path(model).name} on {Path(folder).name}:{split}"
            results[key] = measured(collection, model, options.vectors)
            print(key, json.dumps(results[key]))
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
