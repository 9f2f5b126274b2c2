"""Rows of floats that are computed once and read from disk from then on, whatever process is killed.

Two files that only grow. `<name>-<hash>.f16` holds the rows, d numbers each: vectors in half precision, `.f32` the
scores of rerankers in single. `<the same>.keys` says which row is whose: a head, then per chunk the 16-byte keys of its
rows and a mark that is written last, when the rows are on disk. What follows the last mark was cut by a kill and is
dropped at the next opening: a chunk is in the store whole or not at all. That keeps a run that was killed equal to one
that was not, to the last bit: a model's result depends a little on what else stands in the batch, and the batches are
the same ones. What was just computed is read back, so that it is what any later reader gets.
"""

import fcntl
import hashlib
import os
import re
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

from synthneg.errors import ModelError
from synthneg.progress import Progress, say
from synthneg.scoring.half import narrow
from synthneg.scoring.keys import Keys
from synthneg.scoring.rows import BYTES, Format, StoredRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

CHUNK = 512  # rows between two writes, and between two reports of progress

_KEY = 16  # bytes of a key, of the head and of a mark
_HEAD = struct.Struct("<8sQ")  # magic, dimension
_MAGIC = b"vectors1"
_MARK = b"\xff" * _KEY


def key(text: str) -> bytes:
    """Return the key of a text, lone surrogates included."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY).digest()


class RowStore:
    """The rows of one model; several processes may use the same files."""

    def __init__(self, folder: Path, name: str, identity: str, format: Format) -> None:
        """Name the files; nothing is opened yet.

        Args:
            folder: where the files of all models lie; made when missing.
            name: the model, a folder or a name; the files are called after it.
            identity: changes whenever the model's rows do.
            format: of the numbers on disk.
        """
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).name)[:60]
        self._rows = folder / f"{slug}-{identity[:16]}.{format}"
        self._format = format
        self._known: _Known | None = None

    def keep(
        self,
        blocks: Iterable[Sequence[T]],
        key_of: Callable[[T], bytes],
        compute: "Callable[[Iterator[list[T]]], Iterator[NDArray[np.float32]]]",
        label: str,
        unit: str,
    ) -> StoredRows:
        """Return (n, d) rows in the order of all items; what has no row yet gets one.

        Args:
            blocks: the items, looked up block by block; what is missing of one is asked for before the next is read.
            key_of: gives the key of an item, made by `key`.
            compute: gives (m, d) rows of each list of m items, in the order of the lists. It may take further lists
                before it gives the rows of the first. It gets an item of each key once that has no row yet, at most
                `CHUNK` at a time, in their order.
            label: says in the display of progress what is computed.
            unit: and of what, in the plural.

        Raises:
            ModelError: the folder cannot be written, or a number is too large for the format.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        with self._opened() as (known, files), Progress(label, 0, unit) as progress:
            asked = [np.zeros((0, 2), np.uint64)]
            chunks: deque[NDArray[np.uint64]] = deque()  # keys whose rows are computed

            def missing() -> Iterator[list[T]]:
                for block in blocks:
                    keys = np.frombuffer(b"".join(map(key_of, block)), "<u8").reshape(-1, 2)
                    asked.append(keys)
                    places = known.keys.missing(keys)
                    progress.total = (progress.total or 0) + len(places)
                    for start in range(0, len(places), CHUNK):
                        chunk = places[start : start + CHUNK]
                        chunks.append(keys[chunk])
                        known.keys.add(keys[chunk])
                        yield [block[i] for i in chunk.tolist()]

            for rows in compute(missing()):
                known.write(chunks.popleft(), rows, files, self._format)
                progress.advance(len(rows))
            if chunks:
                raise AssertionError(f"{label}: expected rows of {len(chunks)} more lists")
            numbers = known.keys.find(np.concatenate(asked))
            return StoredRows(self._rows, numbers, known.dimension, self._format)

    @contextmanager
    def _opened(self) -> "Iterator[tuple[_Known, _Files]]":
        """Give what is known and the files, while no other process writes them."""
        keys = self._rows.with_name(self._rows.name + ".keys")
        try:
            self._rows.parent.mkdir(parents=True, exist_ok=True)
            with _file(keys) as key_file, _file(self._rows) as row_file:
                _lock(key_file, self._rows.stem)
                files = _Files(key_file, row_file)
                known, self._known = self._read_keys(files), None
                yield known, files
                self._known = known  # not after an error: it may know keys that have no row
        except OSError as error:
            raise ModelError(
                f"{self._rows.parent}: the cache folder must be writable, but {error.strerror or error};"
                " make room or choose another place, then give the same command again"
            ) from error

    def _read_keys(self, files: "_Files") -> "_Known":
        """Return what is known, in line with the files, having cut off an unfinished chunk."""
        size = os.fstat(files.keys.fileno()).st_size
        if self._known is not None and self._known.bytes_read == size:
            return self._known
        files.keys.seek(0)
        rows = os.fstat(files.rows.fileno()).st_size // BYTES[self._format]
        known = _Known.parse(files.keys.read(), rows)
        files.keys.truncate(known.bytes_read)
        files.rows.truncate(known.written * known.dimension * BYTES[self._format])
        return known


class _Files(NamedTuple):
    keys: BinaryIO
    rows: BinaryIO


class _Known:
    """Which keys have a row, in the order of the rows."""

    def __init__(self, keys: "NDArray[np.uint64]", dimension: int, bytes_read: int) -> None:
        self.dimension, self.bytes_read = dimension, bytes_read
        self.written = len(keys)  # rows on disk; those of further keys are computed
        self.keys = Keys()
        self.keys.add(keys)

    @classmethod
    def parse(cls, data: bytes, numbers: int) -> "_Known":
        """Read a key file up to the last mark whose rows are all there, of as many numbers as the other file holds."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        dimension, whole, count = 0, 0, 0
        entries = np.frombuffer(data[: len(data) // _KEY * _KEY], dtype="<u8").reshape(-1, 2)
        if len(entries) and data[: len(_MAGIC)] == _MAGIC:
            dimension = int(entries[0, 1])
            (marks,) = np.nonzero((entries == np.uint64(2**64 - 1)).all(axis=1))
            rows = (
                marks - np.arange(len(marks)) - 1
            )  # before a mark stand the head and the earlier marks
            good = int(np.sum(rows * dimension <= numbers))
            if good:
                count, whole = int(rows[good - 1]), int(marks[good - 1]) + 1
        keys = (
            np.delete(entries[:whole], np.append(marks[:good], 0), axis=0) if whole else entries[:0]
        )
        if len(keys) != count:
            raise AssertionError(f"{len(keys)} keys, but marks for {count}")
        return cls(keys.astype(np.uint64), dimension if whole else 0, whole * _KEY)

    def write(
        self,
        keys: "NDArray[np.uint64]",
        rows: "NDArray[np.float32]",
        files: _Files,
        format: Format,
    ) -> None:
        """Write a chunk to the files; its keys are the first that have no row."""
        self.dimension = self.dimension or rows.shape[1]
        if rows.shape != (len(keys), self.dimension):
            raise AssertionError(
                f"{files.keys.name}: {len(keys)} keys, but rows of {rows.shape}, not (n, {self.dimension})"
            )
        stored = _on_disk(rows, files, format)
        # By place, not at the end: an append that was interrupted may have left rows without keys.
        files.rows.seek(self.written * self.dimension * BYTES[format])
        files.rows.write(stored)
        files.rows.flush()
        os.fsync(files.rows.fileno())
        head = b"" if self.bytes_read else _HEAD.pack(_MAGIC, self.dimension)
        files.keys.seek(self.bytes_read)
        written = head + keys.astype("<u8").tobytes() + _MARK
        files.keys.write(written)
        files.keys.flush()
        self.written += len(keys)
        self.bytes_read += len(written)


def _on_disk(rows: "NDArray[np.float32]", files: _Files, format: Format) -> bytes:
    if format == "f32":
        return rows.astype("<f4").tobytes()
    try:
        return narrow(rows).tobytes()
    except OverflowError as error:
        raise ModelError(
            f"{Path(files.rows.name).stem}: {error}, as vectors are kept in half precision; choose a model with"
            " shorter vectors, as those are that are compared by cosine"
        ) from error


def _lock(file: BinaryIO, name: str) -> None:
    """Keep other processes from computing the same rows; where one is at it, say so and wait for its rows."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"{name}: another process encodes with this model and cache; waiting for its vectors")
        fcntl.flock(file, fcntl.LOCK_EX)


def _file(path: Path) -> BinaryIO:
    path.touch()
    return path.open("r+b")
