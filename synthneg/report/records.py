"""The records that a page shows: each with its texts, scores, checks, verdict, and the request and reply behind it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from synthneg.config import DocumentChecks, QueryChecks
from synthneg.generate.asking import LEDGER
from synthneg.llm.ledger import Ledger
from synthneg.printable import capped
from synthneg.progress import track
from synthneg.records import Row
from synthneg.report.checks import document_rows, query_rows
from synthneg.report.rows import parsed, rows
from synthneg.report.strings import Strings, embedded
from synthneg.report.walk import (
    FAILED,
    SeenDocument,
    SeenGroup,
    SeenQuery,
    seen_groups,
    seen_queries,
)
from synthneg.run import Run
from synthneg.run.books import read_books
from synthneg.verify.measure import NAME as DOCUMENTS
from synthneg.verify.queries import NAME as QUERIES
from synthneg.verify.thresholds import document_checks, query_checks

MOST_RECORDS = 5_000
MOST_BYTES = 7_000_000
_MOST_QUERIES = 1_000
_MOST_CHARS = 6_000  # of one text
_MOST_NAME = 300  # of a title or a name
_MOST_OF_A_REASON = 25  # of what was dropped before it was a query or a document


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page embeds: `records`, the `strings` they point into, the `replies` likewise; and of how many."""

    records: list[Row]
    strings: list[str]
    replies: list[Row]
    queries: int  # shown with all their documents


class _Found:
    """What is read of the chosen queries before their records are made."""

    def __init__(self, run: Run, ids: Sequence[str]) -> None:
        wanted = set(ids)
        queries = track(seen_queries(run), "report", "queries looked up")
        self.queries = {seen.row["id"]: seen for seen in queries if seen.row["id"] in wanted}
        groups = track(seen_groups(run), "report", "their documents looked up")
        self.groups = {seen.query_id: seen for seen in groups if seen.query_id in wanted}
        used = {p for q in self.queries.values() for p in (q.row["passage_id"], *_also(q.row))}
        read = rows(run.file("passages.jsonl"))
        self.passages = {row["id"]: row for row in read if row["id"] in used}
        self.judged: dict[tuple[str, str], list[Row]] = {}
        if "verify.judge" in run.books():
            for row in rows(run.part("scores.jsonl", "verify.judge")):
                if row["query_id"] in wanted:
                    key = (row["query_id"], row["document_id"])
                    self.judged.setdefault(key, []).append(row)


def _also(row: Row) -> tuple[str, ...]:
    return tuple(row.get("also", ()))


def collect(run: Run, ids: Iterable[str]) -> Shown:
    """Return the records of as many of these queries as a page has room for, then what never became one.

    Args:
        run: its folder is locked.
        ids: of queries, in the order in which they are wanted.
    """
    chosen = list(islice(ids, _MOST_QUERIES))
    with ExitStack() as opened:
        made = _Making(run, _Found(run, chosen), opened)
        dropped = [made.dropped(row) for row in _dropped(run)]
        count = 0
        for id in chosen:
            if len(made.records) + len(dropped) >= MOST_RECORDS or made.size >= MOST_BYTES:
                break
            made.add(id)
            count += 1
        return Shown([*made.records, *dropped], made.strings.all(), made.replies, count)


def _dropped(run: Run) -> Iterator[Row]:
    """Yield the first rejects of each stage and reason that are of no query and no document."""
    books = read_books(run.folder)
    for stage in books:
        if stage in (QUERIES, DOCUMENTS):
            continue
        seen: dict[str, int] = {}
        for row in rows(run.part("rejects.jsonl", stage)):
            seen[row["reason"]] = seen.get(row["reason"], 0) + 1
            if seen[row["reason"]] <= _MOST_OF_A_REASON:
                verdict = FAILED if row["reason"] in books[stage]["failed"] else "rejected"
                yield row | {"verdict": verdict}


class _Making:
    """Records in the making."""

    def __init__(self, run: Run, found: _Found, opened: ExitStack) -> None:
        self.strings, self.replies, self.records = Strings(_MOST_CHARS), list[Row](), list[Row]()
        self._bytes = 0
        self._found = found
        self._places: dict[str, int | None] = {}  # of replies, by their keys
        self._checks: tuple[QueryChecks, DocumentChecks] | None = None
        if QUERIES in run.books():
            self._checks = (query_checks(run), document_checks(run))
        self._file = run.file("documents.jsonl")
        self._texts = _opened(self._file, opened)
        self._ledger: Ledger | None = None
        if run.has(LEDGER):
            self._ledger = Ledger(run.file(LEDGER), read_only=True)
            opened.callback(self._ledger.close)

    @property
    def size(self) -> int:
        """Bytes that all of it takes in the page."""
        return self._bytes + self.strings.size

    def add(self, id: str) -> None:
        """Make the records of a query and its documents."""
        query, group = self._found.queries.get(id), self._found.groups.get(id)
        if query is not None:
            self._put(self._query(query))
        if group is not None:
            for seen in group.documents:
                self._put(self._document(seen, group))

    def dropped(self, row: Row) -> Row:
        """Return the record of something that never became a query or a document."""
        kind = "passage" if row["stage"] == "corpus" else "no record"
        return self._base(kind, row["id"], "", row["verdict"], row["reason"], row["detail"]) | {
            "stage": row["stage"]
        }

    def _put(self, record: Row) -> None:
        self.records.append(record)
        self._bytes += len(embedded(record).encode()) + 1

    def _base(self, kind: str, id: str, query: str, *outcome: str) -> Row:
        verdict, reason, detail = outcome
        return {
            "kind": kind,
            "id": id,
            "query": query,
            "verdict": verdict,
            "reason": reason,
            "detail": self.strings.add(detail) if detail else None,
        }

    def _query(self, seen: SeenQuery) -> Row:
        row = seen.row
        checks = query_rows(seen.facts, self._checks[0]) if self._checks and seen.facts else ()
        passages = [self._passage(id) for id in (row["passage_id"], *_also(row))]
        return (
            self._base("query", row["id"], row["id"], *seen.outcome)
            | {"stage": QUERIES, "split": row["split"], "text": self.strings.add(row["text"])}
            | {"passages": passages, "checks": [list(check) for check in checks]}
            | self._origin(row["origin"])
        )

    def _passage(self, id: str) -> list[Any]:
        row = self._found.passages.get(id)
        text = "" if row is None else f"{row['title']}\n{row['text']}".strip()
        return [id, self.strings.add(text)]

    def _document(self, seen: SeenDocument, group: SeenGroup) -> Row:
        facts, judged = seen.facts, seen.judged
        row = self._text(facts.at)
        checks = document_rows(seen, group.documents, self._checks[1]) if self._checks else ()
        said = self._found.judged.get((group.query_id, facts.id), ())
        # What a judge has said stands beside the facts, whose file knows nothing of it.
        scores = facts.scores | {one["scorer"]: one["value"] for one in said}
        best = group.documents[0].facts.scores.get("cosine")
        margin = None if best is None or "cosine" not in scores else best - scores["cosine"]
        return (
            self._base("document", facts.id, group.query_id, *seen.outcome)
            | {"stage": DOCUMENTS, "source": facts.source, "words": facts.words}
            | {"grade": facts.grade if judged is None else judged["grade"], "wanted": facts.grade}
            | {"flags": [] if judged is None else list(judged["verdicts"])}
            | {"cosine": scores.get("cosine"), "margin": margin, "scores": scores}
            | {"title": capped(row["title"], _MOST_NAME), "text": self.strings.add(row["text"])}
            | {"checks": [list(check) for check in checks]}
            | {"judges": self._judges(said)}
            | self._origin(row["origin"])
        )

    def _text(self, at: Sequence[int]) -> Row:
        if self._texts is None:
            return {"title": "", "text": "", "origin": None}
        self._texts.seek(at[0])
        row: Row = parsed(self._texts.read(at[1] - at[0]), self._file)
        return row

    def _judges(self, said: Iterable[Row]) -> list[int]:
        places = (self._reply(row["key"]) for row in said if row["key"])
        return [place for place in dict.fromkeys(places) if place is not None]

    def _origin(self, origin: Mapping[str, Any] | None) -> Row:
        if origin is None:
            return {}
        about = {name: origin[name] for name in ("model", "seed", "sampling", "draws", "said")}
        about["ledger key"] = origin["key"]
        return {
            "prompt": origin["prompt"],
            "origin": self.strings.add(json.dumps(about, indent=1, ensure_ascii=False)),
            "reply": self._reply(origin["key"]),
        }

    def _reply(self, key: str) -> int | None:
        """Return the place of a reply with what was asked; None where the ledger has none."""
        if key not in self._places:
            stored = self._ledger.show(key) if self._ledger is not None and key else None
            self._places[key] = None
            if stored is not None:
                reply = stored.reply
                messages = [[m["role"], self.strings.add(m["content"])] for m in stored.messages]
                said = {"messages": messages, "text": self.strings.add(reply.text)}
                said |= {"finish": reply.finish, "model": capped(reply.model, _MOST_NAME)}
                said |= {"tokens_in": reply.tokens_in, "tokens_out": reply.tokens_out}
                if reply.reasoning:
                    said["reasoning"] = self.strings.add(reply.reasoning)
                self._places[key] = len(self.replies)
                self.replies.append(said)
                self._bytes += len(embedded(said).encode()) + 1
        return self._places[key]


def _opened(file: Path, opened: ExitStack) -> BinaryIO | None:
    return opened.enter_context(file.open("rb")) if file.exists() else None
