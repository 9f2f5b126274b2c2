"""The ledger: every request and every raw reply of a run, in one SQLite file. The only memory.

A reply is committed before anything else happens to it. Its key is a hash of all that shapes it (`synthneg.llm.keys`):
an edited prompt never meets an old reply, and a repeated request is never sent twice.

Rows are appended in the order of arrival, and the index holds 16 bytes a key: a ledger of a million replies is written
as fast as one of a thousand. What many requests share (system text, exemplars, sampling, schema) is stored once.
Replies that arrive in one turn of the event loop are committed together. A commit survives the death of this process
at any point; a power failure may cost the last seconds (SQLite's WAL with synchronous=NORMAL), and damages nothing.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from synthneg.errors import RunError
from synthneg.llm.base import Reply, Request
from synthneg.llm.keys import digest_of, shared_part
from synthneg.llm.ledger_file import VERSION, identity_of, open_file, write_anew
from synthneg.llm.ledger_merge import TAKEN, attached, copy_new
from synthneg.llm.ledger_rows import Row, Tried, Waiting, seal_of, tell
from synthneg.llm.used import Spent, Totals

_READ = "text, finish, tokens_in, tokens_out, model, reasoning, top, seal"
_MARKS = ",".join("?" * 14)  # of a row of replies
_MOST_SHARED = 4096  # remembered in memory
_MOST_KEYS = 256  # of one question to SQLite


class Stored(NamedTuple):
    """A reply with what was asked, as `synthneg show` prints them."""

    messages: list[dict[str, str]]
    sampling: dict[str, Any]
    reply: Reply


class Ledger:
    """The replies of one run.

    Args:
        file: the database; made where it is missing.
        read_only: open it without writing a byte, as a look at a run does.
        alone: nobody else may have it open meanwhile, on any machine.

    Raises:
        RunError: the file is damaged, cannot be written, or was written by a version that kept it otherwise; nothing is
            repaired behind the user's back.
    """

    def __init__(self, file: Path, *, read_only: bool = False, alone: bool = False) -> None:
        self._file = file
        self._shared_ids: dict[bytes, int] = {}
        self._waiting: list[Waiting] = []
        try:
            self._base = open_file(file, read_only, alone)
            version = self._base.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            raise self._broken(error) from error
        self._identity = identity_of(file)
        if version != VERSION:
            self._base.close()
            raise RunError(
                f"{file}: this ledger has format {version}, and this version of synthneg reads format {VERSION};"
                " use the version that wrote it, or another run name"
            )

    def get(self, key: str) -> Reply | None:
        """Return the reply stored under `key`, if there is one."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Reply]:
        """Return the replies to those of `keys` that have one."""
        found: dict[str, Reply] = {}
        for start in range(0, len(keys), _MOST_KEYS):
            some = [bytes.fromhex(key) for key in keys[start : start + _MOST_KEYS]]
            marks = ",".join("?" * len(some))
            for key, *fields, top, seal in self._rows(
                f"SELECT key, {_READ} FROM replies WHERE key IN ({marks})", some
            ):
                reply = Reply(*fields)
                if seal != seal_of(key, reply, top):
                    raise self._broken(f"the reply {key.hex()} is not as it was written")
                if top:
                    likely, mean = orjson.loads(top)
                    reply = replace(reply, top=likely, logprob=mean)
                found[key.hex()] = reply
        return found

    def put(self, key: str, identity: str, request: Request, reply: Reply, seconds: float) -> None:
        """Store a reply for good; the first one to a key stays."""
        self.write([Row(key, identity, request, reply, seconds, time.time())])

    async def store(
        self, key: str, identity: str, request: Request, reply: Reply, seconds: float
    ) -> None:
        """Store a reply for good, together with all others of this turn of the event loop."""
        loop = asyncio.get_running_loop()
        self._be_due(loop, seconds)
        committed: asyncio.Future[None] = loop.create_future()
        row = Row(key, identity, request, reply, seconds, time.time())
        self._waiting.append((row, committed))
        await committed

    def put_failure(self, key: str, reason: str, detail: str, seconds: float) -> None:
        """Store that a try failed, and why."""
        self.add_failure(Tried(key, reason, detail, seconds, time.time()))

    def add_failure(self, tried: Tried) -> None:
        """Store a failed try, with when it was."""
        with self._transaction():
            self._base.execute(
                "INSERT INTO failures VALUES (?, ?, ?, ?, ?)",
                (bytes.fromhex(tried.key), *tried[1:]),
            )
            self._base.execute("UPDATE spent SET failures = failures + 1")

    def show(self, key: str) -> Stored | None:
        """Return a stored reply with what was asked; None where there is none."""
        rows = self._rows(
            "SELECT said, body FROM replies JOIN shared ON shared.id = shared WHERE key = ?",
            [bytes.fromhex(key)],
        )
        reply = self.get(key)
        if not rows or reply is None:
            return None
        said, shared = (orjson.loads(part) for part in rows[0])
        _, before, sampling, _ = shared
        return Stored([*before, said], sampling, reply)

    def spent(self, keys: Sequence[str]) -> Spent:
        """Return what the requests with these keys have used."""
        some = [bytes.fromhex(key) for key in keys]
        marks = ",".join("?" * len(some))
        [used] = self._rows(
            "SELECT count(*), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0), coalesce(sum(seconds), 0.0)"
            f" FROM replies WHERE key IN ({marks})",
            some,
        )
        [(failed,)] = self._rows(f"SELECT count(*) FROM failures WHERE key IN ({marks})", some)
        return Spent(used[0] + failed, *used[1:])

    def totals(self) -> Totals:
        """Return what the run has cost so far, over all its starts."""
        [row] = self._rows("SELECT replies, tokens_in, tokens_out, failures FROM spent", [])
        return Totals(*row)

    def fact(self, subject: str, name: str) -> str | None:
        """Return what was learnt of `subject`, such as a backend, under `name`."""
        rows = self._rows("SELECT value FROM facts WHERE subject = ? AND name = ?", [subject, name])
        return str(rows[0][0]) if rows else None

    def facts(self, subject: str) -> dict[str, str]:
        """Return all that was learnt of `subject`, by name."""
        return dict(self._rows("SELECT name, value FROM facts WHERE subject = ?", [subject]))

    def learn(self, subject: str, name: str, value: str | None) -> None:
        """Remember a fact for good; None forgets it."""
        if value is None:
            self._rows("DELETE FROM facts WHERE subject = ? AND name = ?", [subject, name])
        else:
            self._rows("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", [subject, name, value])

    def take_in(self, file: Path, name: str) -> int:
        """Copy what another ledger has got since it was last taken in; return how many replies were new.

        Args:
            file: the other ledger; nobody is at work in it.
            name: under which it is remembered how far it was read.
        """
        try:
            with attached(self._base, file), self._transaction():
                return copy_new(self._base, name)
        except sqlite3.Error as error:
            raise RunError(
                f"{file}: this ledger cannot be read ({error}); if a run is at work with it, wait for its end"
            ) from error

    def has_taken(self, name: str) -> bool:
        """Whether another ledger was ever taken in under this name."""
        return self.fact(TAKEN, name) is not None

    def content(self) -> bytes:
        """Return the bytes of a ledger's file that holds all that is committed here."""
        try:
            return self._base.serialize()
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Commit what waits, and fold the write-ahead log into the file; a second time does nothing."""
        try:
            self._flush()
        finally:
            self._base.close()

    def _be_due(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:  # noqa: ARG002  # see below
        """See to it that a reply which took so many seconds, and is about to wait, is committed soon."""
        if not self._waiting:
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Commit the replies that wait, and tell those who wait for them."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        error: RunError | None = None
        try:
            self.write([row for row, _ in waiting])
        except RunError as raised:
            error = raised
        tell(waiting, error)

    def write(self, rows: list[Row]) -> None:
        """Store replies for good, all of them or none; the first one to a key stays."""
        replies = tokens_in = tokens_out = 0
        with self._transaction():
            for row in rows:
                if self._insert(row):
                    replies += 1
                    tokens_in += row.reply.tokens_in
                    tokens_out += row.reply.tokens_out
            self._base.execute(
                "UPDATE spent SET replies = replies + ?, tokens_in = tokens_in + ?, tokens_out = tokens_out + ?",
                (replies, tokens_in, tokens_out),
            )

        if identity_of(self._file) != self._identity:
            raise self._gone()

    def _insert(self, row: Row) -> bool:
        """Insert a reply; return False where its key has one."""
        shared = shared_part(row.identity, row.request)
        reply, key = row.reply, bytes.fromhex(row.key)
        told = bool(reply.top) or reply.logprob is not None
        top = orjson.dumps((reply.top, reply.logprob)).decode() if told else ""
        said = (reply.text, reply.finish, reply.tokens_in, reply.tokens_out, reply.model)
        asked = (row.request.seed, self._shared_id(shared), orjson.dumps(row.request.messages[-1]))
        values = (key, *said, reply.reasoning, top, seal_of(key, reply, top), row.seconds, row.at)
        done = self._base.execute(
            f"INSERT OR IGNORE INTO replies VALUES ({_MARKS})", values + asked
        )
        return done.rowcount > 0

    def _shared_id(self, shared: bytes) -> int:
        known = self._shared_ids.get(shared)
        if known is None:
            digest = digest_of(shared)
            self._base.execute(
                "INSERT OR IGNORE INTO shared (digest, body) VALUES (?, ?)", (digest, shared)
            )
            [(known,)] = self._base.execute("SELECT id FROM shared WHERE digest = ?", (digest,))
            if len(self._shared_ids) >= _MOST_SHARED:
                self._shared_ids.clear()
            self._shared_ids[shared] = known
        return known

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit what the block writes, all of it or nothing."""
        try:
            self._base.execute("BEGIN IMMEDIATE")
            yield
            self._base.execute("COMMIT")
        except sqlite3.Error as error:
            self._shared_ids.clear()
            with suppress(sqlite3.Error):
                self._base.execute("ROLLBACK")
            raise self._broken(error) from error

    def _rows(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            return self._base.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def _gone(self) -> RunError:
        try:
            place = write_anew(self._base, self._file)
        except (sqlite3.Error, OSError) as error:
            return RunError(
                f"{self._file}: the ledger was deleted while the run was at work, and cannot be written anew ({error});"
                " restore it from a copy"
            )
        remedy = "" if place == self._file else f"; put {place.name} in its place"
        return RunError(
            f"{self._file}: the ledger was deleted or replaced while the run was at work. All its replies are in"
            f" {place}{remedy}; then give the same command again"
        )

    def _broken(self, error: sqlite3.Error | str) -> RunError:
        return RunError(
            f"{self._file}: the ledger cannot be used ({error}); check the disk's space and rights, or restore the file"
            f" from a copy: it holds every reply of this run. What is readable of a damaged file can be saved:"
            f" sqlite3 {self._file.name} .recover | sqlite3 new.sqlite"
        )
