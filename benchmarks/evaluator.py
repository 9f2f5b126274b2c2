"""Does the evaluator measure what others measure? BM25 and all-MiniLM-L6-v2 against their published levels.

    python benchmarks/evaluator.py PATH/TO/COLLECTIONS [--vectors FOLDER] [--json FOLDER]

PATH/TO/COLLECTIONS holds the folders scifact and nfcorpus in BEIR format. A second run with the same --vectors
encodes nothing. Ends with status 1 where a measured mean is off its published one by more than .005.
"""

import argparse
import sys
import time
from pathlib import Path

from synthneg.evaluate.collection import read_collection
from synthneg.evaluate.compare import evaluate
from synthneg.evaluate.stored import write
from synthneg.evaluate.table import table

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
# nDCG@10 on the test splits. BM25: bm25s with Lucene's formula, stems and stopwords (Anserini's flat index has .679
# and .322). all-MiniLM-L6-v2: MTEB's leaderboard.
PUBLISHED = {
    ("scifact", "bm25"): 0.676,
    ("nfcorpus", "bm25"): 0.320,
    ("scifact", "MiniLM"): 0.645,
    ("nfcorpus", "MiniLM"): 0.316,
}
TOLERANCE = 0.005


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("collections", type=Path)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    start = time.monotonic()
    found = evaluate(
        {"MiniLM": MINILM},
        [read_collection(options.collections / name, "test") for name in ("scifact", "nfcorpus")],
        measures=("nDCG@10", "P@10", "R@100"),
        seed=7,
        resamples=10_000,
        bm25=True,
        batch_size=64,
        vectors=options.vectors,
    )
    off = 0.0
    for evaluation in found:
        print("\n".join(table(evaluation)))
        if options.json is not None:
            write(evaluation, options.json)
        for model, measures in evaluation.models.items():
            published = PUBLISHED.get((evaluation.collection, model))
            if published is None:  # the mean over collections, which nobody has published
                continue
            gap = measures["nDCG@10"].mean - published
            off = max(off, abs(gap))
            print(f"  {model}: published {published:.3f}, measured {gap:+.4f} from it")
        print()
    print(f"took {time.monotonic() - start:.0f} s; largest gap {off:.4f}, allowed {TOLERANCE}")
    return int(off > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
