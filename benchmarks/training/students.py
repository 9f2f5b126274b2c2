"""Students of all kinds, trained on a collection's own train judgements and measured on train queries held out.

    python benchmarks/training/students.py COLLECTION MODEL VECTORS --student cross-encoder
        [--loss infonce] [--set train.lora.rank=16 ...] [--queries 600] [--dev 100] [--depth 20] [--json FILE]

Each query has its first judged document as the positive, and negatives from BM25's ranks 3 to 30, drawn by seed, none
of them judged. The queries of --dev, drawn by seed, are held out and searched among all documents; a cross-encoder
reranks the first --depth of BM25. With --test the test split is measured instead: once, when all is chosen. The base
model's row and BM25's stand beside the student's. Time is CPU time of training in seconds, on one thread.
"""

import argparse
import json
import platform
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from synthneg.config import RerankConfig
from synthneg.evaluate.collection import Collection, read_collection
from synthneg.evaluate.compare import evaluate
from synthneg.evaluate.stored import to_json
from synthneg.evaluate.table import table
from synthneg.records import Example, Judged, Origin, Passage
from synthneg.run import Run
from synthneg.scoring.lexical import Bm25
from synthneg.settings import with_changes
from synthneg.train.fit import train

SEED = 7
ORIGIN = Origin("people@00000000", "people", {}, SEED, "none")
FROM, TO = 2, 30  # ranks of BM25 that negatives are drawn from


def examples(collection: Collection, ids: list[str], negatives: int) -> list[Example]:
    index = Bm25(collection.document_texts)
    place = {id: i for i, id in enumerate(collection.document_ids)}

    def document(row: int, grade: int, source: str) -> Judged:
        text = collection.document_texts[row]
        return Judged(collection.document_ids[row], text, "", grade, source, {}, None)

    rows = []
    for id, (found, _) in zip(
        ids, index.search([collection.queries[i] for i in ids], TO), strict=True
    ):
        judged = {place[d] for d, grade in collection.qrels[id].items() if grade and d in place}
        others = [row for row in found[FROM:].tolist() if row not in judged]
        drawn = random.Random(f"{SEED}/{id}").sample(others, min(negatives, len(others)))
        documents = [document(row, 3, "corpus") for row in sorted(judged)[:1]]
        documents += [document(row, 0, "bm25") for row in drawn]
        rows.append(
            Example(id, collection.queries[id], documents[0].id, "train", ORIGIN, tuple(documents))
        )
    return rows


def trained(
    options: argparse.Namespace, collection: Collection, ids: list[str]
) -> tuple[Path, float]:
    learn = {"base_model": options.model, "student": options.student, "loss": options.loss}
    values = {
        **{"run": f"{options.student}-{options.loss}", "seed": SEED, "corpus": {"path": "none"}},
        **{"train": learn | {"negatives": options.negatives}, "verify": {"encoder": options.model}},
    }
    run = Run(options.out, with_changes(values, options.changes, "benchmark"))
    with run.stage("corpus", "passages.jsonl") as stage:
        for id, text in zip(collection.document_ids, collection.document_texts, strict=True):
            stage.take()
            stage.keep(Passage(id, text))
    with run.stage("verify.documents", "examples.jsonl") as stage:
        for row in examples(collection, ids, options.negatives):
            stage.take()
            stage.keep(row)
    start = time.process_time()
    folder = train(run)
    seconds = time.process_time() - start
    run.close()
    return folder, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("collection", type=Path, help="folder in BEIR format, with a train split")
    parser.add_argument("model", help="folder or Hub name of the base model")
    parser.add_argument("vectors", type=Path, help="folder of the cache of vectors")
    parser.add_argument("--student", default="auto")
    parser.add_argument("--loss", default="infonce")
    parser.add_argument(
        "--set", dest="changes", action="append", default=[], help="train.KEY=VALUE"
    )
    parser.add_argument("--queries", type=int, default=600, help="trained on, at most")
    parser.add_argument("--negatives", type=int, default=3)
    parser.add_argument("--dev", type=int, default=100, help="queries held out")
    parser.add_argument("--depth", type=int, default=20, help="documents that are reranked")
    parser.add_argument("--max-length", type=int, default=128, help="tokens of the student")
    parser.add_argument("--test", action="store_true", help="measure the test split")
    parser.add_argument("--out", type=Path, help="keep the run in this folder")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.changes.append(f"train.max_length={options.max_length}")
    options.out = options.out or Path(tempfile.mkdtemp())
    collection = read_collection(options.collection, "train")
    ids = random.Random(SEED).sample(sorted(collection.queries), len(collection.queries))
    held_out, rest = ids[: options.dev], ids[options.dev :][: options.queries]
    folder, seconds = trained(options, collection, rest)
    wanted = replace(
        collection,
        **{"queries": {id: collection.queries[id] for id in held_out}, "split": "train, held out"},
        qrels={id: collection.qrels[id] for id in held_out},
    )
    if options.test:
        wanted = read_collection(options.collection, "test")
    [found] = evaluate(
        {"base": options.model, "tuned": str(folder)},
        [wanted],
        **{
            "measures": ("nDCG@10", "P@10", "R@100"),
            "seed": SEED,
            "resamples": 10_000,
            "bm25": True,
        },
        **{"batch_size": 32, "vectors": options.vectors},
        rerank=RerankConfig(depth=options.depth),
    )
    print("\n".join(table(found)))
    print(f"  trained in {seconds:.0f} s of CPU time on {len(rest)} queries")
    if options.json:
        setup = {k: str(v) for k, v in vars(options).items() if k not in ("json", "out", "vectors")}
        setup |= {"collection": options.collection.name, "model": Path(options.model).name}
        setup |= {"seed": SEED, "torch": torch.__version__, "python": platform.python_version()}
        rows = {"setup": setup, "train_cpu_s": seconds, "queries": len(rest)}
        options.json.write_text(json.dumps(rows | {"found": to_json(found)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
