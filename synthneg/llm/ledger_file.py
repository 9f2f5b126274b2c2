"""The ledger's file: its tables, how it is opened, and what is done when it is deleted while a run is at work."""

import os
import sqlite3
import time
from pathlib import Path

_CACHE_KIB = 16_384
# Seconds that a lock is waited for: of another process, which holds it for a moment, or of a worker that was given up
# and is about to end.
_SHARED_S, _ALONE_S = 5.0, 60.0
VERSION = 2
_TABLES = """
CREATE TABLE IF NOT EXISTS shared (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS replies (
    key BLOB NOT NULL UNIQUE, text TEXT NOT NULL, finish TEXT NOT NULL, tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL, model TEXT NOT NULL, reasoning TEXT NOT NULL, top TEXT NOT NULL, seal INTEGER NOT NULL,
    seconds REAL NOT NULL, at REAL NOT NULL, seed INTEGER NOT NULL, shared INTEGER NOT NULL, said BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS failures (
    key BLOB NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, seconds REAL NOT NULL, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS spent (replies INTEGER, tokens_in INTEGER, tokens_out INTEGER, failures INTEGER);
CREATE TABLE IF NOT EXISTS facts (
    subject TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (subject, name)
);
INSERT INTO spent SELECT 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM spent);
"""


def open_file(file: Path, read_only: bool, alone: bool) -> sqlite3.Connection:
    """Return a connection in autocommit mode; transactions are begun by hand.

    Args:
        file: the database; made where it is missing, unless it is to be read only.
        read_only: not a byte is written.
        alone: nobody else may read or write it meanwhile, not from another machine either. Its write-ahead log then
            needs no memory that processes share, which a network's file system does not have.
    """
    if read_only:
        # Without a log nobody is at work, and the file alone says all; a log is read through files beside it.
        log = file.with_name(f"{file.name}-wal")
        at_work = log.exists() and os.access(file.parent, os.W_OK)
        mode = "ro" if at_work else "ro&immutable=1"
        address = f"{file.resolve().as_uri()}?mode={mode}"
        return sqlite3.connect(address, uri=True, isolation_level=None)
    base = sqlite3.connect(file, isolation_level=None, timeout=_ALONE_S if alone else _SHARED_S)
    try:
        if alone:
            base.execute("PRAGMA locking_mode=EXCLUSIVE")
        new = base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        _keep_a_log(base)
        base.execute("PRAGMA synchronous=NORMAL")
        base.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        if new:
            base.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version={VERSION};COMMIT;")
    except sqlite3.Error:
        base.close()
        raise
    return base


def _keep_a_log(base: sqlite3.Connection) -> None:
    """Turn on the write-ahead log: SQLite does not wait here where another process does the same to a new file."""
    for _ in range(100):
        try:
            base.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(0.05)
    base.execute("PRAGMA journal_mode=WAL")


def identity_of(file: Path) -> tuple[int, int] | None:
    """Return what tells this file from another of the same name; None where there is none."""
    try:
        state = os.stat(file)
    except OSError:
        return None
    return state.st_dev, state.st_ino


def write_anew(base: sqlite3.Connection, file: Path) -> Path:
    """Write what an open database holds, whose file is gone, to a file again; close it, and return the new file.

    A file that has come to stand in its place is left as it is.
    """
    part = file.with_name(f"{file.name}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    copy = sqlite3.connect(part)
    try:
        base.backup(copy)
    finally:
        copy.close()
    base.close()  # first, since it takes away the write-ahead log of that name
    place = file.with_name(f"{file.name}.saved") if file.exists() else file
    os.replace(part, place)
    return place
