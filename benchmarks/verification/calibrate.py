"""What calibration changes: other judged positives of a query as planted false negatives, under both thresholds.

nice python benchmarks/verification/calibrate.py COLLECTION ENCODER VECTORS [--split train] [--queries 800] [--seed 7]
    [--out FILE.json]

For each query with at least two judged passages, the one judged best (of several, the first id) stands for the passage
that the query was written from. Planted: its other judged passages. True negatives: of the 2nd to 20th nearest by the
encoder those without a judgement (`near`; some of them do answer, and nobody has judged them, so that the share refused
is an upper bound of the false alarms), and passages drawn at random. A negative is caught or refused by the encoder's
margin alone. Intervals are percentiles of a bootstrap over queries, at 95 %.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np

from synthneg.config import DocumentChecks
from synthneg.evaluate.collection import read_collection
from synthneg.scoring.bound import negative_bound
from synthneg.scoring.encoder import load_encoder
from synthneg.scoring.search import top_k
from synthneg.verify.calibrate import calibrated_documents
from synthneg.verify.calibrate import refused as refused_of
from synthneg.verify.distribution import STEPS, Spread

CATCHES = (0.5, 0.6, 0.75, 0.9)
NEAR = slice(1, 20)
MOST_PLANTED = 5  # of a query, so that those with many judgements do not decide
RESAMPLES = 1000


def cosines_of(collection, encoder, count: int, seed: int) -> tuple[list[dict], dict[str, Spread]]:
    """Return of each query the cosines of its passages by what they are, and the spreads as a run measures them."""
    places = {id: i for i, id in enumerate(collection.document_ids)}
    vectors = encoder.encode(collection.document_texts, "document")
    several = sorted(
        id for id, judged in collection.qrels.items() if sum(g > 0 for g in judged.values()) > 1
    )
    chance = random.Random(seed)
    chosen = chance.sample(several, min(count, len(several)))
    asked = encoder.encode([collection.queries[id] for id in chosen], "query")
    found, _ = top_k(asked, vectors, NEAR.stop)
    rows = []
    samples: dict[str, list[float]] = {
        "own": [],
        "near": [],
        "random": [],
        "queries": [],
        "passages": [],
    }
    for number, (id, query) in enumerate(zip(chosen, asked, strict=True)):
        judged = {d: g for d, g in collection.qrels[id].items() if g > 0}
        best, *others = sorted(judged, key=lambda d: (-judged[d], d))
        drawn = [chance.randrange(len(vectors)) for _ in range(10)]
        near = [
            p for p in found[number][NEAR] if collection.document_ids[p] not in collection.qrels[id]
        ]
        planted = chance.sample(others, min(MOST_PLANTED, len(others)))
        own = vectors[places[best]]
        rows.append(
            {
                "own": float(own @ query),
                "planted": vectors[[places[d] for d in planted]] @ query,
                "near": vectors[near] @ query,
                "random": vectors[drawn] @ query,
            }
        )
        beside = vectors @ own
        beside[places[best]] = -2
        samples["own"].append(float(own @ query))
        samples["near"].append(float(vectors[beside.argmax()] @ query))
        samples["random"].append(float(vectors[drawn[0]] @ query))
        samples["queries"].append(float(asked[number - 1] @ query))
        samples["passages"].append(float(vectors[drawn[0]] @ own))
    levels = np.linspace(0, 1, STEPS + 1)
    spreads = {of: Spread(of, len(v), np.quantile(v, levels).tolist()) for of, v in samples.items()}
    return rows, spreads


def refused(rows: list[dict], checks: DocumentChecks, seed: int) -> dict[str, list[float]]:
    """Return the share of each kind that the margin refuses, with its interval."""
    bounds = [
        negative_bound(row["own"], checks.max_negative_share, checks.min_negative_margin)
        for row in rows
    ]
    generator = np.random.default_rng(seed)
    draws = generator.integers(0, len(rows), (RESAMPLES, len(rows)))
    shares = {}
    for kind in ("planted", "near", "random"):
        hits = np.array(
            [(row[kind] >= bound).sum() for row, bound in zip(rows, bounds, strict=True)]
        )
        sizes = np.array([len(row[kind]) for row in rows])
        resampled = hits[draws].sum(axis=1) / sizes[draws].sum(axis=1)
        low, high = np.quantile(resampled, [0.025, 0.975])
        shares[kind] = [round(float(x), 3) for x in (hits.sum() / sizes.sum(), low, high)]
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collection", type=Path)
    parser.add_argument("encoder")
    parser.add_argument("vectors", type=Path, help="folder of the vectors' cache")
    parser.add_argument("--split", default="train", choices=("train", "dev"))
    parser.add_argument("--queries", type=int, default=800)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    collection = read_collection(options.collection, options.split)
    encoder = load_encoder(options.encoder, batch_size=32, vectors=options.vectors)
    rows, spreads = cosines_of(collection, encoder, options.queries, options.seed)
    tried = {"set": DocumentChecks()}
    tried |= {f"catch {c}": calibrated_documents(DocumentChecks(), c, spreads) for c in CATCHES}
    table = []
    for name, checks in tried.items():
        row = {
            "thresholds": name,
            "share": checks.max_negative_share,
            "margin": checks.min_negative_margin,
            "near_copy": checks.max_similarity_to_positive,
            "easy_margin": checks.easy_margin,
            **refused(rows, checks, options.seed),
        }
        told = refused_of(checks.min_negative_margin, spreads["own"], spreads["random"])
        row["random_as_told"] = round(told, 3)
        table.append(row)
        print(json.dumps(row))
    result = {
        "collection": f"{options.collection.name}, {options.split}",
        "encoder": Path(options.encoder).name,
        "queries": len(rows),
        "planted": sum(len(row["planted"]) for row in rows),
        "seed": options.seed,
        "cosines": {
            of: [round(s.at(q), 3) for q in (0.05, 0.5, 0.95)] for of, s in spreads.items()
        },
        "rows": table,
    }
    print(json.dumps(result["cosines"]), len(rows))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
