"""Rows of floats that are computed once and read from disk from then on, whatever process is killed.

Two files that only grow. `<name>-<hash>.f32` holds the rows, d float32 each. `<name>-<hash>.keys` says which row is
whose: a head, then per chunk the 16-byte keys of its rows and a mark that is written last, when the rows are on disk.
What follows the last mark was cut by a kill and is dropped at the next opening: a chunk is in the store whole or not
at all. That keeps a run that was killed equal to one that was not, to the last bit: a model's result depends a little
on what else stands in the batch, and the batches are the same ones.
"""

import fcntl
import hashlib
import os
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from synthneg.errors import ModelError
from synthneg.progress import Progress, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 512  # rows between two writes, and between two reports of progress

_KEY = 16  # bytes of a key, of the head and of a mark
_HEAD = struct.Struct("<8sQ")  # magic, dimension
_MAGIC = b"vectors1"
_MARK = b"\xff" * _KEY
_FLOAT = 4  # bytes


def key(text: str) -> bytes:
    """Return the key of a text, lone surrogates included."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY).digest()


class RowStore:
    """The rows of one model; several processes may use the same files."""

    def __init__(self, folder: Path, name: str, identity: str) -> None:
        """Name the files; nothing is opened yet.

        Args:
            folder: where the files of all models lie; made when missing.
            name: the model, a folder or a name; the files are called after it.
            identity: changes whenever the model's rows do.
        """
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).name)[:60]
        self._stem = folder / f"{slug}-{identity[:16]}"
        self._known: _Known | None = None

    def rows(
        self,
        keys: Sequence[bytes],
        compute: "Callable[[list[int]], NDArray[np.float32]]",
        label: str,
        unit: str,
    ) -> "NDArray[np.float32]":
        """Return (n, d) rows in the order of `keys`, which are at least one.

        Args:
            keys: made by `key`.
            compute: returns (m, d) rows for the places of m of the keys. It is asked for each key once that has no row
                yet, at most `CHUNK` at a time, in their order.
            label: says in the display of progress what is computed.
            unit: and of what, in the plural.

        Raises:
            ModelError: the folder cannot be written.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        wanted = np.frombuffer(b"".join(keys), dtype="<u8").reshape(-1, 2)
        try:
            self._stem.parent.mkdir(parents=True, exist_ok=True)
            with _file(self._stem, ".keys") as key_file, _file(self._stem, ".f32") as row_file:
                _lock(key_file, self._stem.name)
                known = self._read_keys(key_file, row_file)
                missing = known.without(wanted)
                with Progress(label, len(missing), unit) as progress:
                    for start in range(0, len(missing), CHUNK):
                        chunk = missing[start : start + CHUNK]
                        known.append(wanted[chunk], compute(chunk.tolist()), key_file, row_file)
                        progress.advance(len(chunk))
                return known.read(wanted, row_file)
        except OSError as error:
            raise ModelError(
                f"{self._stem.parent}: the cache folder must be writable, but {error.strerror or error};"
                " make room or choose another place, then give the same command again"
            ) from error

    def _read_keys(self, key_file: BinaryIO, row_file: BinaryIO) -> "_Known":
        """Return what is known, in line with the files, having cut off an unfinished chunk."""
        size = os.fstat(key_file.fileno()).st_size
        if self._known is None or self._known.bytes_read != size:
            key_file.seek(0)
            data = key_file.read()
            self._known = _Known.parse(data, os.fstat(row_file.fileno()).st_size)
            key_file.truncate(self._known.bytes_read)
            row_file.truncate(self._known.rows * self._known.dimension * _FLOAT)
        return self._known


class _Known:
    """Which keys have a row, in the order of the rows; 40 bytes a row."""

    def __init__(self, keys: "NDArray[np.uint64]", dimension: int, bytes_read: int) -> None:
        self.dimension, self.bytes_read = dimension, bytes_read
        self.rows = len(keys)
        self._parts = [keys]  # those after the first are not in the order by key yet
        self._sort()

    @classmethod
    def parse(cls, data: bytes, rows_bytes: int) -> "_Known":
        """Read a key file up to the last mark whose rows are all there."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        dimension, whole, count = 0, 0, 0
        entries = np.frombuffer(data[: len(data) // _KEY * _KEY], dtype="<u8").reshape(-1, 2)
        if len(entries) and data[: len(_MAGIC)] == _MAGIC:
            dimension = int(entries[0, 1])
            (marks,) = np.nonzero((entries == np.uint64(2**64 - 1)).all(axis=1))
            rows = (
                marks - np.arange(len(marks)) - 1
            )  # before a mark stand the head and the earlier marks
            good = int(np.sum(rows * dimension * _FLOAT <= rows_bytes))
            if good:
                count, whole = int(rows[good - 1]), int(marks[good - 1]) + 1
        keys = (
            np.delete(entries[:whole], np.append(marks[:good], 0), axis=0) if whole else entries[:0]
        )
        if len(keys) != count:
            raise AssertionError(f"{len(keys)} keys, but marks for {count}")
        return cls(keys.astype(np.uint64), dimension if whole else 0, whole * _KEY)

    def without(self, keys: "NDArray[np.uint64]") -> "NDArray[np.int64]":
        """Return the places of the keys that have no row, of equal ones the first."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        (candidates,) = np.nonzero(self._find(keys) < 0)
        _, first = np.unique(keys[candidates], axis=0, return_index=True)
        return candidates[np.sort(first)]

    def append(
        self,
        keys: "NDArray[np.uint64]",
        rows: "NDArray[np.float32]",
        key_file: BinaryIO,
        row_file: BinaryIO,
    ) -> None:
        """Write a chunk to the files."""
        self.dimension = self.dimension or rows.shape[1]
        if rows.shape != (len(keys), self.dimension):
            raise AssertionError(f"{key_file.name}: {len(keys)} keys, but rows of {rows.shape}")
        head = b"" if self.bytes_read else _HEAD.pack(_MAGIC, self.dimension)
        # By place, not at the end: an append that was interrupted may have left rows without keys.
        row_file.seek(self.rows * self.dimension * _FLOAT)
        row_file.write(rows.astype("<f4").tobytes())
        row_file.flush()
        os.fsync(row_file.fileno())
        key_file.seek(self.bytes_read)
        written = head + keys.astype("<u8").tobytes() + _MARK
        key_file.write(written)
        key_file.flush()
        self._parts.append(keys)
        self.rows += len(keys)
        self.bytes_read += len(written)

    def read(self, keys: "NDArray[np.uint64]", row_file: BinaryIO) -> "NDArray[np.float32]":
        """Return the rows of keys that all have one."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        stored = np.memmap(row_file, dtype="<f4", mode="r", shape=(self.rows, self.dimension))
        return np.asarray(stored[self._find(keys)], dtype=np.float32)

    def _find(self, keys: "NDArray[np.uint64]") -> "NDArray[np.int64]":
        """Return the row of each key, -1 where it has none."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        if not self.rows:
            return np.full(len(keys), -1, dtype=np.int64)
        if len(self._parts) > 1:
            self._sort()
        place = np.searchsorted(self._first, keys[:, 0]).clip(max=self.rows - 1)
        row = self._order[place]
        same = (self._parts[0][row] == keys).all(axis=1)
        return np.where(same, row, -1)

    def _sort(self) -> None:
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        # Once for all chunks of a call: sorted after each, a million rows would take minutes.
        keys = np.concatenate(self._parts)
        self._parts = [keys]
        self._order = np.argsort(keys[:, 0], kind="stable").astype(np.int64)
        self._first = keys[self._order, 0]


def _lock(file: BinaryIO, name: str) -> None:
    """Keep other processes from computing the same rows; where one is at it, say so and wait for its rows."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"{name}: another process encodes with this model and cache; waiting for its vectors")
        fcntl.flock(file, fcntl.LOCK_EX)


def _file(stem: Path, suffix: str) -> BinaryIO:
    path = stem.with_name(stem.name + suffix)
    path.touch()
    return path.open("r+b")
