"""What mining takes beside `sentence_transformers.util.mine_hard_negatives`, on the same pairs, vectors and rules.

    python benchmarks/mining/speed.py COLLECTION [COLLECTION ...] --model MODEL [--pairs 10000 100000] [--rounds 3]
                                      [--json FILE]

Passages are three sentences of the collections' documents, drawn by seed 7, and their queries words of the second.
MODEL, a sentence-transformers model, makes the vectors, which both are given: the library by a model whose `encode`
returns what is stored. Both look among the 100 nearest for four negatives per query, at most
.95 of the positive's cosine and .05 below it, and return their texts. Ours also looks for copies of the positive and
of what it has picked, by cosine and by words, which the library does not; it does so at the loosest bounds that the
settings allow, so that the rules are the same but for those few.

Each is a process of its own, and they take turns. CPU is user and system time from the call to its result, memory the
largest resident set within it beyond what stood before the call. With medians over the rounds, and the share of queries
for which both picked the same four.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

COUNT, DEPTH, SHARE, MARGIN = 4, 100, 0.95, 0.05
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")


def pairs(folders: list[str], count: int) -> Iterator[tuple[str, str]]:
    """Yield `count` pairs of a query and its passage: three sentences drawn from all, and words of the second."""
    sentences = [
        sentence
        for folder in folders
        for line in Path(folder, "corpus.jsonl").open(encoding="utf-8")
        for sentence in SENTENCE.split(json.loads(line)["text"])
        if len(sentence.split()) > 8
    ]
    sentences = list(dict.fromkeys(sentences))
    chance = np.random.default_rng(7)
    order = chance.permutation(len(sentences))
    for number in range(count):
        around, place = divmod(number, len(order))  # so that no query comes twice
        asked = sentences[order[place]]
        first, last = (sentences[i] for i in chance.integers(len(sentences), size=2))
        yield " ".join(asked.split()[1 + around : 13]), f"{first} {asked} {last}"


def prepare(folders: list[str], model: str, count: int, place: Path) -> None:
    """Write texts and vectors of `count` pairs."""
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415  # only in this process

    chosen = list(pairs(folders, count))
    (place / "pairs.json").write_text(json.dumps(chosen))
    encoder = SentenceTransformer(model)
    for name, texts in zip(("queries", "passages"), zip(*chosen, strict=True), strict=True):
        rows = encoder.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        np.save(place / f"{name}.npy", rows.astype(np.float32))


class Stored:
    """What the library asks of a model; the vectors are there already."""

    def __init__(self, place: Path) -> None:
        import torch  # noqa: PLC0415  # only in the library's process

        self.device, self._torch = torch.device("cpu"), torch
        self._queries, self._passages = (
            np.load(place / f"{n}.npy") for n in ("queries", "passages")
        )
        self._place: dict[str, int] = {}
        for i, (query, _) in enumerate(json.loads((place / "pairs.json").read_text())):
            self._place.setdefault(query, i)

    def encode_document(self, texts: list[str], **_: object) -> np.ndarray:
        return (
            self._passages
        )  # the library asks for all passages in their order, and none comes twice

    def encode_query(self, texts: list[str], **_: object) -> np.ndarray:
        return self._queries[[self._place[text] for text in texts]]

    def similarity(self, a: np.ndarray, b: np.ndarray) -> object:
        return self._torch.as_tensor(a) @ self._torch.as_tensor(b).T

    def similarity_pairwise(self, a: np.ndarray, b: np.ndarray) -> object:
        return (self._torch.as_tensor(a) * self._torch.as_tensor(b)).sum(1)


def library(place: Path) -> Iterator[dict[str, list[str]]]:
    """Yield nothing when ready, then the library's negatives by query."""
    from datasets import Dataset  # noqa: PLC0415  # only in this process
    from sentence_transformers.util import mine_hard_negatives  # noqa: PLC0415  # as above

    chosen = json.loads((place / "pairs.json").read_text())
    data = Dataset.from_dict({"query": [q for q, _ in chosen], "positive": [p for _, p in chosen]})
    model = Stored(place)
    yield {}
    rows = mine_hard_negatives(
        data,
        model,
        relative_margin=1 - SHARE,
        absolute_margin=MARGIN,
        range_max=DEPTH,
        num_negatives=COUNT,
        output_format="labeled-list",
        verbose=False,
    )
    texts, lists = rows.column_names[:2]
    yield {query: found[1:] for query, found in zip(rows[texts], rows[lists], strict=True)}


def ours(place: Path) -> Iterator[dict[str, list[str]]]:
    """Yield nothing when ready, then our negatives by query."""
    from synthneg.config import RunConfig  # noqa: PLC0415  # only in this process
    from synthneg.mine.miner import Miner  # noqa: PLC0415  # as above
    from synthneg.mine.rank import dense  # noqa: PLC0415  # as above
    from synthneg.records import Origin, Passage, Query  # noqa: PLC0415  # as above
    from synthneg.scoring.corpus import CorpusVectors  # noqa: PLC0415  # as above
    from synthneg.scoring.ids import Ids  # noqa: PLC0415  # as above
    from synthneg.scoring.known import Known  # noqa: PLC0415  # as above
    from synthneg.words import normalized  # noqa: PLC0415  # as above

    chosen = json.loads((place / "pairs.json").read_text())
    passages = [Passage(f"p{i}", text) for i, (_, text) in enumerate(chosen)]
    origin = Origin("given", "", {}, 0, "")
    queries = [Query(f"q{i}", q, f"p{i}", "train", origin) for i, (q, _) in enumerate(chosen)]
    vectors, asked = (np.load(place / f"{name}.npy") for name in ("passages", "queries"))
    row_of = {query: i for i, (query, _) in reversed(list(enumerate(chosen)))}

    class Encoder:
        name = "stored"

        def encode(self, texts: list[str], role: str) -> np.ndarray:
            return asked[[row_of[text] for text in texts]]

    yield {}
    same_words: dict[str, set[str]] = {}
    for query in queries:
        same_words.setdefault(normalized(query.text), set()).add(query.passage_id)
    corpus = CorpusVectors(Ids(p.id for p in passages), vectors)
    mine = {"bm25": 0, "dense": COUNT, "last_rank": DEPTH, "max_negative_share": SHARE}
    loosest = {"max_similarity_to_positive": 1, "near_duplicate_jaccard": 1}
    config = RunConfig(
        run="speed",
        corpus={"path": "x"},
        mine=mine | {"min_negative_margin": MARGIN},
        verify={"documents": loosest},
    )
    known, searches = Known(corpus, same_words), {"dense": dense(vectors)}
    miner = Miner(config, Encoder(), vectors, passages.__getitem__, known, searches)
    yield {
        query.text: [passages[one.row].full_text for one in found.picks]
        for query, [found] in miner.mine(iter(queries), [{"dense": COUNT}])
    }


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def measured(name: str, place: Path) -> None:
    """Mine in this process, and write what it took and what was picked."""
    steps = {"library": library, "ours": ours}[name](place)
    next(steps)
    before, peak, done = resident_mb(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    wall, cpu = time.monotonic(), time.process_time()
    picked = next(steps)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    done.set()
    watcher.join()
    facts = {"CPU s": cpu, "wall s": wall, "memory MB": peak[0] - before, "queries": len(picked)}
    (place / f"{name}.json").write_text(json.dumps(facts))
    (place / f"{name}-picked.json").write_text(json.dumps(picked))


def agreement(place: Path) -> float:
    """Return the share of the library's queries for which ours has the same negatives in the same order."""
    theirs, own = (
        json.loads((place / f"{n}-picked.json").read_text()) for n in ("library", "ours")
    )
    return statistics.mean(own.get(query) == found for query, found in theirs.items())


def compared(count: int, rounds: int, place: Path) -> dict[str, object]:
    """Let both mine in turn and return the medians of what they took."""
    taken: dict[str, list[dict[str, float]]] = {"library": [], "ours": []}
    for number in range(rounds):
        for name in sorted(taken, reverse=bool(number % 2)):
            command = [sys.executable, __file__, "--child", name, "--place", str(place)]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            taken[name].append(json.loads((place / f"{name}.json").read_text()))
    medians = {
        name: {key: statistics.median(one[key] for one in of) for key in of[0]}
        for name, of in taken.items()
    }
    return {"pairs": count, "rounds": rounds, "same picks": agreement(place), **medians}


def show(row: dict[str, object]) -> None:
    library, own = row["library"], row["ours"]
    for name, of in (("library", library), ("ours", own)):
        figures = f"{of['CPU s']:.1f} | {of['wall s']:.1f} | {of['memory MB']:,.0f}"
        print(f"| {row['pairs']:,} | {name} | {figures} | {of['queries']:,} |")
    ratios = (library[key] / own[key] for key in ("CPU s", "wall s", "memory MB"))
    print(f"| | ratio | {' | '.join(f'{r:.1f}' for r in ratios)} | same {row['same picks']:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("collections", nargs="*")
    parser.add_argument("--model")
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", choices=("library", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measured(options.child, options.place)
        return
    print(f"{os.cpu_count()} cores, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}\n")
    print("| pairs | miner | CPU s | wall s | memory MB | queries |\n|---|---|---|---|---|---|")
    rows = []
    for count in options.pairs:
        with tempfile.TemporaryDirectory() as folder:
            prepare(options.collections, options.model, count, Path(folder))
            rows.append(compared(count, options.rounds, Path(folder)))
            show(rows[-1])
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
