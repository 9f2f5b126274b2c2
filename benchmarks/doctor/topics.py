"""How far apart queries lie of which a share is on another topic: the scale of the doctor's distance in meaning.

    python benchmarks/doctor/topics.py COLLECTIONS MODEL VECTORS [--queries 150] [--seed 1] [--json FILE]

Queries of SciFact's train split against others of it, of which a share is replaced by queries of NFCorpus' train split.
Told is the energy distance beyond what chance gives, and the share that `synthneg doctor` takes it for.
"""

import argparse
import json
import random
from pathlib import Path

from synthneg.doctor.kinds import share_elsewhere
from synthneg.evaluate.collection import read_judged
from synthneg.files import write_whole
from synthneg.realism.compare import compare
from synthneg.scoring.encoder import load_encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", type=Path)
    parser.add_argument("model")
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--queries", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    encoder = load_encoder(args.model, batch_size=32, vectors=args.vectors)
    texts = {}
    for name in ("scifact", "nfcorpus"):
        found = list(read_judged(args.collections / name, "train")[0].values())
        texts[name] = random.Random(args.seed).sample(found, 2 * args.queries)
    real, own = texts["scifact"][: args.queries], texts["scifact"][args.queries :]
    rows = []
    for share in (0.0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 1.0):
        count = round(share * args.queries)
        mixed = own[count:] + texts["nfcorpus"][:count]
        vectors = [encoder.encode(some, "query") for some in (real, mixed)]
        row = compare(real, mixed, *vectors, seed=args.seed).row("meaning, distance")
        told = share_elsewhere(row)
        rows.append({"share": share, "beyond_chance": row.apart - row.by_chance, "told": told})
        print(f"{share:.2f}  {row.apart - row.by_chance:+.4f}  p {row.p:.3f}  told {told:.2f}")
    if args.json:
        setup = {"model": Path(args.model).name, "queries": args.queries, "seed": args.seed}
        write_whole(args.json, json.dumps({"setup": setup, "rows": rows}, indent=1).encode())


if __name__ == "__main__":
    main()
