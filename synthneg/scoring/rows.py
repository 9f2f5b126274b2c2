"""Rows of floats that lie in a file, seen as an array that is read where it is looked at.

Nothing is mapped into memory: a map of a large file would count as the process's own where its address space or its
memory is limited. Read with `pread`, a part takes the memory of that part, and the system keeps what fits of the file.
"""

import os
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from synthneg.scoring.half import narrow, widen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Format = Literal["f16", "f32"]  # of a number in a file, little-endian
BYTES: dict[Format, int] = {"f16": 2, "f32": 4}
KINDS: dict[Format, str] = {"f16": "<f2", "f32": "<f4"}  # as numpy calls them
_SCATTERED = 16  # from so many stretches on, each row is read by itself
_ARRANGED = 2048  # rows copied at a time
_READ_VALUES = 2**23  # about as many are read at a time: 32 MB of floats


class StoredRows:
    """Rows of a file by their numbers in an order of its own; an index or a slice of them gives an array of float32."""

    def __init__(
        self, file: Path, numbers: "NDArray[np.int64]", dimension: int, format: Format
    ) -> None:
        """Open the file for reading; it stays open as long as this object lives.

        Args:
            file: holds rows of `dimension` numbers, one after the other, and may grow.
            numbers: (n,) rows of the file; row i of this object is that of number i.
            dimension: of a row.
            format: of its numbers.
        """
        self.shape = (len(numbers), dimension)
        self._numbers, self._format = numbers, format
        self._file = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(
        self, which: "int | slice | Sequence[int] | NDArray[np.int64]"
    ) -> "NDArray[np.float32]":
        """Return (d,) floats of one row, or (m, d) of a slice or of m indices."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        dimension = self.shape[1]
        if isinstance(which, slice):
            return read_rows(self._file, self._numbers[which], dimension, self._format)
        if isinstance(which, int):
            return self._row(int(self._numbers[which]))
        numbers = self._numbers[np.asarray(which, np.int64)]
        return read_rows(self._file, numbers, dimension, self._format)

    def arranged(self, order: "NDArray[np.int64]", folder: Path) -> "StoredRows":
        """Return the rows in another order, copied to a temporary file that nobody else sees.

        Args:
            order: (m,) indices of rows; row i of the copy is that of index i.
            folder: takes the file, which goes when the copy is no longer used, or the process ends.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        with tempfile.NamedTemporaryFile(dir=folder, prefix=".arranged-") as file:
            for start in range(0, len(order), _ARRANGED):
                rows = self[order[start : start + _ARRANGED]]
                file.write((narrow(rows) if self._format == "f16" else rows).tobytes())
            file.flush()
            return StoredRows(Path(file.name), np.arange(len(order)), self.shape[1], self._format)

    def _row(self, number: int) -> "NDArray[np.float32]":
        """Return one row in a third of the time that it takes to read several."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        size = self.shape[1] * BYTES[self._format]
        data = os.pread(self._file, size, number * size)
        if len(data) != size:
            raise OSError("the file ends before a row")
        return np.frombuffer(data, KINDS[self._format]).astype(np.float32)


if TYPE_CHECKING:
    Rows = NDArray[np.float32] | StoredRows  # what a search takes: vectors in memory, or on disk


def shard_rows(dimension: int, whole: int) -> int:
    """Return how many rows are read at a time, a multiple of `whole`."""
    return max(1, _READ_VALUES // max(1, dimension) // whole) * whole


def read_rows(
    file: int, numbers: "NDArray[np.int64]", dimension: int, format: Format
) -> "NDArray[np.float32]":
    """Return (n, d) rows of an open file by their numbers; neighbours are read together.

    Raises:
        OSError: the file cannot be read, or ends before a row.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    size = dimension * BYTES[format]
    kind = KINDS[format]
    if not len(numbers):
        return np.zeros((0, dimension), np.float32)
    starts = [0, *(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
    if len(starts) > _SCATTERED:
        read = [os.pread(file, size, number * size) for number in numbers.tolist()]
        stored = np.frombuffer(b"".join(read), kind)
        if stored.size != len(numbers) * dimension:
            raise OSError("the file ends before a row")
        stored = stored.reshape(len(numbers), dimension)
    else:
        stored = np.empty((len(numbers), dimension), kind)
        memory = memoryview(stored.data).cast("B")
        for first, end in zip(starts, starts[1:], strict=False):
            _fill(file, memory[first * size : end * size], int(numbers[first]) * size)
    return widen(stored) if format == "f16" else stored.astype(np.float32, copy=False)


def _fill(file: int, memory: memoryview, place: int) -> None:
    """Read from a place of the file until `memory` is full; one call of the system reads 2 GB at most."""
    while memory:
        count = os.preadv(file, [memory], place)
        if not count:
            raise OSError(f"the file ends before byte {place:,}")
        memory, place = memory[count:], place + count
