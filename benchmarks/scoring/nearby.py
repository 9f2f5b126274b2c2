"""What verification by the nearest clusters misses, on real texts: against the exact search, for every query.

    python benchmarks/scoring/nearby.py COLLECTIONS --models MODEL... --runs RUN... --cache FOLDER --json FILE

COLLECTIONS holds folders of BEIR's format, RUNS are runs over the same documents, whose generated queries come beside
the collections' own. A corpus is all documents together, or their sentences, from 20,000 to as many as there are. A
query's own passage is the one that it was written from, its best judged document, or the sentence of that which is
nearest to it.

As in a run, 1,000 queries say how far to look; five draws of them (seeds 0 to 4), and each time all other queries are
ranked both ways. `share` is what of the corpus a query looks at; `recall` what is counted of the nearer passages, of
each query up to k; `differ` how many queries pass that an exact search drops. `fixed` is the share of the corpus for
which a fixed number of nearest clusters, the same for each query, has no more wrong verdicts.
"""

import argparse
import csv
import json
import random
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthneg.interval import wilson
from synthneg.records import Passage, Query
from synthneg.run.books import read_records
from synthneg.scoring.base import Encoder, vectors_of
from synthneg.scoring.encoder import load_encoder
from synthneg.scoring.nearby import Nearby
from synthneg.scoring.search import count_above, top_k
from synthneg.verify import nearby

K = 20  # round_trip_k, as the default has it
ENOUGH = 100
TIE = 1e-6  # as in verify.queries
SEEDS = range(5)
SIZES = (20_000, 40_000)  # sentences, and all
LIKE, NEAREST = 0.8, 17  # near duplicates, as in verify.queries
SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
LEAST_WORDS = 5


class Asked(NamedTuple):
    """A query, and the document that it is about."""

    text: str
    document: str


def read_texts(collections: Path, runs: list[Path]) -> tuple[dict[str, str], list[Asked]]:
    """Return all documents by id, and all queries."""
    documents: dict[str, str] = {}
    asked = []
    for folder in sorted(path for path in collections.iterdir() if path.is_dir()):
        for line in (folder / "corpus.jsonl").open():
            row = json.loads(line)
            documents[row["_id"]] = Passage(row["_id"], row["text"], row.get("title", "")).full_text
        texts = {
            row["_id"]: row["text"] for row in map(json.loads, (folder / "queries.jsonl").open())
        }
        best: dict[str, tuple[int, str]] = {}
        for file in sorted(folder.glob("qrels/*.tsv")):
            for row in csv.DictReader(file.open(), delimiter="\t"):
                found = int(row["score"]), row["corpus-id"]
                if (
                    row["corpus-id"] in documents
                    and found[0] > best.get(row["query-id"], (0, ""))[0]
                ):
                    best[row["query-id"]] = found
        asked += [Asked(texts[id], document) for id, (_, document) in best.items()]
    for run in runs:
        asked += [Asked(q.text, q.passage_id) for q in read_records(run / "queries.jsonl", Query)]
    return documents, [one for one in asked if one.document in documents]


def sentences(documents: dict[str, str]) -> tuple[list[str], dict[str, slice]]:
    """Return the sentences of all documents, in an order that is drawn, and where those of each lie."""
    found: list[str] = []
    places = {}
    for id in random.Random(0).sample(sorted(documents), len(documents)):
        start, text = len(found), documents[id]
        cut = SENTENCE.split(text.replace("\n", ". "))
        found += [s for s in cut if len(s.split()) >= LEAST_WORDS] or [text]
        places[id] = slice(start, len(found))
    return found, places


def encoded(encoder: Encoder, texts: list[str], role: Any) -> Any:
    """Return the vectors of the texts, as they lie in the cache."""
    blocks = (texts[start : start + 8192] for start in range(0, len(texts), 8192))
    return vectors_of(encoder, blocks, role)


def compared(
    name: str, queries: NDArray[np.float32], vectors: Any, own: NDArray[np.int64], folder: Path
) -> dict[str, Any]:
    """Return what approximate ranks are, against exact ones, over all seeds."""
    bounds = (queries * vectors[own]).sum(axis=1) + np.float32(TIE)
    start = time.process_time()
    exact = count_above(queries, vectors, bounds)
    exact_s = time.process_time() - start
    search = Nearby(vectors, folder, name)
    gaps, counts = search.gaps(queries, bounds), search.counts(queries, bounds)
    assert np.abs(counts.sum(axis=1) - exact).max() <= 1  # the last bit decides over some
    rows = [_drawn(vectors, queries, bounds, (gaps, counts, exact), seed, folder) for seed in SEEDS]
    of, differ = sum(row["of"] for row in rows), sum(row["differ"] for row in rows)
    return {
        "corpus": name,
        "passages": len(vectors),
        "queries": len(queries),
        "dropped by an exact search": round(float((exact >= K).mean()), 4),
        "share": [row["share"] for row in rows],
        "recall": [row["recall"] for row in rows],
        "differ": [row["differ"] for row in rows],
        "of": rows[0]["of"],
        "differ, share of all draws": [round(x, 5) for x in (differ / of, *wilson(differ, of))],
        "fixed": _fixed(search, gaps, counts, exact, differ / of),
        "CPU of the exact search": [
            round(row["cpu_s"] / exact_s * len(queries) / row["of"], 3) for row in rows
        ],
    }


def _drawn(
    vectors: Any,
    queries: NDArray[np.float32],
    bounds: NDArray[np.float32],
    known: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    seed: int,
    folder: Path,
) -> dict[str, Any]:
    """Return what one draw of the queries that say how far to look leads to, for all other queries."""
    gaps, counts, exact = known
    drawn = np.random.default_rng(seed).permutation(len(queries))
    first, others = drawn[: nearby.CHECKED], np.sort(drawn[nearby.CHECKED :])
    search = Nearby(vectors, folder, f"seed {seed}")
    reach = nearby.reach_of_ranks(search, (queries[first], bounds[first]), K, ENOUGH)
    start = time.process_time()
    found = np.concatenate(list(search.count_above(queries, others, bounds[others], reach, ENOUGH)))
    cpu_s = time.process_time() - start
    right = exact[others]
    assert (found <= right + 1).all()  # as above
    return {
        "of": len(others),
        "share": round(search.looked_at, 4),
        "recall": round(float(np.minimum(found, K).sum() / np.minimum(right, K).sum()), 4),
        "differ": int(((found < K) & (right >= K)).sum()),
        "cpu_s": cpu_s,
    }


def _fixed(
    search: Nearby, gaps: NDArray[Any], counts: NDArray[Any], exact: NDArray[Any], wrong: float
) -> float | None:
    """Return the share that the fewest clusters hold with which no more verdicts are wrong, in steps of a fifth."""
    order = np.argsort(gaps, axis=1)
    found = np.take_along_axis(counts, order, axis=1).cumsum(axis=1)
    sizes = np.diff(search._clusters.starts)[order].cumsum(axis=1)
    number = 1
    while number < gaps.shape[1]:
        if ((found[:, number - 1] < K) & (exact >= K)).mean() <= wrong:
            break
        number = max(number + 1, number * 6 // 5)
    return round(float(sizes[:, min(number, gaps.shape[1]) - 1].mean() / sizes[0, -1]), 4)


def like(queries: NDArray[np.float32], folder: Path) -> dict[str, Any]:
    """Return how many near duplicates among the queries are found."""
    rows, cosines = top_k(queries, queries, NEAREST)
    everyone = np.arange(len(queries))
    pairs = {
        (q, r)
        for q, row, scores in zip(everyone.tolist(), rows.tolist(), cosines.tolist(), strict=True)
        for r, score in zip(row, scores, strict=True)
        if score >= LIKE and r != q
    }
    found = []
    for seed in SEEDS:
        first = np.sort(np.random.default_rng(seed).permutation(len(queries))[: nearby.CHECKED])
        search = Nearby(queries, folder, f"like, seed {seed}")
        reach = nearby.reach_of_pairs(search, queries[first], first, LIKE, NEAREST)
        hits = 0
        for part in search.pairs_within(LIKE, reach, NEAREST):
            hits += sum(
                pair in pairs
                for pair in zip(part.queries.tolist(), part.rows.tolist(), strict=True)
            )
        found.append({"share": round(search.looked_at, 4), "recall": round(hits / len(pairs), 4)})
    return {"queries": len(queries), "pairs": len(pairs), "found": found}


def of_sentences(
    encoder: Encoder,
    about: tuple[list[Asked], NDArray[np.float32]],
    texts: tuple[list[str], dict[str, slice]],
    folder: Path,
) -> list[dict[str, Any]]:
    """Return what `compared` gives of growing numbers of sentences, for the queries whose own are among them."""
    (asked, queries), (cut, places) = about, texts
    vectors = encoded(encoder, cut, "document")
    inside = [i for i, one in enumerate(asked) if places[one.document].stop <= len(cut)]
    parts = [places[asked[i].document] for i in inside]
    best = [int((vectors[p] @ queries[i]).argmax()) for i, p in zip(inside, parts, strict=True)]
    own = np.array([part.start + row for part, row in zip(parts, best, strict=True)])
    found = []
    for size in [size for size in SIZES if size < len(cut)] + [len(cut)]:
        some = own < size
        of = queries[inside][some]
        found.append(compared("sentences", of, vectors[:size], own[some], folder))
    return found


def main() -> None:
    """Compare on all corpora."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collections", type=Path)
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--runs", nargs="*", type=Path, default=[])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--most", type=int, help="sentences; 0: none")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    documents, asked = read_texts(options.collections, options.runs)
    row_of = {id: row for row, id in enumerate(documents)}
    cut, places = sentences(documents)
    cut = cut[: options.most]
    results: dict[str, Any] = {"k": K, "enough": ENOUGH, "checked": nearby.CHECKED}
    for model in options.models:
        encoder = load_encoder(model, batch_size=64, vectors=options.cache)
        queries = encoded(encoder, [one.text for one in asked], "query")[:]
        vectors = encoded(encoder, list(documents.values()), "document")
        own = np.array([row_of[one.document] for one in asked])
        found = [compared("documents", queries, vectors, own, options.cache)]
        if cut:
            found += of_sentences(encoder, (asked, queries), (cut, places), options.cache)
        results[Path(model).name] = {"ranks": found, "like": like(queries, options.cache)}
        print(json.dumps(results[Path(model).name], indent=1), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
