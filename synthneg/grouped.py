"""The records of a run's file by one of their fields, without holding them in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Generic, Self, TypeVar

import orjson

from synthneg.errors import RunError
from synthneg.records import from_row

R = TypeVar("R")


class Grouped(Generic[R]):
    """Records of class `kind` by the text in `field`: their places are known, and they are read when asked for.

    Use it as a context. Neighbours with the same field share one entry, so that memory grows with the groups and not
    with the records.

    Raises:
        RunError: there is no such file.
    """

    def __init__(self, file: Path, kind: type[R], field: str) -> None:
        try:
            self._stream = file.open("rb")
        except OSError as error:
            raise RunError(
                f"{file}: not written yet; run the stage before it, or `synthneg run`"
            ) from error
        self._kind = kind
        self._spans: dict[str, list[int]] = {}  # start, end, start, end …
        self._count = 0
        self._index(field)

    def _index(self, field: str) -> None:
        start = 0
        for line in self._stream:
            end = start + len(line)
            spans = self._spans.setdefault(orjson.loads(line)[field], [])
            if spans and spans[-1] == start:
                spans[-1] = end
            else:
                spans += (start, end)
            start = end
            self._count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def __len__(self) -> int:
        """Return how many records the file holds."""
        return self._count

    def keys(self) -> Iterator[str]:
        """Yield the values of the field, in the order of their first record."""
        yield from self._spans

    def __getitem__(self, key: str) -> list[R]:
        """Return the records whose field is `key`, in the file's order; none for an unknown key."""
        return [from_row(self._kind, orjson.loads(line)) for _, line in self.lines(key)]

    def lines(self, key: str) -> Iterator[tuple[int, bytes]]:
        """Yield where in the file each line of these records begins, in bytes, and the line without its end."""
        spans = self._spans.get(key, [])
        for start, end in zip(spans[::2], spans[1::2], strict=True):
            self._stream.seek(start)
            # The file's lines end in b"\n" alone; str.splitlines would also break at U+2028 in a text.
            for line in self._stream.read(end - start).split(b"\n")[:-1]:
                yield start, line
                start += len(line) + 1
