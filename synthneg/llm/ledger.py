"""The ledger: every request and every raw reply of a run, in one SQLite file. The only memory.

A reply is committed before anything else happens to it. Its key is a hash of all that shapes it: messages, sampling,
seed, schema and backend identity; so an edited prompt never meets an old
reply, and a repeated request is never sent twice.
"""

import hashlib
import sqlite3
import time
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from synthneg.errors import RunError
from synthneg.llm.base import Reply, Request

_TABLES = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, identity TEXT NOT NULL, request BLOB NOT NULL, text TEXT NOT NULL, reasoning TEXT NOT NULL,
    finish TEXT NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, model TEXT NOT NULL,
    seconds REAL NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
    key TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, seconds REAL NOT NULL, at REAL NOT NULL
);
"""


class Totals(NamedTuple):
    """What the ledger holds."""

    replies: int
    tokens_in: int
    tokens_out: int
    failures: int


def key_of(identity: str, request: Request) -> str:
    """Return the key of a request put to the backend `identity`: 32 hexadecimal digits."""
    parts = [identity, request.messages, request.sampling, request.seed, request.schema]
    return hashlib.blake2b(
        orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=16
    ).hexdigest()


class Ledger:
    """The replies of one run.

    Raises:
        RunError: the file is damaged or cannot be written; nothing is repaired behind the user's back.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            # Autocommit: each reply is on its own, so that a kill costs none that has come.
            self._base = sqlite3.connect(file, isolation_level=None)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.executescript(_TABLES)
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def get(self, key: str) -> Reply | None:
        """Return the reply stored under `key`, if there is one."""
        row = self._row(
            "SELECT text, finish, tokens_in, tokens_out, model, reasoning FROM replies WHERE key = ?",
            (key,),
        )
        return Reply(*row) if row else None

    def put(self, key: str, identity: str, request: Request, reply: Reply, seconds: float) -> None:
        """Store a reply for good."""
        body = orjson.dumps([request.messages, request.sampling, request.seed, request.schema])
        numbers = (reply.tokens_in, reply.tokens_out, reply.model, seconds, time.time())
        self._write(
            "INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
            (key, identity, body, reply.text, reply.reasoning, reply.finish, *numbers),
        )

    def put_failure(self, key: str, reason: str, detail: str, seconds: float) -> None:
        """Store that a try failed, and why."""
        self._write(
            "INSERT INTO failures VALUES (?, ?, ?, ?, ?)",
            (key, reason, detail, seconds, time.time()),
        )

    def request(self, key: str) -> tuple[list[dict[str, str]], dict[str, Any], Reply] | None:
        """Return (messages, sampling, reply) of a stored key: what `synthneg show` prints."""
        row = self._row("SELECT request FROM replies WHERE key = ?", (key,))
        reply = self.get(key)
        if row is None or reply is None:
            return None
        messages, sampling, _, _ = orjson.loads(row[0])
        return messages, sampling, reply

    def totals(self) -> Totals:
        """Return what the run has cost so far, over all its starts."""
        row = self._row(
            "SELECT count(*), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0),"
            " (SELECT count(*) FROM failures) FROM replies"
        )
        return Totals(*row or (0, 0, 0, 0))

    def close(self) -> None:
        """Fold the write-ahead log into the file."""
        self._base.close()

    def _row(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        """Return the first row that `query` finds."""
        try:
            row: tuple[Any, ...] | None = self._base.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise self._broken(error) from error
        return row

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        try:
            self._base.execute(statement, values)
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def _broken(self, error: sqlite3.Error) -> RunError:
        return RunError(
            f"{self._file}: the ledger cannot be used ({error}); check the disk's space and rights,"
            " or restore the file from a copy: it holds every reply of this run"
        )
