"""How many of the passages that mining takes for negatives are judged relevant, by source and rule.

    python benchmarks/mining/false_negatives.py COLLECTION [--split dev] [--model MODEL] [--reranker MODEL]
                                                [--per-query 4] [--vectors FOLDER] [--json FILE]

COLLECTION is a BEIR folder. Of each query of the split one judged passage, the most relevant, is the positive that
mining knows; the others are planted false negatives. `found` is the share of picked passages that are judged relevant,
with a 95 % bootstrap interval over queries (10,000 samples, seed 7); `filled` is the share of the wanted negatives
that there were; `cosine` is the mean cosine of the picks to their query: the higher, the harder.
"""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synthneg.config import RunConfig
from synthneg.corpus.read import read
from synthneg.mine.miner import Miner
from synthneg.mine.rank import bm25, dense
from synthneg.records import Origin, Passage, Query
from synthneg.scoring.corpus import CorpusVectors
from synthneg.scoring.encoder import load_encoder
from synthneg.scoring.ids import Ids
from synthneg.scoring.known import Known

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
RULES = {
    "none": {"positive_aware": False},
    "none, ranks 20 to 100": {"positive_aware": False, "first_rank": 20},
    "none, drawn from ranks 50 to 100": {
        "positive_aware": False,
        "first_rank": 50,
        "draw": "random",
    },
    "share .95": {"min_negative_margin": 0.0},
    "margin .05": {"max_negative_share": 2.0},
    "share .95, margin .05": {},
    "share .95, margin .05, ranks 20 to 100": {"first_rank": 20},
    "share .8, margin .05": {"max_negative_share": 0.8},
}
SEED, RESAMPLES = 7, 10_000


def judged(folder: Path, split: str) -> dict[str, dict[str, int]]:
    """Return the relevant passages of each query of a split, with their grades."""
    found: dict[str, dict[str, int]] = {}
    with (folder / "qrels" / f"{split}.tsv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if int(row["score"]) > 0:
                found.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return found


def asked(folder: Path, qrels: dict[str, dict[str, int]]) -> Iterator[Query]:
    """Yield the judged queries, each as if it was written from its most relevant passage."""
    origin = Origin("given", "", {}, 0, "")
    for line in (folder / "queries.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        grades = qrels.get(row["_id"], {})
        if grades:
            yield Query(
                row["_id"], row["text"], max(grades, key=grades.__getitem__), "train", origin
            )


def interval(hits: np.ndarray, picks: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of hits per pick, by resampling queries."""
    rows = np.random.default_rng(SEED).integers(len(hits), size=(RESAMPLES, len(hits)))
    shares = hits[rows].sum(1) / np.maximum(picks[rows].sum(1), 1)
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("collection", type=Path)
    parser.add_argument("--split", default="dev", choices=("dev", "train"))
    parser.add_argument("--model", default=MINILM)
    parser.add_argument("--reranker")
    parser.add_argument("--per-query", type=int, default=4)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    base = RunConfig(run="arms", corpus={"path": str(options.collection)})
    passages = [Passage(raw.id, raw.text, raw.title) for raw in read(base.corpus)]
    encoder = load_encoder(options.model, batch_size=64, vectors=options.vectors)
    vectors = encoder.encode([p.full_text for p in passages], "document")
    corpus = CorpusVectors(Ids(p.id for p in passages), vectors)
    qrels = judged(options.collection, options.split)
    queries = [q for q in asked(options.collection, qrels) if q.passage_id in corpus.ids]
    searches = {"bm25": bm25([p.full_text for p in passages]), "dense": dense(vectors)}
    sources = ["random", "bm25", "dense"]
    reranker = None
    if options.reranker:
        from synthneg.scoring.reranker import load_reranker  # noqa: PLC0415 - heavy

        reranker = load_reranker(options.reranker, batch_size=64, scores=options.vectors)
        sources.append("reranked")
    wanted = [{source: options.per_query} for source in sources]

    others = sum(len(qrels[q.id]) - 1 for q in queries)
    print(
        f"{options.collection.name}, {options.split}: {len(queries)} queries, {len(passages)} passages, {others}"
        f" other judged positives; {options.per_query} negatives a query\n"
    )
    print("| source | rules | found | 95 % interval | filled | cosine |\n|---|---|---|---|---|---|")
    rows = []
    for name, rules in RULES.items():
        config = RunConfig(run="arms", corpus={"path": "x"}, mine=rules)
        known = Known(corpus, {})
        miner = Miner(config, encoder, vectors, passages.__getitem__, known, searches, reranker)
        picked = list(miner.mine(iter(queries), wanted))
        for place, source in enumerate(sources):
            of_source = [(query, found[place].picks) for query, found in picked]
            count = np.array([len(picks) for _, picks in of_source])
            hits = np.array(
                [sum(passages[p.row].id in qrels[q.id] for p in picks) for q, picks in of_source]
            )
            cosines = [p.cosine for _, picks in of_source for p in picks]
            low, high = interval(hits, count)
            row = {
                "source": source,
                "rules": name,
                "found": hits.sum() / max(count.sum(), 1),
                "interval": [low, high],
                "filled": count.mean() / options.per_query,
                "cosine": float(np.mean(cosines)) if cosines else None,
            }
            rows.append(row)
            mean = "-" if row["cosine"] is None else f"{row['cosine']:.3f}"
            print(
                f"| {source} | {name} | {row['found']:.3f} | {low:.3f} to {high:.3f} |"
                f" {row['filled']:.3f} | {mean} |"
            )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        setup = {"collection": options.collection.name, "split": options.split, "seed": SEED}
        setup |= {"queries": len(queries), "passages": len(passages), "other positives": others}
        options.json.write_text(json.dumps({"setup": setup, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
