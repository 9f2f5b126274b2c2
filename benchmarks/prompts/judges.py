"""How well the judge prompts tell a passage that answers from one that does not, on claims of SciFact's train split.

nice python benchmarks/prompts/judges.py COLLECTION MODEL.gguf ENCODER WORK [--claims 12] [--seed 7] [--out FILE.json]

Each claim is judged with three passages: its own (judged to be evidence for or against it), a near one (of BM25's
best 40 the encoder's best of rank 2 to 10 without a judgement), and a random one. Replies go into a ledger in
WORK, so the same command goes on where it was stopped. Some near passages do answer: nobody has judged them.

Of each prompt: `of_use`, the share of replies that could be read; `auc`, how often an own passage scores above another
one, ties counting half; `accuracy` at the prompt's own yes (grade 2 and above, P(yes) >= .5, a span, `answers` or
`partly`). Intervals are percentiles of a bootstrap over claims, at 95 %.
"""

import argparse
import asyncio
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from synthneg.config import LLMConfig
from synthneg.evaluate.collection import read_collection
from synthneg.evaluate.measure import bm25_rank
from synthneg.llm.ask import Answer, Asker
from synthneg.llm.jobs import job_for
from synthneg.llm.ledger import Ledger
from synthneg.llm.open import asking_config, open_backend
from synthneg.prompts.shelf import load
from synthneg.scoring.encoder import load_encoder
from synthneg.scoring.search import top_k
from synthneg.verify.judge import grade_of, verdicts_of, yes_probability
from synthneg.verify.span import span_of

PROMPTS = ("judge/answers", "judge/relevance", "judge/span", "judge/listwise")
KINDS = ("own", "near", "random")
CREDIT = {"answers": 1.0, "partly": 0.5, "none": 0.0}
CANDIDATES = 40  # of BM25, among which the encoder looks for near ones
CHARS = 1200  # of a passage
RESAMPLES = 2000


def triples(folder: Path, encoder: str, work: Path, claims: int, seed: int) -> list[dict]:
    """Return claims, each with its three passages, the same first ones for any number of claims."""
    collection = read_collection(folder, "train")
    texts = dict(zip(collection.document_ids, collection.document_texts, strict=True))
    chosen = random.Random(seed).sample(sorted(collection.queries), 60)[:claims]
    asked = replace(collection, queries={id: collection.queries[id] for id in chosen})
    model = load_encoder(encoder, batch_size=32, max_length=128, vectors=work / "vectors")
    found = []
    for id, candidates, _ in bm25_rank(asked, CANDIDATES):
        judged, chance = collection.qrels[id], random.Random(f"{seed} {id}")
        some = [collection.document_ids[place] for place in candidates]
        [near], _ = top_k(
            model.encode([collection.queries[id]], "query"),
            model.encode([texts[other] for other in some], "document"),
            10,
        )
        ids = [some[place] for place in near[1:]]
        far = [other for other in collection.document_ids if other not in {*judged, *ids}]
        passages = {
            "own": sorted(judged)[0],
            "near": next(other for other in ids if other not in judged),
            "random": chance.choice(far),
        }
        row = {kind: texts[passages[kind]][:CHARS] for kind in KINDS}
        order = chance.sample(KINDS, 3)  # in which a list shows them
        found.append({"id": id, "claim": collection.queries[id], "order": order, **row})
    return found


def jobs(name: str, rows: list[dict], seed: int):
    """Yield what is judged with the job that asks for it."""
    prompt = load(name)
    for row in rows:
        query = {"text": row["claim"]}
        if "documents" in prompt.head.needs:
            documents = [{"text": row[kind], "title": ""} for kind in row["order"]]
            values = {"query": query, "documents": documents}
            yield (row, None), job_for(prompt, f"{row['id']}:list", values, seed)
            continue
        for kind in KINDS:
            values = {"query": query, "document": {"text": row[kind], "title": ""}}
            yield (row, kind), job_for(prompt, f"{row['id']}:{kind}", values, seed)


def scores_of(name: str, row: dict, kind: str | None, answer: Answer) -> dict[str, float | None]:
    """Return what a reply says of each passage, in [0, 1]; None where it cannot be read."""
    if "listwise" in name:
        verdicts = verdicts_of(answer.value, len(KINDS)).of
        return {kind: CREDIT.get(v) for kind, v in zip(row["order"], verdicts, strict=True)}
    if "relevance" in name:
        judged = grade_of(answer.value)
        return {kind: None if judged is None else judged.grade / 3}
    if "span" in name:
        span = span_of(answer.value, row[kind])
        return {kind: float(span.outcome == "span")}
    yes = yes_probability(answer.reply)
    return {kind: None if yes is None else yes.probability}


def auc(own: np.ndarray, other: np.ndarray) -> float:
    """Return how often a score of (n,) `own` lies above one of (m,) `other`, a tie counting half."""
    above = own[:, None] - other[None, :]
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def against(scores: list[dict], other: str, seed: int) -> dict:
    """Return AUC and accuracy of the own passages against others, over the claims with a score for both."""
    pairs = [(s["own"], s[other]) for s in scores if None not in (s.get("own"), s.get(other))]
    if not pairs:
        return {"claims": 0}
    values, chance = np.array(pairs), np.random.default_rng(seed)
    draws = [values[chance.integers(0, len(values), len(values))] for _ in range(RESAMPLES)]

    def right(v: np.ndarray) -> float:
        return float(((v[:, 0] >= 0.5).mean() + (v[:, 1] < 0.5).mean()) / 2)

    def with_interval(measure) -> list[float]:
        low, high = np.quantile([measure(draw) for draw in draws], [0.025, 0.975])
        return [round(float(x), 3) for x in (measure(values), low, high)]

    return {
        "claims": len(values),
        "auc": with_interval(lambda v: auc(v[:, 0], v[:, 1])),
        "accuracy": with_interval(right),
        "yes_to_own": round(float((values[:, 0] >= 0.5).mean()), 3),
        "yes_to_other": round(float((values[:, 1] >= 0.5).mean()), 3),
    }


async def measured(asker: Asker, name: str, rows: list[dict], seed: int) -> dict:
    """Return what one prompt is worth."""
    asked = list(jobs(name, rows, seed))
    scores: dict[str, dict] = {row["id"]: {} for row in rows}
    said: Counter[str] = Counter()
    tokens = 0
    async for (row, kind), _, outcome in asker.ask(asked, lambda *_, **__: None):
        wanted = len(KINDS) if kind is None else 1
        if not isinstance(outcome, Answer):
            said[f"failed: {outcome.reason}"] += wanted
            continue
        tokens += outcome.reply.tokens_in + outcome.reply.tokens_out
        found = scores_of(name, row, kind, outcome)
        scores[row["id"]] |= found
        said["of use"] += sum(score is not None for score in found.values())
        if "span" in name:
            said[f"{kind}: {span_of(outcome.value, row[kind]).outcome}"] += 1
        if "answers" in name and (yes := yes_probability(outcome.reply)) and yes.by_text:
            said["by text"] += 1
        if "relevance" in name and (judged := grade_of(outcome.value)):
            said[f"{kind}: grade {judged.grade}"] += 1
    return {
        "prompt": load(name).tag,
        "judgements": len(rows) * len(KINDS),
        "of_use": round(said["of use"] / (len(rows) * len(KINDS)), 3),
        "against_random": against(list(scores.values()), "random", seed),
        "against_near": against(list(scores.values()), "near", seed),
        "counts": dict(sorted(said.items())),
        "tokens_per_request": round(tokens / max(1, len(asked))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collection", type=Path)
    parser.add_argument("model", type=Path, help="GGUF file")
    parser.add_argument("encoder", help="folder or name of the encoder that finds near passages")
    parser.add_argument("work", type=Path, help="folder for the ledger and the vectors")
    parser.add_argument("--claims", type=int, default=12, help="at most 60")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--prompts", nargs="+", default=PROMPTS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = triples(options.collection, options.encoder, options.work, options.claims, options.seed)
    config = LLMConfig(model=str(options.model), concurrency=1, context_tokens=3072, threads=1)
    ledger = Ledger(options.work / "ledger.sqlite")

    async def work() -> list[dict]:
        backend = open_backend(config, ledger)
        asker = Asker(backend, ledger, asking_config(config), options.seed)
        found = []
        try:
            for name in options.prompts:
                found.append(await measured(asker, name, rows, options.seed))
                print(json.dumps(found[-1]), flush=True)
        finally:
            await backend.close()
        return found

    result = {
        "model": options.model.name,
        "collection": f"{options.collection.name}, train",
        "n": {"claims": len(rows), "pairs": len(rows) * len(KINDS)},
        "seed": options.seed,
        "passage_chars": CHARS,
        "resamples": RESAMPLES,
        "prompts": asyncio.run(work()),
    }
    ledger.close()
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
