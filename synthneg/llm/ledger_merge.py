"""What one ledger has, copied into another: each reply once, whoever asked for it, and every failed try."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

TAKEN = "taken in"  # subject of the facts that say how far another ledger was read


@contextmanager
def attached(base: sqlite3.Connection, file: Path) -> Iterator[None]:
    """Have the ledger in `file` beside an open one within the block, under the name `part`."""
    base.execute("ATTACH ? AS part", (str(file),))
    try:
        yield
    finally:
        base.execute("DETACH part")


def copy_new(base: sqlite3.Connection, name: str) -> int:
    """Copy what the attached ledger has got since it was last copied; return how many replies were new.

    Args:
        base: in a transaction.
        name: of the other ledger, under which it is remembered how far it was read.
    """
    ends = [
        base.execute(f"SELECT coalesce(max(rowid), 0) FROM part.{table}").fetchone()[0]
        for table in ("replies", "failures")
    ]
    new = _copy(base, *_start(base, name))
    at = orjson.dumps([*ends, _key(base, ends[0])]).decode()
    base.execute("INSERT OR REPLACE INTO main.facts VALUES (?, ?, ?)", (TAKEN, name, at))
    return new


def _start(base: sqlite3.Connection, name: str) -> tuple[int, int]:
    """Return the rows of replies and failed tries behind which is what is new: 0 where it is another ledger now."""
    known = base.execute(
        "SELECT value FROM main.facts WHERE subject = ? AND name = ?", (TAKEN, name)
    ).fetchone()
    if known is None:
        return 0, 0
    replies, failures, key = orjson.loads(known[0])
    return (replies, failures) if _key(base, replies) == key else (0, 0)


def _key(base: sqlite3.Connection, row: int) -> str:
    """Return the key in a row of the attached ledger; "" where there is no such row."""
    found = base.execute("SELECT hex(key) FROM part.replies WHERE rowid = ?", (row,)).fetchone()
    return str(found[0]) if found else ""


def _copy(base: sqlite3.Connection, replies: int, failures: int) -> int:
    base.execute("INSERT OR IGNORE INTO shared (digest, body) SELECT digest, body FROM part.shared")
    new = base.execute(
        "SELECT count(*), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0) FROM part.replies AS new"
        " WHERE new.rowid > ? AND NOT EXISTS (SELECT 1 FROM main.replies AS old WHERE old.key = new.key)",
        (replies,),
    ).fetchone()
    # CROSS JOIN keeps the order of the tables: rows as they lie, and a look into an index for each.
    base.execute(
        "INSERT OR IGNORE INTO main.replies SELECT key, text, finish, tokens_in, tokens_out, model, reasoning, top,"
        " seal, seconds, at, seed, main.shared.id, said FROM part.replies"
        " CROSS JOIN part.shared ON part.shared.id = part.replies.shared"
        " CROSS JOIN main.shared ON main.shared.digest = part.shared.digest"
        " WHERE part.replies.rowid > ? ORDER BY part.replies.rowid",
        (replies,),
    )
    # What another copy of the same ledger has told already is told once: no two tries ended at one moment.
    tried = base.execute(
        "INSERT INTO main.failures SELECT * FROM part.failures WHERE rowid > ? EXCEPT SELECT * FROM main.failures",
        (failures,),
    ).rowcount
    base.execute(
        "INSERT OR IGNORE INTO main.facts SELECT * FROM part.facts WHERE subject != ?", (TAKEN,)
    )
    base.execute(
        "UPDATE main.spent SET replies = replies + ?, tokens_in = tokens_in + ?, tokens_out = tokens_out + ?,"
        " failures = failures + ?",
        (*new, tried),
    )
    return int(new[0])
