"""How often `prompts realism` calls halves of the same real queries unlike, and how often it finds planted differences.

    python benchmarks/prompts/realism.py COLLECTIONS [--encoder MODEL] [--vectors FOLDER] [--seeds 40] [--json FILE]

COLLECTIONS holds the folders scifact and nfcorpus in BEIR format; their train queries alone are used. Each cell is the
share of seeds in which a row is called unlike, and behind the bar in which it is called like.
"""

import argparse
import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson

from synthneg.realism.compare import compare
from synthneg.realism.kinds import kind_of
from synthneg.scoring.encoder import load_encoder

SIZES = (20, 50, 100)
GENERATED = 200
DRAWS = 499
KEPT = 1000  # queries of each collection

Pair = tuple[list[str], list[str]]


def queries(folder: Path) -> list[str]:
    lines = (folder / "qrels" / "train.tsv").read_text().splitlines()[1:]
    train = {line.partition("\t")[0] for line in lines}
    rows = map(orjson.loads, (folder / "queries.jsonl").read_bytes().splitlines())
    return list(dict.fromkeys(row["text"] for row in rows if row["_id"] in train))


def planted(claims: list[str], food: list[str]) -> dict[str, Callable[[random.Random, int], Pair]]:
    """Return the ways to draw n real and 200 generated queries, by what they differ in."""

    def mixed(share: float, own: list[str], other: list[str]) -> Callable[..., Pair]:
        def draw(chance: random.Random, n: int) -> Pair:
            drawn, alien = chance.sample(own, n + GENERATED), chance.sample(other, GENERATED)
            kept = round(GENERATED * (1 - share))
            return drawn[:n], drawn[n : n + kept] + alien[: GENERATED - kept]

        return draw

    def doubled(chance: random.Random, n: int) -> Pair:
        drawn = chance.sample(claims, n + 2 * GENERATED)
        halves = zip(drawn[n : n + GENERATED], drawn[n + GENERATED :], strict=True)
        return drawn[:n], [f"{a.rstrip('.')} and {b}" for a, b in halves]

    short = [text for text in food if kind_of(text) == "keywords"]
    return {
        "none: halves of scifact": mixed(0.0, claims, claims),
        "none: halves of nfcorpus": mixed(0.0, food, food),
        "a quarter from the other collection": mixed(0.25, claims, food),
        "half from the other collection": mixed(0.5, claims, food),
        "half of the kinds: nfcorpus, half made keywords": mixed(0.5, food, short),
        "lengths doubled": doubled,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("collections", type=Path)
    parser.add_argument("--encoder", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--vectors", type=Path, default=Path("outputs/.vectors"))
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    encoder = load_encoder(options.encoder, batch_size=64, vectors=options.vectors)
    claims = queries(options.collections / "scifact")[:KEPT]
    food = queries(options.collections / "nfcorpus")[:KEPT]
    found = {}
    for difference, draw in planted(claims, food).items():
        words: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        for n in SIZES:
            for seed in range(options.seeds):
                real, generated = draw(random.Random(f"{seed} {n}"), n)
                vectors = [np.asarray(encoder.encode(t, "query")) for t in (real, generated)]
                for row in compare(real, generated, *vectors, seed=seed, draws=DRAWS).rows:
                    words[row.name][n].append(row.word)
        shares = {
            name: {n: [w.count("unlike") / len(w), w.count("like") / len(w)] for n, w in by.items()}
            for name, by in words.items()
        }
        found[difference] = shares
        print(f"\n{difference}; unlike | like, {options.seeds} seeds, {GENERATED} generated")
        print(f"  {'':<26}" + "".join(f"n = {n:<12}" for n in SIZES))
        for name, by in shares.items():
            cells = "".join(f"{by[n][0]:.2f} | {by[n][1]:.2f}     " for n in SIZES)
            print(f"  {name:<26}{cells}", flush=True)
    if options.json is not None:
        options.json.write_bytes(
            orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
        )


if __name__ == "__main__":
    main()
