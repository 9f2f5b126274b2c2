"""A finished run that was never walked: files of any size as the stages leave them, of texts that the caller makes up.

The report reads nothing else, so this measures it, and shows it texts that no model would write.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from synthneg.config import dump
from synthneg.llm.base import Reply, Request
from synthneg.llm.ledger import Ledger
from synthneg.prompts.render import Message
from synthneg.records import value_places
from synthneg.settings import resolve

Say = Callable[[str, int], str]  # a text for a field, such as "query", and a number
IDENTITY = "http://localhost:1/v1 m"
PER_PASSAGE = 2
OF_QUERY = ("kept", "kept", "kept", "kept", "round_trip", "kept", "kept", "kept", "kept", "copied")
SOURCES = (
    *(("corpus", 3), ("graded", 3), ("graded", 2), ("graded", 1), ("graded", 0), ("negative", 1)),
    *([("bm25", 1)] * 4),
    *([("dense", 1)] * 4),
)


def write_run(folder: Path, queries: int, say: Say) -> Path:
    """Write a run of so many queries into `folder`, whose name is the run's; return it."""
    (folder / "parts" / "rejects.jsonl").mkdir(parents=True)
    (folder / "parts" / "documents.jsonl").mkdir()
    settings = {
        "run": folder.name,
        "corpus": {"path": "corpus.jsonl"},
        "llm": {"price": {"input": 0.5, "output": 1.5}},
    }
    (folder / "run.yaml").write_text(dump(resolve(settings, "invented")))
    with ExitStack() as opened:
        _Writing(folder, say, opened).write(queries)
    _write_whole_set(folder, say)
    return folder


class _Writing:
    """The files of records, written side by side."""

    def __init__(self, folder: Path, say: Say, opened: ExitStack) -> None:
        self.say, self.folder = say, folder

        def file(name: str) -> BinaryIO:
            return opened.enter_context((folder / name).open("wb"))

        self.passages, self.queries = file("passages.jsonl"), file("queries.jsonl")
        self.query_facts, self.verified = file("query_facts.jsonl"), file("verified_queries.jsonl")
        self.documents, self.facts = file("documents.jsonl"), file("document_facts.jsonl")
        self.examples = file("examples.jsonl")
        self.of_documents = file("parts/documents.jsonl/generate.documents.jsonl")
        self.of_negatives = file("parts/documents.jsonl/generate.negatives.jsonl")
        self.dropped = {
            stage: file(f"parts/rejects.jsonl/{stage}.jsonl")
            for stage in (
                "corpus",
                "generate.queries",
                "verify.queries",
                "mine",
                "verify.documents",
            )
        }
        self.ledger = opened.enter_context(closing(Ledger(folder / "ledger.sqlite")))
        self.asked = ""  # key of the last request
        self.kept: Counter[str] = Counter()
        self.reasons: dict[str, Counter[str]] = {stage: Counter() for stage in self.dropped}

    def write(self, queries: int) -> None:
        """Write everything that is a record, and the books."""
        for number in range(queries):
            if number % PER_PASSAGE == 0:
                self._passage(number // PER_PASSAGE)
            self._query(number)
        for number in range(20):
            self._drop("corpus", self.say("id", number), "too_short")
            self._drop("generate.queries", self.say("id", number), "no_reply")
            self._drop("mine", self.say("id", number), "too_near")
        for reason in ("http_429", "timeout"):
            self.ledger.put_failure(f"{7:032x}", reason, "in words", 0.1)
        (self.folder / "books.json").write_bytes(orjson.dumps(self._books(queries)))

    def _passage(self, number: int) -> None:
        row = {"id": self._id(number), "text": self.say("passage", number)}
        self._line(self.passages, row | {"title": self.say("title", number), "split": "train"})
        self.kept["corpus"] += 1

    def _id(self, passage: int) -> str:
        return self.say("id", passage) or f"p{passage}"

    def _query(self, number: int) -> None:
        passage = self._id(number // PER_PASSAGE)
        id, verdict = f"{passage}:question:{number % 2}", OF_QUERY[number % len(OF_QUERY)]
        row = {"id": id, "text": self.say("query", number), "passage_id": passage, "split": "train"}
        row |= {"origin": self._origin("query/question", number, 0), "also": []}
        self._line(self.queries, row)
        self.kept["generate.queries"] += 1
        rank = number * 7 % 60 + 1
        facts = [id, passage, 9, None, 2, self.say("words", number), None, id, {passage: rank}]
        self._line(self.query_facts, [*facts, {}, {}])
        if verdict != "kept":
            self._drop("verify.queries", id, verdict)
            return
        self._line(self.verified, row)
        self.kept["verify.queries"] += 1
        self._documents(id, passage, number, row)

    def _documents(self, query: str, passage: str, number: int, row: dict[str, Any]) -> None:
        facts, judged = [], []
        for place, (source, grade) in enumerate(SOURCES):
            document = self._document(query, passage, number, place)
            line = orjson.dumps(document) if _is_whole(document) else json.dumps(document).encode()
            start = self.documents.tell()
            self.documents.write(line + b"\n")
            if source in ("graded", "negative"):
                into = self.of_documents if source == "graded" else self.of_negatives
                into.write(line + b"\n")
            within = value_places(line)
            spans = ((0, len(line)), within["text"], within["title"], within["origin"])
            at = [start + where for span in spans for where in span]
            scores = {"cosine": 0.9 - 0.02 * place - (number % 17) / 100, "cosine_to_positive": 0.4}
            prompt = document["origin"] and document["origin"]["prompt"]
            shared = [[other, 0.1] for other in range(place)] + [[place, 1.0]]  # itself, too
            facts.append([document["id"], at, source, grade, prompt, 40, place, shared, scores])
            if (number + place) % 5 == 0 and place:
                self._drop("verify.documents", document["id"], "answers")
                continue
            self.kept["verify.documents"] += 1
            flags = ["too_easy"] if (number + place) % 7 == 0 else []
            judged.append(document | {"scores": scores, "wanted_grade": None, "verdicts": flags})
        self._line(self.facts, [query, "whole", facts])
        example = {"query_id": query, "query": row["text"], "passage_id": passage}
        rest = {"split": "train", "origin": row["origin"], "documents": judged}
        self._line(self.examples, example | rest)

    def _document(self, query: str, passage: str, number: int, place: int) -> dict[str, Any]:
        source, grade = SOURCES[place]
        origin, id, text = None, f"{query}:{place}", self.say("document", number * 20 + place)
        if source == "corpus":
            id, text = passage, self.say("passage", number // PER_PASSAGE)
        elif source == "graded":
            origin = self._origin("document/graded", number, 1)
        elif source == "negative":
            origin = self._origin("negative/from-query", number, 2)
        else:
            id = self._id(number // PER_PASSAGE + place)
        row = {"id": id, "query_id": query, "text": text, "title": "", "grade": grade}
        return row | {"source": source, "origin": origin}

    def _origin(self, prompt: str, number: int, which: int) -> dict[str, Any]:
        key = f"{number * 3 + which + 1:032x}"
        if key != self.asked:
            self.asked = key
            messages = (
                Message("system", self.say("system", which)),
                Message("user", self.say("message", number)),
            )
            request = Request(messages, {}, number * 3 + which, None)
            said = Reply(self.say("reply", number), "stop", 300, 60, self.say("model", 0))
            self.ledger.put(key, IDENTITY, request, said, 0.5)
        about = {"model": self.say("model", 0), "sampling": {}, "seed": number, "key": key}
        draws = {"register": self.say("draw", number)}
        return {"prompt": f"{prompt}@1b9d6bcd", **about, "draws": draws, "said": {}}

    def _drop(self, stage: str, id: str, reason: str) -> None:
        self.reasons[stage][reason] += 1
        detail = self.say("detail", self.reasons[stage].total())
        row = {"stage": stage, "id": id, "reason": reason, "detail": detail}
        self._line(self.dropped[stage], row)

    def _line(self, file: BinaryIO, row: Any) -> None:
        data = orjson.dumps(row) if _is_whole(row) else json.dumps(row).encode()
        file.write(data + b"\n")

    def _books(self, queries: int) -> dict[str, Any]:
        dropped = self.reasons
        kept = self.kept | {"mine": 8 * self.kept["verify.queries"]}
        stages = ("corpus", "generate.queries", "verify.queries", "mine", "verify.documents")
        books = {
            stage: {
                "in": kept[stage] + dropped[stage].total(),
                "kept": kept[stage],
                "rejected": {} if stage == "generate.queries" else dict(dropped[stage]),
                "failed": dict(dropped[stage]) if stage == "generate.queries" else {},
            }
            for stage in stages
        }
        verified = kept["verify.queries"]
        books["export"] = {"in": verified, "kept": verified, "rejected": {}, "failed": {}}
        return books


def _is_whole(row: Any) -> bool:
    """Whether no half of a pair of surrogates is in it; the other rows are rare, and written slowly."""
    try:
        orjson.dumps(row)
    except TypeError:
        return False
    return True


def _write_whole_set(folder: Path, say: Say) -> None:
    """Write what is said of the set as a whole, measures and comparisons included."""
    name = say("name", 0)
    overlap = {"set": name, "kind": "query", "found": 3, "left": 2, "examples": []}
    overlap["by"] = {"exact": 2, "jaccard": 1, "cosine": 0}
    probe = {"question": "source", "features": "length", "auc": 0.91, "low": 0.88, "high": 0.94}
    probe |= {"documents": 900, "passages": 300, "note": "", "warning": say("remedy", 0)}
    order = {"sets": 80, "sets_inverted": 60, "pairs": 480, "in_order": 260, "accuracy": 0.5417}
    (folder / "leaks.json").write_bytes(orjson.dumps({"sets": [name], "overlaps": [overlap]}))
    (folder / "probe.jsonl").write_bytes(orjson.dumps(probe) + b"\n")
    (folder / "graded_order.json").write_bytes(orjson.dumps({name: order}))
    (folder / "train_log.jsonl").write_text(
        "".join(json.dumps({"step": step, "loss": 3 - step / 30}) + "\n" for step in range(1, 61))
    )
    (folder / "parts" / "train.done").write_text("")
    (folder / "evaluation").mkdir()
    for file, synthetic in (("people", False), ("held-out", True)):
        evaluation = _evaluation(name if file == "people" else file, synthetic)
        (folder / "evaluation" / f"{file}.json").write_bytes(orjson.dumps(evaluation))
    _write_beside(folder, say)
    finished = {"finished": "2026-01-02T03:04:05Z", "llm": {"from_ledger": 0}, "inputs": ""}
    finished["versions"] = {"synthneg": "0.1.0"}
    (folder / "run.json").write_bytes(orjson.dumps(finished))


def _evaluation(name: str, synthetic: bool) -> dict[str, Any]:
    row = {"mean": 0.505, "low": 0.457, "high": 0.553}
    gap = {"a": "tuned", "measure": "nDCG@10", "mean": 0.01, "low": -0.01, "high": 0.03, "p": 0.3}
    gap |= {"p_holm": 0.4, "comparisons": 2, "smallest": 0.04}
    return {
        "collection": name,
        "split": "test",
        "queries": 300,
        "synthetic": synthetic,
        "seed": 7,
        "resamples": 200,
        "models": {model: {"nDCG@10": row} for model in ("base", "tuned", "bm25")},
        "differences": [gap | {"b": other} for other in ("base", "bm25")],
        "collections": 1,
    }


def _write_beside(folder: Path, say: Say) -> None:
    """Write a comparison of arms and a trial of prompts beside the run."""
    value = {"mean": 0.5, "low": 0.4, "high": 0.6}
    arm = say("arm", 0)
    gap = {"a": arm, "b": "(base)", "measure": "nDCG@10", **value, "p_holm": 0.01}
    found = {"collection": say("name", 0), "queries": 300}
    found["rows"] = {name: {"nDCG@10": value} for name in ("(base)", arm)}
    found["differences"] = [gap | {"verdict": "better"}]
    facts = {"settings": {"run": folder.name}, "collections": [found]}
    trial = {"makes": "query", "a": say("prompt", 0), "b": say("prompt", 1)}
    trial |= {"corpus": "corpus.jsonl", "passages": 50, "model": say("model", 0)}
    row = {"measure": "kept", "a": value, "b": value, "difference": value, "p_holm": None}
    trial["rows"] = [row | {"word": "not distinguishable"}]
    for file, data in (("arms/compare.json", facts), (".trials/compared/one.json", trial)):
        place = folder.parent / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(orjson.dumps(data))


def plain(words: int) -> Say:
    """Return who says as many words of every longer field, the same for the same number."""
    some = (
        "harbour bakery glacier orchard railway beehive foundry library vineyard lighthouse".split()
    )
    short = {"id", "model", "name", "arm", "prompt", "draw", "title"}

    def say(field: str, number: int) -> str:
        if field == "id":
            return f"passage-{number}"
        count = 1 if field in short else 9 if field in ("query", "detail", "words") else words
        return f"{field} {number} " + " ".join(_drawn(some, number, count))

    return say


def _drawn(some: list[str], number: int, count: int) -> Iterator[str]:
    state = number * 2_654_435_761 % 2**32
    for _ in range(count):
        state = (state * 1_103_515_245 + 12_345) % 2**31
        yield some[state // 65_536 % len(some)]
