"""Trains a small cross-encoder on the train judgements of one collection: a second witness for `planted.py`.

    nice -n 10 python benchmarks/verification/reranker.py COLLECTION ENCODER OUT
        [--queries 400] [--most-judged 20] [--max-length 128] [--epochs 1] [--seed 7]

It begins as ENCODER's transformer with a new head. Of each query there is one judged document (1), one without a
judgement at BM25 rank 20 to 100 (0) and one drawn from the rest (0). Queries with more judged documents than
--most-judged are left out. `planted.py` measures on another collection, or, with --most-judged 1, on the queries of
the same one that have several. The unjudged documents may be relevant: noise that a user's own reranker would have too.
"""

import argparse
import random
import time
from pathlib import Path

from datasets import Dataset
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

from synthneg.evaluate.collection import Collection, read_collection
from synthneg.scoring.lexical import Bm25

DEPTHS = range(20, 100)  # of BM25, best first from 0


def pairs(
    collection: Collection, queries: int, most_judged: int, seed: int
) -> list[tuple[str, str, float]]:
    """Return (query, document, label): of each drawn query one judged document and two without a judgement."""
    chance = random.Random(seed)
    narrow = [id for id, judged in collection.qrels.items() if len(judged) <= most_judged]
    drawn = chance.sample(sorted(narrow), min(queries, len(narrow)))
    texts = dict(zip(collection.document_ids, collection.document_texts, strict=True))
    found = Bm25(collection.document_texts).search(
        [collection.queries[id] for id in drawn], DEPTHS.stop
    )
    rows = []
    for id, (places, _) in zip(drawn, found, strict=True):
        judged = [other for other in sorted(collection.qrels[id]) if other in texts]
        near = [collection.document_ids[place] for place in places]
        deep = [other for other in near[DEPTHS.start :] if other not in collection.qrels[id]]
        rest = [other for other in texts if other not in collection.qrels[id] and other not in near]
        negatives = [chance.choice(deep or rest), chance.choice(rest)]
        for other, label in ((chance.choice(judged), 1.0), *((n, 0.0) for n in negatives)):
            rows.append((collection.queries[id], texts[other], label))
    return rows


def train(rows: list[tuple[str, str, float]], given: argparse.Namespace) -> None:
    """Train with binary cross-entropy, batches of 16, and save the model."""
    model = CrossEncoder(given.encoder, num_labels=1, max_length=given.max_length)
    queries, documents, labels = zip(*rows, strict=True)
    data = Dataset.from_dict({"query": queries, "document": documents, "label": labels})
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(given.out / "steps"),
        num_train_epochs=given.epochs,
        per_device_train_batch_size=16,
        learning_rate=1e-4,
        warmup_steps=0.1,
        seed=given.seed,
        logging_steps=10,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    CrossEncoderTrainer(
        model=model, args=arguments, train_dataset=data, loss=BinaryCrossEntropyLoss(model)
    ).train()
    model.save_pretrained(str(given.out))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection", type=Path)
    parser.add_argument("encoder", help="folder of all-MiniLM-L6-v2")
    parser.add_argument("out", type=Path)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--most-judged", type=int, default=20, help="documents of a query")
    parser.add_argument("--max-length", type=int, default=128, help="tokens of a pair")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    collection = read_collection(given.collection, "train")
    rows = pairs(collection, given.queries, given.most_judged, given.seed)
    start = time.monotonic()
    train(rows, given)
    print(f"{len(rows)} pairs of {given.collection.name}, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
