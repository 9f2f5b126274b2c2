"""The records of a run's file by one of their fields, without holding them in memory."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, Self, TypeVar

import orjson

from synthneg.errors import RunError
from synthneg.records import from_row
from synthneg.seen import temporary, unwritable

R = TypeVar("R")


class Grouped(Generic[R]):
    """Records of class `kind` by the text in `field`: their places are known, and they are read when asked for.

    Use it as a context. The places lie in a temporary file, so that memory does not grow with the records.

    Raises:
        RunError: there is no such file, or the temporary file cannot be written.
    """

    def __init__(self, file: Path, kind: type[R], field: str) -> None:
        try:
            self._stream = file.open("rb")
        except OSError as error:
            raise RunError(
                f"{file}: not written yet; run the stage before it, or `synthneg run`"
            ) from error
        self._kind, self._count = kind, 0
        self._base = temporary()
        try:
            self._base.execute("CREATE TABLE spans (key TEXT, start INTEGER, end INTEGER)")
            self._base.executemany("INSERT INTO spans VALUES (?, ?, ?)", self._spans(field))
            self._base.execute("CREATE INDEX by_key ON spans (key, start, end)")
        except sqlite3.Error as error:
            raise unwritable(error) from error

    def _spans(self, field: str) -> Iterator[tuple[str, int, int]]:
        """Yield the field of neighbouring records that have it in common, and where they begin and end in bytes."""
        start = end = 0
        key = None
        for line in self._stream:
            found = orjson.loads(line)[field]
            if found != key:
                if key is not None:
                    yield key, start, end
                key, start = found, end
            end += len(line)
            self._count += 1
        if key is not None:
            yield key, start, end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._base.close()
        self._stream.close()

    def __len__(self) -> int:
        """Return how many records the file holds."""
        return self._count

    def keys(self) -> Iterator[str]:
        """Yield the values of the field, in the order of their first record."""
        first = "start = (SELECT min(start) FROM spans WHERE key = one.key)"
        for (key,) in self._base.execute(
            f"SELECT key FROM spans AS one WHERE {first} ORDER BY rowid"
        ):
            yield key

    def __getitem__(self, key: str) -> list[R]:
        """Return the records whose field is `key`, in the file's order; none for an unknown key."""
        return [from_row(self._kind, orjson.loads(line)) for _, line in self.lines(key)]

    def lines(self, key: str) -> Iterator[tuple[int, bytes]]:
        """Yield where in the file each line of these records begins, in bytes, and the line without its end."""
        found = self._base.execute(
            "SELECT start, end FROM spans WHERE key = ? ORDER BY start", (key,)
        )
        for start, end in found.fetchall():
            self._stream.seek(start)
            # The file's lines end in b"\n" alone; str.splitlines would also break at U+2028 in a text.
            for line in self._stream.read(end - start).split(b"\n")[:-1]:
                yield start, line
                start += len(line) + 1
