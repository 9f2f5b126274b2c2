"""What each sampler does on real data: its batches, the loss, and the student on queries that it has not seen.

    python benchmarks/training/sampling.py COLLECTION MODEL [--vectors FOLDER] [--arms NAME ...] [--seeds N]

COLLECTION is a BEIR folder with a train split. Its judged train queries stand for generated ones: four fifths of them,
drawn by seed, are trained on with the first document that is judged relevant; the student is measured on the other
fifth, among all documents. The test split is not read. The encoder that tells what may be a negative is
all-MiniLM-L6-v2. InfoNCE at .05, 8 epochs, batches of 32, learning rate .2 (a static table of word vectors), no
negatives but those of the arm. Beside nDCG@10 with a 95 % interval of 10,000 bootstrap samples over the queries of all
seeds: the loss of the first and the last tenth of the curve; the mean cosine, by the untrained student, of two queries
of a batch in the last epoch; and the mean cosine, by the encoder, of a query and its drawn negatives there.
"""

import argparse
import json
import platform
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synthneg.evaluate.collection import Collection, read_collection
from synthneg.evaluate.measure import dense_rank, depth_for, measure
from synthneg.progress import say
from synthneg.records import Example, Passage
from synthneg.run import Run
from synthneg.scoring.encoder import load_encoder
from synthneg.settings import resolve
from synthneg.train.fit import train
from synthneg.train.labelled import labelled_examples
from synthneg.train.rows import training_rows
from synthneg.train.sampling.build import build_sampling
from synthneg.train.sampling.candidates import NONE

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
ARMS: dict[str, dict[str, Any]] = {
    "distinct": {},
    "tas": {"batches": "tas"},
    "ngame": {"batches": "ngame"},
    "star": {"negatives": "star"},
    "adore": {"negatives": "adore", "refresh_steps": 25},
    "balanced": {"negatives": "balanced"},
    "tas-balanced": {"batches": "tas", "negatives": "balanced"},
    "progressive": {"negatives": "progressive"},
    "ngame+adore": {"batches": "ngame", "negatives": "adore", "refresh_steps": 25},
}
LEARN = {"epochs": 8, "batch_size": 32, "learning_rate": 0.2, "negatives": 0, "warmup": 0.1}


def halves(found: Collection, seed: int) -> tuple[list[str], list[str]]:
    """Return the queries that are trained on and those that are measured on."""
    ids = sorted(found.queries)
    random.Random(seed).shuffle(ids)
    cut = len(ids) * 4 // 5
    return ids[:cut], ids[cut:]


def run_of(found: Collection, ids: list[str], arm: str, model: str, seed: int, folder: Path) -> Run:
    """Return a run whose examples are these queries."""
    learn = LEARN | {"base_model": model, "sampling": ARMS[arm]}
    settings = {"run": arm, "seed": seed, "corpus": {"path": "none"}, "train": learn}
    run = Run(folder, resolve(settings, "benchmark"))
    texts = dict(zip(found.document_ids, found.document_texts, strict=True))
    with run.stage("corpus", "passages.jsonl") as stage:
        for id, text in texts.items():
            stage.take()
            stage.keep(Passage(f"labelled:{id}", text))
    queries = {id: found.queries[id] for id in ids}
    with run.stage("verify.documents", "examples.jsonl") as stage:
        for example in labelled_examples(found.name, queries, found.qrels, texts):
            stage.take()
            stage.keep(example)
    return run


def batches_of(run: Run, model: str) -> dict[str, float]:
    """Return what stands in the batches of one epoch, without training: as the first one would have it."""
    examples = list(run.read("examples.jsonl", Example))
    pairs = training_rows(run, examples)
    sampling = build_sampling(run, examples, pairs, ())
    encoder = load_encoder(model, batch_size=64, max_length=256)
    queries = encoder.encode([pair.query for pair in pairs], "query")
    last = int(run.config.train.epochs) - 1
    for part in sampling.parts:
        part.begin(lambda: queries)
        part.epoch_begins(last, lambda: queries)
    sampling.batches.set_epoch(last)
    near, drawn, sizes, same = [], [], [], 0
    for rows in sampling.batches:
        sizes.append(len(rows))
        same += len({pairs[row].positive for row in rows}) < len(rows)
        cosines = queries[rows] @ queries[rows].T
        near.append(float(cosines[np.triu_indices(len(rows), 1)].mean()))
        if sampling.candidates is not None:
            taken = zip(rows, sampling.batches.drawn_for(rows), strict=True)
            drawn += [
                float(sampling.candidates.cosines(row, np.array([one.row]))[0])
                for row, negatives in taken
                for one in negatives
                if one.row != NONE
            ]
    sampling.close()
    counts = np.array(getattr(getattr(sampling.batches, "negatives", None), "counts", [1]))
    return {
        "batches": len(sizes),
        "size": statistics.mean(sizes),
        "of one positive": same,
        "bins off even": float(abs(counts / counts.mean() - 1).max()),
        "query to query": statistics.mean(near),
        "query to negative": statistics.mean(drawn) if drawn else float("nan"),
    }


def measured(model: str, found: Collection, ids: list[str], vectors: Path | None) -> np.ndarray:
    """Return nDCG@10 of each of these queries among all documents."""
    part = Collection(
        *(found.name, found.split, found.document_ids, found.document_texts),
        {id: found.queries[id] for id in ids},
        {id: found.qrels[id] for id in ids},
    )
    encoder = load_encoder(model, batch_size=64, max_length=256, vectors=vectors)
    ranking = dense_rank(part, encoder, depth_for(["nDCG@10"]))
    values = measure(part, ranking, ["nDCG@10"])["nDCG@10"]
    return np.array([values[id] for id in ids])


def interval(values: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Return mean and 95 % bootstrap interval over queries."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (10_000, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("collection", type=Path)
    parser.add_argument("model", help="folder or Hub name of a static table of word vectors")
    parser.add_argument("--vectors", type=Path, help="cache of vectors")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = read_collection(options.collection, "train")
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        per_query: dict[str, list[np.ndarray]] = {"base": []}
        for seed in range(7, 7 + options.seeds):
            ids, held = halves(found, seed)
            per_query["base"].append(measured(options.model, found, held, None))
            for arm in options.arms:
                place = Path(folder, str(seed))
                place.mkdir(exist_ok=True)
                run = run_of(found, ids, arm, options.model, seed, place)
                if options.vectors is not None:
                    run.vectors = options.vectors
                begun = time.process_time()
                trained = train(run)
                seconds = time.process_time() - begun
                log = [json.loads(line)["loss"] for line in run.file("train_log.jsonl").open()]
                tenth = max(1, len(log) // 10)
                seen = batches_of(run, options.model)
                seen |= {"first loss": statistics.mean(log[:tenth]), "CPU s": seconds}
                seen |= {"last loss": statistics.mean(log[-tenth:])}
                rows.setdefault(arm, {name: [] for name in seen})
                for name, value in seen.items():
                    rows[arm][name].append(value)
                per_query.setdefault(arm, []).append(measured(str(trained), found, held, None))
                run.close()
                say(f"{arm}, seed {seed}: nDCG@10 {per_query[arm][-1].mean():.3f}")
    base = np.concatenate(per_query["base"])
    plain = np.concatenate(per_query.get("distinct", per_query["base"]))
    print(f"base: nDCG@10 {interval(base, 7)[0]:.3f} over {len(base)} held-out queries")
    print(
        "| arm | nDCG@10 | less distinct | first loss | last loss | query to query | query to negative | CPU s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for arm, seen in rows.items():
        values = np.concatenate(per_query[arm])
        mean, low, high = interval(values, 7)
        difference = interval(values - plain, 7)
        seen |= {"nDCG@10": (mean, low, high), "difference": difference}
        means = {n: statistics.mean(v) for n, v in seen.items() if isinstance(v, list)}
        print(
            f"| {arm} | {mean:.3f} [{low:.3f}, {high:.3f}]"
            f" | {difference[0]:+.3f} [{difference[1]:+.3f}, {difference[2]:+.3f}]"
            f" | {means['first loss']:.3f} | {means['last loss']:.3f} | {means['query to query']:.3f}"
            f" | {means['query to negative']:.3f} | {means['CPU s']:.1f} |"
        )
    if options.json:
        setup = {"collection": found.name, "model": Path(options.model).name, "learn": LEARN}
        setup |= {"seeds": options.seeds, "held_out": len(base), "arms": ARMS}
        setup |= {"torch": torch.__version__, "python": platform.python_version()}
        facts = {"setup": setup, "base": interval(base, 7), "rows": rows}
        options.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
