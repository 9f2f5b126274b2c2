"""What a pass in bfloat16 costs beside one in float32, forward and back, and how far its vectors lie from the other's.

    python benchmarks/training/precision.py MODEL COLLECTION [--tokens 128 256] [--passes 8] [--json FILE]

MODEL is a transformer, COLLECTION a BEIR folder. A pass is 16 of its documents, drawn by seed: embedded, and the
gradients of the sum of their cosines with one of them. In turn, one after the other, CPU seconds of one thread; the
mean of the ratios with a 95 % interval of Student's t, after one pass of each that does not count. apart: one less the
cosine of a document's two vectors, the mean and the most.
"""

import argparse
import json
import platform
import random
import statistics
import time
from pathlib import Path

import torch
from scipy.stats import t as student
from sentence_transformers import SentenceTransformer
from torch.nn.functional import normalize

TEXTS, SEED = 16, 7


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("collection", type=Path)
    parser.add_argument("--tokens", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--passes", type=int, default=8)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = map(json.loads, (options.collection / "corpus.jsonl").open(encoding="utf-8"))
    texts = [f"{row.get('title', '')} {row['text']}".strip() for row in rows]
    model = SentenceTransformer(options.model, device="cpu")
    found = {
        "cpu": cpu(),
        "rows": [measured(model, texts, n, options.passes) for n in options.tokens],
    }
    for row in found["rows"]:
        low, high = row["interval"]
        print(
            f"{row['tokens']} tokens: {row['ratio']:.3f} [{low:.3f}, {high:.3f}] of float32's CPU, n = {row['n']};"
            f" apart {row['apart']:.1e}, at most {row['most']:.1e}"
        )
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measured(model: SentenceTransformer, texts: list[str], tokens: int, passes: int) -> dict:
    model.max_seq_length = tokens
    drawn = random.Random(SEED)
    ratios, apart = [], []
    for number in range(passes + 1):
        batch = drawn.sample(texts, TEXTS)
        whole, seconds = one_pass(model, batch, False)
        half, fewer = one_pass(model, batch, True)
        if number:
            ratios.append(fewer / seconds)
            apart += (1 - (whole * half).sum(dim=1)).tolist()
    half_width = student.ppf(0.975, passes - 1) * statistics.stdev(ratios) / passes**0.5
    mean = statistics.mean(ratios)
    return {
        "tokens": tokens,
        "ratio": mean,
        "interval": [mean - half_width, mean + half_width],
        "n": passes,
        "apart": statistics.mean(apart),
        "most": max(apart),
    }


def one_pass(
    model: SentenceTransformer, batch: list[str], half: bool
) -> tuple[torch.Tensor, float]:
    model.zero_grad()
    begun = time.process_time()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        vectors = model(model.preprocess(batch))["sentence_embedding"].float()
    vectors = normalize(vectors, dim=1)
    (vectors @ vectors[0]).sum().backward()
    return vectors.detach(), time.process_time() - begun


def cpu() -> str:
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else []
    has = sorted({"avx512_bf16", "amx_bf16"} & set(flags))
    return f"{platform.machine()}, {', '.join(has) or 'no bfloat16'}"


if __name__ == "__main__":
    main()
