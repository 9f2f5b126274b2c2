"""What was seen before, exactly and on disk: whatever goes by, it takes the same memory."""

import sqlite3
from typing import Self

from synthneg.errors import RunError

_CACHE_KIB = 2048


def temporary() -> sqlite3.Connection:
    """Return a base that lies in a temporary file, all in one transaction, in memory that does not grow with it."""
    # "" is SQLite's own temporary file: it comes to be once the cache is full, and a kill leaves nothing of it.
    base = sqlite3.connect("", isolation_level=None)
    base.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    base.execute("PRAGMA journal_mode=OFF")
    base.execute("BEGIN")  # one transaction for all, or each row would be one
    return base


def unwritable(error: sqlite3.Error) -> RunError:
    """Return what is to be said of a temporary file that cannot be written."""
    return RunError(
        f"what was seen before cannot be remembered ({error});"
        " make room for temporary files, or name another folder for them in the variable TMPDIR"
    )


class Seen:
    """Keys with the name under which each was seen first, in a temporary file that is gone when this is closed.

    Use it as a context. A key costs some 4 µs at a million keys, in memory that does not grow with them.
    """

    def __init__(self) -> None:
        self._base = temporary()
        self._base.execute("CREATE TABLE seen (key PRIMARY KEY, name) WITHOUT ROWID")
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._base.close()

    def __len__(self) -> int:
        return self._count

    def add(self, key: str | bytes, name: str) -> str | None:
        """Return the name under which `key` was seen first, or None where it is new and is now seen as `name`.

        Raises:
            RunError: the temporary file cannot be written.
        """
        try:
            if self._base.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, name)).rowcount:
                self._count += 1
                return None
        except sqlite3.Error as error:
            raise unwritable(error) from error
        return self.name(key)

    def __contains__(self, key: str | bytes) -> bool:
        return self.name(key) is not None

    def name(self, key: str | bytes) -> str | None:
        """Return the name under which `key` was seen first; None where it was not."""
        row = self._base.execute("SELECT name FROM seen WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])
