"""How well languages are told by few words, and how often the guard of queries is wrong.

    python benchmarks/prompts/language.py [COLLECTIONS]        # folders of scifact and nfcorpus in BEIR format

1. Detection: the first 3, 6 and 12 words (in Chinese and Japanese: twice as many characters) of 112 sentences.
2. What the guard finds: the same as queries to a passage in English; false alarms: to one in their own language.
3. False alarms: the queries of the train splits with a passage that was judged relevant to each; all are English.
"""

import json
import sys
import time
from pathlib import Path

from synthneg.scoring.language import Language

SENTENCES = json.loads(Path(__file__).with_name("language_sentences.json").read_text())
LENGTHS = (3, 6, 12)


def cut(sentence: str, code: str, words: int) -> str:
    return sentence[: 2 * words] if code in ("zh", "ja") else " ".join(sentence.split()[:words])


def detection(language: Language) -> None:
    print("| words | n | right | sure | right of sure | guard finds it | false alarms |")
    print("|---|---|---|---|---|---|---|")
    passages = {code: ". ".join(all_of) for code, all_of in SENTENCES.items()}
    for length in LENGTHS:
        cases = [(cut(s, c, length), c) for c, all_of in SENTENCES.items() for s in all_of]
        found = [(language.of(text), code) for text, code in cases]
        right = [f.code == code for f, code in found]
        sure = [f.code == code for f, code in found if f.sure]
        foreign = [language.strange(t, passages["en"]) for t, code in cases if code != "en"]
        caught = sum(f is not None for f in foreign)
        # A passage of other sentences than the query's: words in common would guard it.
        halves = [
            (cut(s, c, length), ". ".join(x for x in all_of if x != s))
            for c, all_of in SENTENCES.items()
            for s in all_of
        ]
        alarms = sum(language.strange(*half) is not None for half in halves)
        print(
            f"| {length} | {len(cases)} | {sum(right) / len(cases):.3f} | {len(sure) / len(cases):.3f}"
            f" | {sum(sure) / len(sure):.3f} | {caught / len(foreign):.3f} of {len(foreign)} |"
            f" {alarms} of {len(halves)} |"
        )


def false_alarms(language: Language, folder: Path) -> None:
    queries = {row["_id"]: row["text"] for row in rows(folder / "queries.jsonl")}
    texts = {r["_id"]: f"{r['title']} {r['text']}" for r in rows(folder / "corpus.jsonl")}
    pairs = {}
    for line in (folder / "qrels" / "train.tsv").read_text().splitlines()[1:]:
        query, passage, _ = line.split("\t")
        pairs.setdefault(query, passage)
    start = time.perf_counter()
    alarms = [q for q, p in pairs.items() if language.strange(queries[q], texts[p])]
    each_us = (time.perf_counter() - start) / len(pairs) * 1e6
    unlike = sum(language.of(queries[q]).code != "en" for q in pairs) / len(pairs)
    print(
        f"{folder.name}: {len(alarms)} false alarms of {len(pairs)} ({len(alarms) / len(pairs):.4f}),"
        f" {each_us:.0f} µs each; detection alone calls {unlike:.4f} not English"
    )
    for query in alarms:
        print(f"    {queries[query]!r}: {language.of(queries[query])}")


def rows(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


if __name__ == "__main__":
    start = time.perf_counter()
    language = Language()
    language.of("a first text loads the model")
    print(f"import and load: {time.perf_counter() - start:.2f} s")
    detection(language)
    for name in ("scifact", "nfcorpus"):
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / name
        if folder.is_dir():
            false_alarms(language, folder)
        else:
            print(f"{name}: not measured, {folder} is not here")
