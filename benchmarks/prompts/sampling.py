"""What `corpus.sample: cluster` gains over `random`: passages chosen both ways, over many seeds.

    python benchmarks/prompts/sampling.py COLLECTION [--passages 800] [--choose 100] [--seeds 20] [--vectors FOLDER]

COLLECTION is a folder in BEIR format, of which the first passages are taken. Three figures of each choice: the mean
cosine of two chosen passages (lower: more diverse), the share of clusters that gave one, of a clustering with another
seed than the choice had, and the mean cosine of every passage to its nearest chosen one (higher: better covered).
With means over the seeds, and the mean difference with its 95 % interval (Student's t, paired by seed).
"""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
from scipy import stats

from synthneg.config import RunConfig
from synthneg.corpus.read import read
from synthneg.scoring import cluster
from synthneg.scoring.encoder import load_encoder

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
FIGURES = ("mean pairwise cosine", "share of clusters", "cosine to the nearest chosen")


def figures(vectors: np.ndarray, chosen: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
    """Return the FIGURES of the chosen rows; `labels` are clusters of all rows."""
    among = vectors[chosen] @ vectors[chosen].T
    count = len(chosen)
    pairwise = (among.sum() - np.trace(among)) / (count * (count - 1))
    covered = len(set(labels[chosen])) / len(set(labels))
    nearest = (vectors @ vectors[chosen].T).max(axis=1).mean()
    return float(pairwise), float(covered), float(nearest)


def compared(vectors: np.ndarray, count: int, seeds: int) -> np.ndarray:
    """Return (seeds, 2, figures): of random choices and of choices by clusters."""
    found = []
    clusters = cluster.clusters_for(count)
    for seed in range(seeds):
        labels = cluster._group(vectors, clusters, 1000 + seed)[0]
        at_random = np.random.default_rng(seed).choice(len(vectors), count, replace=False)
        by_cluster, _ = cluster.sample(vectors, count, clusters, seed)
        found.append([figures(vectors, rows, labels) for rows in (at_random, by_cluster)])
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("collection")
    parser.add_argument("--passages", type=int, default=800)
    parser.add_argument("--choose", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--vectors", type=Path)
    options = parser.parse_args()
    config = RunConfig(run="sampling", corpus={"path": options.collection}).corpus
    raws = islice(read(config), options.passages)
    encoder = load_encoder(MINILM, batch_size=64, vectors=options.vectors)
    vectors = encoder.encode([f"{raw.title} {raw.text}".strip() for raw in raws], "document")

    found = compared(vectors, options.choose, options.seeds)
    print(
        f"{options.choose} of {len(vectors)} passages, {cluster.clusters_for(options.choose)} clusters,"
        f" {options.seeds} seeds\n"
    )
    print("| figure | random | cluster | difference |\n|---|---|---|---|")
    for number, name in enumerate(FIGURES):
        at_random, by_cluster = found[:, 0, number], found[:, 1, number]
        gain = by_cluster - at_random
        half = stats.sem(gain) * stats.t.ppf(0.975, len(gain) - 1)
        print(
            f"| {name} | {at_random.mean():.4f} | {by_cluster.mean():.4f}"
            f" | {gain.mean():+.4f} [{gain.mean() - half:+.4f}, {gain.mean() + half:+.4f}] |"
        )


if __name__ == "__main__":
    main()
