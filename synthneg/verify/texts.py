"""Texts by their places, in a temporary file: however many there are, they take the same memory."""

from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Error
from typing import Self, overload

from synthneg.seen import temporary, unwritable

_BLOCK = 1024  # read at a time where all are


class Texts(Sequence[str]):
    """Texts in the order in which they came, each with an id. Use it as a context.

    Args:
        texts: id and text of each.

    Raises:
        RunError: the temporary file cannot be written.
    """

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        self._base = temporary()
        try:
            self._base.execute("CREATE TABLE texts (place INTEGER PRIMARY KEY, id TEXT, text TEXT)")
            self._base.executemany("INSERT INTO texts (id, text) VALUES (?, ?)", texts)
        except Error as error:
            raise unwritable(error) from error
        [(count,)] = self._base.execute("SELECT count(*) FROM texts")
        self._count = int(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._base.close()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, which: int) -> str: ...
    @overload
    def __getitem__(self, which: slice) -> list[str]: ...
    def __getitem__(self, which: int | slice) -> str | list[str]:
        """Return the text at a place, counted from 0, or those of a slice of neighbours."""
        if isinstance(which, slice):
            start, end, _ = which.indices(self._count)
            found = self._base.execute(
                "SELECT text FROM texts WHERE place > ? AND place <= ?", (start, end)
            )
            return [text for (text,) in found]
        return self._of(which, "text")

    def __iter__(self) -> Iterator[str]:
        for start in range(0, self._count, _BLOCK):
            yield from self[start : start + _BLOCK]

    def id(self, place: int) -> str:
        """Return the id of the text at a place."""
        return self._of(place, "id")

    def _of(self, place: int, column: str) -> str:
        row = self._base.execute(
            f"SELECT {column} FROM texts WHERE place = ?", (place + 1,)
        ).fetchone()
        if row is None:
            raise IndexError(f"expected a place below {self._count}, got {place}")
        return str(row[0])
