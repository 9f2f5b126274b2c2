"""Plants known faults into the train parts of SciFact and NFCorpus, and measures what every check finds.

    nice -n 10 python benchmarks/verification/planted.py COLLECTIONS ENCODER VECTORS
        [--only scifact] [--reranker scifact=FOLDER ...] [--judge scifact=FILE ...] [--stronger FOLDER]
        [--sentences] [--seed 7] [--out benchmarks/results/verification]
    python benchmarks/verification/planted.py COLLECTIONS ENCODER VECTORS --sample 150 --only scifact > pairs.jsonl

The second form writes pairs for a judge: JSON lines with query_id, document_id and both texts, the query's own passages
among them. Scores go back as JSON lines with query_id, document_id and score, named by --judge. A reranker is named
with the collection that it is to be a witness on, and must not have been trained on those queries (`reranker.py`).

Checks that are stages run as stages of a real run. The other judged documents of a query stand for false negatives; all
else is planted by rule (`plant.py`). No test judgement is read.
"""

import argparse
import json
import random
import sys
from pathlib import Path

import document_faults
import false_negatives
import grades
import query_faults
import text_faults
from curves import recall_at
from material import NEGATIVES, OTHER, Material, Pair, read_material
from plot import draw
from report import Row, as_json, table
from witnesses import (
    Witness,
    bm25_witness,
    encoder_witness,
    judge_witness,
    reranker_witness,
    sentence_witness,
    to_positive_witness,
)

from synthneg.scoring.base import Encoder, Reranker
from synthneg.scoring.encoder import load_encoder
from synthneg.scoring.reranker import load_reranker

# Queries drawn and documents of the corpus; NFCorpus in part, for encoding it takes long.
SIZES = {"scifact": (809, None), "nfcorpus": (250, 1500)}
GRADED = (100, 1000)  # of NFCorpus, dev: its train split has one grade
COPIES, PARAPHRASED, SETS, LEAKED = 400, 60, 60, 40
RESAMPLES = 1000
BEST_JOINED = 6  # of witnesses together, in table and picture
ALL, VERIFIED = (
    "all queries",
    "verified queries",
)  # the latter pass verify.queries with their own passages


def witnesses_of(
    material: Material, encoder: Encoder, given: argparse.Namespace
) -> dict[str, Witness]:
    """Return the witnesses that are at hand, by name."""
    found = {
        "encoder": encoder_witness(material, encoder),
        "to positive": to_positive_witness(material, encoder),
        "bm25": bm25_witness(material),
    }
    if given.sentences:
        found["best sentence"] = sentence_witness(material, encoder)
    if given.stronger:
        other = load_encoder(given.stronger, batch_size=16, max_length=128, vectors=given.vectors)
        found["stronger encoder"] = encoder_witness(material, other)
    for name, folder in given.reranker:
        if name == material.name:
            found[Path(folder).name] = reranker_witness(material, _reranker(folder, given))
    for name, file in given.judge:
        if name == material.name:
            found["judge"] = judge_witness(Path(file))
    return found


def _reranker(folder: str, given: argparse.Namespace) -> Reranker:
    return load_reranker(folder, batch_size=16, scores=given.vectors)


def queries_part(
    material: Material, encoder: Encoder, seed: int
) -> tuple[list[Row], dict, frozenset[str]]:
    """Return the rows of all faults of queries, facts of the round trip, and the queries that pass all checks."""
    rows, scored, verified = query_faults.swapped_pairs(material, encoder, seed)
    facts = {
        "share_verified": len(verified) / len(material.queries),
        "round_trip_by_k": {
            k: {
                "found": round(float((scored.faults > k).mean()), 4),
                "alarms": round(float((scored.clean > k).mean()), 4),
            }
            for k in (1, 3, 5, 10, 20, 50, 100)
        },
        "recall_at_10_alarms": recall_at(scored, 0.1, seed, RESAMPLES)._asdict(),
    }
    more, facts["queries_again"] = query_faults.duplicates(material, encoder, seed, COPIES)
    rows += more
    rows += query_faults.wordings(material, encoder, seed)
    rows += query_faults.languages(material)
    return rows, facts, verified


def negatives_part(
    material: Material, encoder: Encoder, verified: frozenset[str], given: argparse.Namespace
) -> tuple[list[Row], dict, dict]:
    """Return what is found of other positives: by the check at its default, by every witness, and by margins."""
    several = {pair.query for pair in material.pairs if pair.kind == OTHER}
    pairs = [pair for pair in material.pairs if pair.query in several]
    witnesses = witnesses_of(material, encoder, given)
    asked = {ALL: pairs, VERIFIED: [pair for pair in pairs if pair.query in verified]}
    rows = false_negatives.at_default(material.name, witnesses["encoder"], asked[VERIFIED])
    for second in sorted(witnesses.keys() - {"encoder", "to positive", "judge"}):
        rows += false_negatives.by_two(material.name, witnesses, second, asked[VERIFIED])
    facts = {}
    for kind, some in asked.items():
        alone = false_negatives.testimonies(witnesses, some)
        said = [*alone, *false_negatives.together(alone)]
        facts[kind] = [false_negatives.measured(one, given.seed, RESAMPLES) for one in said]
    return rows, facts, false_negatives.by_margin(witnesses["encoder"], asked[VERIFIED])


def graded_part(
    material: Material,
    verified: frozenset[str],
    dev: Material | None,
    encoder: Encoder,
    given: argparse.Namespace,
) -> dict:
    """Return how well clean graded sets are told from shuffled ones; sets are built for verified queries."""
    sets = {"built": grades.built_sets(material, verified, given.seed, SETS)}
    if dev is not None:
        sets["judged, dev"] = grades.judged_sets(dev, given.seed, SETS)
    scorers = {"encoder": grades.by_encoder(encoder)}
    for name, folder in given.reranker:
        if name == material.name:
            scorers[Path(folder).name] = _reranker(folder, given).score
    return {
        f"{kind}, {name}": grades.measured(some, scorer, given.seed, RESAMPLES)
        for kind, some in sets.items()
        for name, scorer in scorers.items()
    }


def sample(material: Material, count: int, seed: int) -> list[dict]:
    """Return about `count` pairs for a judge, whole queries at a time: own passage, other positives and negatives."""
    by_query: dict[str, list[Pair]] = {}
    for pair in material.pairs:
        by_query.setdefault(pair.query, []).append(pair)
    several = sorted(q for q, pairs in by_query.items() if any(p.kind == OTHER for p in pairs))
    random.Random(seed).shuffle(several)
    rows: list[dict] = []
    for query in several:
        if len(rows) >= count:
            break
        kinds = {material.own[query]: "own"} | {p.document: p.kind for p in by_query[query]}
        rows += [
            {"query_id": query, "document_id": id, "kind": kind, "query": material.queries[query],
             "document": material.texts[id]}
            for id, kind in kinds.items()
        ]  # fmt: skip
    return rows


def measure(name: str, encoder: Encoder, given: argparse.Namespace) -> dict:
    """Plant into one collection, print its tables and return its results."""
    folder = given.collections / name
    material = read_material(folder, "train", encoder, *SIZES[name], given.seed)
    dev = None
    if (folder / "qrels" / "dev.tsv").exists():
        dev = read_material(folder, "dev", encoder, *GRADED, given.seed)
    rows, swapped, verified = queries_part(material, encoder, given.seed)
    rows += text_faults.refusals(material)
    rows += text_faults.leaks(material, encoder, given.seed, LEAKED)
    more, again = document_faults.copies(material, given.seed)
    rows += more
    more, to_positive = document_faults.stage_rows(material, encoder, given.seed, PARAPHRASED)
    rows += more
    more, negatives, margins = negatives_part(material, encoder, verified, given)
    graded = graded_part(material, verified, dev, encoder, given)
    rows += more
    print(f"\n## {name}: {len(material.queries)} queries, {len(material.texts)} documents\n")
    print(table(rows), "\n")
    for kind, measured in negatives.items():
        print(f"{kind}:\n\n{_witness_table(measured)}\n")
    facts = {
        "query_checks": swapped,
        "documents_again": again,
        "cosine_to_positive": to_positive,
        "answers_by_margin": margins,
        "graded": graded,
    }
    print(json.dumps(facts, indent=1))
    return {
        "queries": len(material.queries),
        "documents": len(material.texts),
        "rows": as_json(rows),
        "false_negatives": {
            kind: false_negatives.alone_and_best(measured, BEST_JOINED)
            for kind, measured in negatives.items()
        },
        **facts,
    }


def _witness_table(measured: list[dict]) -> str:
    lines = [
        "| witness | n | recall at 10 % alarms: deep | middle | by the other half: recall, alarms |"
        " AUC random, deep, middle, top |",
        "|---|---|---|---|---|---|",
    ]
    for one in false_negatives.alone_and_best(measured, BEST_JOINED):
        recall, other = one["recall"], one["chosen_on_other_half"]
        aucs = ", ".join(f"{one.get(f'auc_{kind}', 0):.2f}" for kind in NEGATIVES)
        lines.append(
            f"| {one['witness']} | {recall['n']} + {one['n_deep']} |"
            f" {recall['share']:.2f} [{recall['low']:.2f}, {recall['high']:.2f}] |"
            f" {one['recall_middle']:.2f} | {other['recall']:.2f}, {other['alarms']:.2f} | {aucs} |"
        )
    return "\n".join(lines)


def _named(value: str) -> tuple[str, str]:
    name, _, path = value.partition("=")
    return name, path


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", type=Path, help="folder with scifact and nfcorpus")
    parser.add_argument("encoder", help="folder of all-MiniLM-L6-v2")
    parser.add_argument("vectors", type=Path, help="folder in which vectors and scores are kept")
    parser.add_argument("--only", choices=SIZES)
    parser.add_argument(
        "--reranker", type=_named, action="append", default=[], metavar="COLLECTION=FOLDER"
    )
    parser.add_argument(
        "--judge", type=_named, action="append", default=[], metavar="COLLECTION=FILE"
    )
    parser.add_argument(
        "--stronger", help="folder of another encoder, a further witness (128 tokens)"
    )
    parser.add_argument("--sentences", action="store_true", help="let each sentence be a witness")
    parser.add_argument(
        "--sample", type=int, default=0, help="write so many pairs for a judge, and stop"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    encoder = load_encoder(given.encoder, batch_size=32, vectors=given.vectors)
    names = [given.only] if given.only else list(SIZES)
    if given.sample:
        for name in names:
            material = read_material(
                given.collections / name, "train", encoder, *SIZES[name], given.seed
            )
            for row in sample(material, given.sample, given.seed):
                sys.stdout.write(json.dumps(row) + "\n")
        return
    results = {name: measure(name, encoder, given) for name in names}
    if given.out:
        write(results, given)


def write(results: dict[str, dict], given: argparse.Namespace) -> None:
    """Write a file of each collection, and a picture of all collections in the folder."""
    given.out.mkdir(parents=True, exist_ok=True)
    for name, found in results.items():
        facts = {"seed": given.seed, "encoder": Path(given.encoder).name, **found}
        (given.out / f"planted-{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
    files = sorted(given.out.glob("planted-*.json"))
    curves = {
        file.stem.removeprefix("planted-"): json.loads(file.read_text())["false_negatives"][
            VERIFIED
        ]
        for file in files
    }
    draw(curves, given.out / "planted.png")


if __name__ == "__main__":
    main()
