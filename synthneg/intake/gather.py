"""The parts of a dataset, gathered on disk: they come in any order, and go by document, query and label."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Self

import orjson

from synthneg.dataset.formats.parts import Asked, Label, Part, Text
from synthneg.errors import RunError
from synthneg.records import Passage

_CACHE_KIB = 8192
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TABLES = """
CREATE TABLE documents (id TEXT PRIMARY KEY, number INTEGER, title TEXT, text TEXT, place TEXT);
CREATE TABLE queries (id TEXT PRIMARY KEY, number INTEGER, text TEXT, held_out INTEGER, place TEXT);
CREATE TABLE labels (number INTEGER PRIMARY KEY, query_id TEXT, document_id TEXT, value INTEGER, raw INTEGER,
    source TEXT, scores TEXT, stated INTEGER, place TEXT);
CREATE TABLE answers (query_id TEXT PRIMARY KEY, document_id TEXT);
CREATE TABLE written (document_id TEXT PRIMARY KEY);
CREATE TABLE faults (stage TEXT, id TEXT, reason TEXT, detail TEXT);
"""
_OF_DOCUMENTS, _OF_QUERIES = "corpus", "generate.queries"  # the stages whose books tell of them


class Fault(NamedTuple):
    """A document or query of the dataset that cannot be used as it is."""

    id: str
    reason: str
    detail: str


class Labelled(NamedTuple):
    """A label as it was found."""

    document_id: str
    value: int
    raw: bool
    source: str
    scores: Mapping[str, float]
    stated: bool
    place: str


class Question(NamedTuple):
    """A query as it was found."""

    id: str
    text: str
    held_out: bool


class Gathered:
    """The parts of one dataset in a temporary file that is gone when this is closed; memory does not grow with them.

    Use it as a context. Of documents or queries with one id the first counts; what another one says is a fault:
    `duplicate` where a line says the same again, `other_text` where it says something else.
    """

    def __init__(self) -> None:
        # "" is SQLite's own temporary file: it comes to be once the cache is full, and a kill leaves nothing of it.
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.executescript(_TABLES)
        self._base.execute("BEGIN")
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._base.close()

    def add(self, part: Part) -> None:
        """Take in a part.

        Raises:
            RunError: the temporary file cannot be written.
        """
        self._count += 1
        try:
            if isinstance(part, Label):
                self._add_label(part)
            elif isinstance(part, Text):
                self._add_document(part)
            else:
                self._add_query(part)
        except sqlite3.Error as error:
            raise RunError(
                f"what was read cannot be remembered ({error}); make room for temporary files, or name another folder"
                " for them in the variable TMPDIR"
            ) from error

    def _add_document(self, part: Text) -> None:
        if fault := _fault(part.id, f"{part.title} {part.text}", part.where):
            self._add_fault(_OF_DOCUMENTS, fault)
            return
        row = (part.id, self._count, part.title, part.text, part.where)
        if not self._insert("documents", row):
            same = self._base.execute(
                "SELECT title = ? AND text = ?, place FROM documents WHERE id = ?",
                (part.title, part.text, part.id),
            )
            self._add_again(_OF_DOCUMENTS, part, *same.fetchone())

    def _add_query(self, part: Asked) -> None:
        if fault := _fault(part.id, part.text, part.where):
            self._add_fault(_OF_QUERIES, fault)
            return
        held_out = part.split == "held_out"
        if not self._insert("queries", (part.id, self._count, part.text, held_out, part.where)):
            same = self._base.execute(
                "SELECT text = ?, place FROM queries WHERE id = ?", (part.text, part.id)
            )
            self._add_again(_OF_QUERIES, part, *same.fetchone())
            self._hold_out(part.id, held_out)

    def _add_label(self, part: Label) -> None:
        self._base.execute(
            "INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._count,
                part.query_id,
                part.document_id,
                part.value,
                part.raw,
                part.source,
                orjson.dumps(dict(part.scores)).decode(),
                part.stated,
                part.where,
            ),
        )
        self._hold_out(part.query_id, part.split == "held_out")

    def _insert(self, table: str, row: tuple[object, ...]) -> bool:
        places = ", ".join("?" * len(row))
        return bool(
            self._base.execute(f"INSERT OR IGNORE INTO {table} VALUES ({places})", row).rowcount
        )

    def _hold_out(self, query_id: str, held_out: bool) -> None:
        """Keep a query out of training that stands in a split for validation as well."""
        if held_out:
            self._base.execute("UPDATE queries SET held_out = 1 WHERE id = ?", (query_id,))

    def _add_again(self, stage: str, part: Text | Asked, same: int, first: str) -> None:
        if not same:
            detail = f"another text at {part.where} than at {first}"
            self._add_fault(stage, Fault(part.id, "other_text", detail))
        elif part.stated:
            self._add_fault(stage, Fault(part.id, "duplicate", f"{part.where} repeats {first}"))

    def _add_fault(self, stage: str, fault: Fault) -> None:
        self._base.execute("INSERT INTO faults VALUES (?, ?, ?, ?)", (stage, *fault))

    def faults(self, stage: str) -> Iterator[Fault]:
        """Yield what is wrong with documents (stage corpus) or queries (stage generate.queries)."""
        rows = self._base.execute(
            "SELECT id, reason, detail FROM faults WHERE stage = ? ORDER BY rowid", (stage,)
        )
        yield from map(Fault._make, rows)

    def highest(self) -> int:
        """Return the highest label on the dataset's own scale; 0 where it has none."""
        found = self._base.execute("SELECT max(value) FROM labels WHERE raw").fetchone()[0]
        return int(found or 0)

    def lowest(self) -> int:
        """Return the lowest label on the dataset's own scale; 0 where it has none."""
        found = self._base.execute("SELECT min(value) FROM labels WHERE raw").fetchone()[0]
        return int(found or 0)

    def settle(self, query_id: str, positive: str | None, written: Iterable[str]) -> None:
        """Remember a query's first positive, None where it has none, and which of its documents a model wrote."""
        if positive is not None:
            self._base.execute("INSERT INTO answers VALUES (?, ?)", (query_id, positive))
        for id in written:
            self._base.execute("INSERT OR IGNORE INTO written VALUES (?)", (id,))

    def passages(self) -> Iterator[Passage]:
        """Yield the documents that no model wrote, in the order in which they came.

        Held out is what answers held-out queries alone. The queries are settled before.
        """
        self._base.execute("CREATE INDEX IF NOT EXISTS by_answer ON answers (document_id)")
        for id, title, text, train in self._base.execute(
            "SELECT id, title, text, (SELECT min(held_out) FROM answers JOIN queries ON queries.id = query_id"
            " WHERE document_id = documents.id) FROM documents"
            " WHERE id NOT IN (SELECT document_id FROM written) ORDER BY number"
        ):
            yield Passage(id, text, title, "held_out" if train else "train")

    def settled(self) -> Iterator[tuple[Question, list[Labelled]]]:
        """Yield each query that has a positive, with its labels; in the order of the positives."""
        return self._questions(
            "FROM answers JOIN queries ON queries.id = query_id"
            " JOIN documents ON documents.id = document_id ORDER BY documents.number, queries.number"
        )

    def unanswered(self) -> Iterator[tuple[Question, list[Labelled]]]:
        """Yield each query that has no positive, with its labels; in the order in which they came."""
        return self._questions(
            "FROM queries WHERE id NOT IN (SELECT query_id FROM answers) ORDER BY queries.number"
        )

    def labelled(self) -> Iterator[tuple[Question, list[Labelled]]]:
        """Yield each query with its labels, in the order in which they came."""
        return self._questions("FROM queries ORDER BY queries.number")

    def _questions(self, rest: str) -> Iterator[tuple[Question, list[Labelled]]]:
        self._base.execute("CREATE INDEX IF NOT EXISTS by_query ON labels (query_id, number)")
        for id, text, held_out in self._base.execute(
            f"SELECT queries.id, queries.text, held_out {rest}"
        ):
            yield Question(id, text, bool(held_out)), self._labels(id)

    def document(self, id: str) -> tuple[str, str] | None:
        """Return title and text of a document; None where the dataset has none of this id."""
        found = self._base.execute("SELECT title, text FROM documents WHERE id = ?", (id,))
        row: tuple[str, str] | None = found.fetchone()
        return row

    def _labels(self, query_id: str) -> list[Labelled]:
        rows = self._base.execute(
            "SELECT document_id, value, raw, source, scores, stated, place FROM labels WHERE query_id = ?"
            " ORDER BY number",
            (query_id,),
        )
        return [
            Labelled(d, value, bool(raw), source, orjson.loads(scores), bool(stated), place)
            for d, value, raw, source, scores, stated, place in rows
        ]

    def strangers(self) -> Iterator[tuple[str, str, str]]:
        """Yield the ids of queries that labels name and the dataset lacks, with the document's id and the place."""
        yield from self._base.execute(
            "SELECT query_id, document_id, place FROM labels WHERE query_id NOT IN (SELECT id FROM queries)"
            " ORDER BY number"
        )


def _fault(id: str, text: str, where: str) -> Fault | None:
    if not text.isascii() and _LONE_SURROGATE.search(text):
        return Fault(id, "lone_surrogate", f"half a surrogate pair at {where}")
    return None if text.strip() else Fault(id, "empty", f"no text at {where}")
