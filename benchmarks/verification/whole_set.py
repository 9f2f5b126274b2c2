"""What the checks of the whole set find and what they find wrongly, on the train sides of SciFact and NFCorpus.

    python benchmarks/verification/whole_set.py COLLECTIONS [--json FILE]      # BEIR folders of scifact and nfcorpus

1. Leaks: of 400 queries that are held, 150 are planted with each kind of edit; false alarms: 400 other train queries.
   The same of 30 documents judged relevant (100 held), with 60 others as what must pass.
2. Duplicates: train queries that are called near duplicates of an earlier one.
3. Refusals and talk of the task, addresses and numbers: all train queries and all documents; no model wrote them.
4. The shortcut probe: documents of one source, and the same with a planted marker.
5. Time: 100,000 queries compared by MinHash and exactly.

Seed 7; intervals are Wilson's, 95 %. Bounds are the defaults, encoder all-MiniLM-L6-v2.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

from synthneg.config import ContentChecks, DuplicateChecks, LeakChecks
from synthneg.records import Example, Judged, Origin
from synthneg.scoring.encoder import load_encoder
from synthneg.verify.alike import EvaluationSet, to_set, twins
from synthneg.verify.content import talks
from synthneg.verify.leaks import strongest
from synthneg.verify.near import LEAST, letters, near_pairs
from synthneg.verify.nearby import exact_queries
from synthneg.verify.private import private
from synthneg.verify.probe import probes
from synthneg.verify.texts import Texts
from synthneg.verify.whole import twin

SEED = 7
ORIGIN = Origin("planted@00000000", "none", {}, 1, "key")


def rows_of(file):
    return [json.loads(line) for line in file.open(encoding="utf-8")]


def read(folder):
    """Return the train queries and all documents of a collection, in their order."""
    judged = [line.split("\t") for line in (folder / "qrels/train.tsv").open()][1:]
    queries = {row["_id"]: row["text"] for row in rows_of(folder / "queries.jsonl")}
    documents = {
        r["_id"]: f"{r['title']} {r['text']}".strip() for r in rows_of(folder / "corpus.jsonl")
    }
    return (
        list(dict.fromkeys(queries[q] for q, *_ in judged)),
        documents,
        {d for _, d, *_ in judged},
    )


def share(found, n):
    """Return a share with its interval as text."""
    p, z = found / n, 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return f"{p:.3f} ({max(0.0, middle - half):.3f} to {min(1.0, middle + half):.3f})"


def query_edits(text, words, draw):
    """Yield a query as it may come back, by kind."""
    own, place = text.split(), draw.randrange(len(text.split()))
    yield "case and marks", f"{text.upper().rstrip('.?')} ?!"
    letter = draw.randrange(len(text))
    yield "letter dropped", text[:letter] + text[letter + 1 :]
    yield "word inserted", " ".join([*own[:place], draw.choice(words), *own[place:]])
    if len(own) > 2:
        yield "word dropped", " ".join(own[:place] + own[place + 1 :])
        yield "word exchanged", " ".join([*own[:place], draw.choice(words), *own[place + 1 :]])
        swap = draw.randrange(len(own) - 1)
        yield (
            "neighbours swapped",
            " ".join([*own[:swap], own[swap + 1], own[swap], *own[swap + 2 :]]),
        )


def document_edits(text, words, draw):
    """Yield a document as it may come back, by kind."""
    own = text.split()
    yield "case", text.lower()
    yield (
        "1 word in 20 exchanged",
        " ".join(draw.choice(words) if draw.random() < 0.05 else w for w in own),
    )
    sentences = text.split(". ")
    dropped = draw.randrange(len(sentences))
    yield "sentence dropped", ". ".join(s for i, s in enumerate(sentences) if i != dropped)
    draw.shuffle(sentences)
    yield "sentences shuffled", ". ".join(sentences)
    yield "first half", " ".join(own[: len(own) // 2])


def leaks(kind, held, planted, clean, encoder):
    """Return rows of (edit, n, found, by measure) and of the false alarms."""
    texts = {
        f"{edit}|{i}": text for edit, of_kind in planted.items() for i, text in enumerate(of_kind)
    }
    texts |= {f"none|{i}": text for i, text in enumerate(clean)}
    ids = {str(i): text for i, text in enumerate(held)}
    one = EvaluationSet("held", ids if kind == "query" else {}, {} if kind == "query" else ids)
    told = {}
    for alike in to_set(Texts(texts.items()), kind, one, encoder):
        told.setdefault(alike.id, []).append(alike)
    made = []
    for edit in [*planted, "none"]:
        of_kind = [id for id in texts if id.split("|")[0] == edit]
        counted = [strongest(told.get(id, []), LeakChecks()) for id in of_kind]
        by = [c.measure for c in counted if c]
        alone = sum(
            any(a.measure == "cosine" and strongest([a], LeakChecks()) for a in told.get(id, []))
            for id in of_kind
        )
        measures = {m: by.count(m) for m in ("exact", "jaccard", "cosine")}
        made.append(
            {"edit": edit, "n": len(of_kind), "found": len(by), **measures, "cosine alone": alone}
        )
    return made


def measure_leaks(queries, documents, relevant, encoder):
    draw = random.Random(SEED)
    queries = draw.sample(queries, min(800, len(queries)))
    words = [word for query in queries for word in query.split()]
    held, clean = queries[:400], queries[400:]
    planted = {}
    for text in held[:150]:
        for edit, changed in query_edits(text, words, draw):
            planted.setdefault(edit, []).append(changed)
    found = {"query": leaks("query", held, planted, clean, encoder)}
    drawn = draw.sample(sorted(relevant & documents.keys()), 400)
    held, clean = [documents[d] for d in drawn[:100]], [documents[d] for d in drawn[200:260]]
    words = [word for text in held for word in text.split()]
    planted = {}
    for text in held[:30]:
        for edit, changed in document_edits(text, words, draw):
            planted.setdefault(edit, []).append(changed)
    return found | {"document": leaks("document", held, planted, clean, encoder)}


def measure_duplicates(queries, encoder):
    texts = {str(i): text for i, text in enumerate(queries)}
    told, kept, dropped = {}, set(), 0
    nearest = exact_queries(encoder.encode(queries, "query"), 0.8, 17)
    for alike in twins(Texts(texts.items()), nearest):
        told.setdefault(alike.id, []).append(alike)
    for id in texts:
        if twin(told.get(id, []), kept, DuplicateChecks()):
            dropped += 1
        else:
            kept.add(id)
    return {"n": len(queries), "found": dropped}


def measure_content(queries, documents):
    checks = ContentChecks(private=("email", "phone"), phone_region="US")
    made = {}
    for name, texts in (("queries", queries), ("documents", list(documents.values()))):
        start = time.process_time()
        said = [found for text in texts if (found := talks(text))]
        spent = (time.process_time() - start) / len(texts) * 1e6
        kept = [found.reason for text in texts if (found := private(text, checks))]
        made[name] = {
            "n": len(texts),
            "talks": len(said),
            "microseconds": round(spent),
            "private": {reason: kept.count(reason) for reason in sorted(set(kept))},
        }
    return made


def examples_of(documents, change, n):
    """Return examples of one corpus document and two that pass for generated, changed."""
    texts = random.Random(SEED).sample(list(documents.values()), 3 * n)
    return [
        Example(
            f"q{i}",
            "?",
            f"p{i}",
            "train",
            ORIGIN,
            tuple(
                Judged(
                    f"{i}.{j}",
                    change(text) if j else text,
                    "",
                    1 if j else 3,
                    "negative" if j else "corpus",
                    {},
                    ORIGIN if j else None,
                )
                for j, text in enumerate(texts[3 * i : 3 * i + 3])
            ),
        )
        for i in range(n)
    ]


CHANGES = {
    "none": lambda text: text,
    "cut at 120 words": lambda text: " ".join(text.split()[:120]),
    "an opening word": lambda text: f"Notably, {text}",
    "no brackets, no figures": lambda text: "".join(c for c in text if c not in "()[]0123456789"),
}


def measure_probe(documents):
    made = []
    for name, change in CHANGES.items():
        start = time.process_time()
        for probe in probes(examples_of(documents, change, 300), 0.8, SEED):
            if probe.question == "source":
                made.append(
                    {
                        "planted": name,
                        "features": probe.features,
                        "auc": probe.auc,
                        "low": probe.low,
                        "high": probe.high,
                        "n": probe.documents,
                    }
                )
        made[-1]["cpu_s"] = round(time.process_time() - start, 1)
    return made


def measure_time(words):
    """Return the seconds that 100,000 texts of ten words take, words drawn as often as queries have them."""
    draw = random.Random(SEED)
    texts = [" ".join(draw.choices(words, k=10)) for _ in range(100_000)]
    start = time.process_time()
    pairs = sum(1 for _ in near_pairs(texts, letters, LEAST))
    return {"texts": len(texts), "pairs": pairs, "cpu_s": round(time.process_time() - start, 1)}


def table(head, rows):
    """Print a Markdown table."""
    for line in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(map(str, line)) + " |")


def show(name, made):
    print(f"\n### {name}\n")
    for kind, rows in made["leaks"].items():
        head = (
            f"{kind}: edit",
            "n",
            "called a leak",
            "exact",
            "jaccard",
            "cosine",
            "by cosine alone",
        )
        table(
            head,
            [
                (
                    row["edit"],
                    row["n"],
                    share(row["found"], row["n"]),
                    *(row[measure] for measure in ("exact", "jaccard", "cosine")),
                    share(row["cosine alone"], row["n"]),
                )
                for row in rows
            ],
        )
    found = made["duplicates"]
    print(f"\nnear duplicates among train queries: {share(found['found'], found['n'])}")
    print(f"content: {made['content']}\n")
    told = [
        (r["planted"], r["features"], f"{r['auc']:.2f} ({r['low']:.2f} to {r['high']:.2f})", r["n"])
        for r in made["probe"]
    ]
    table(("planted", "features", "AUC", "n"), told)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("collections", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--vectors", type=Path, help="folder that keeps vectors between runs")
    arguments = parser.parse_args()
    encoder = load_encoder("all-MiniLM-L6-v2", batch_size=64, vectors=arguments.vectors)
    made, words = {}, []
    for name in ("scifact", "nfcorpus"):
        queries, documents, relevant = read(arguments.collections / name)
        words += [word for query in queries for word in query.split()]
        made[name] = {
            "leaks": measure_leaks(queries, documents, relevant, encoder),
            "duplicates": measure_duplicates(queries, encoder),
            "content": measure_content(queries, documents),
            "probe": measure_probe(documents),
        }
        show(name, made[name])
    made["time"] = measure_time(words)
    print(made["time"])
    if arguments.json:
        arguments.json.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
