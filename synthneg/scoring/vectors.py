"""The cache of vectors: what one model has encoded once is read from disk from then on.

Per model there are two files that only grow. `<name>-<hash>.f32` holds the vectors, a row of d float32 each.
`<name>-<hash>.keys` says which row is whose: a head, then per chunk the 16-byte keys of its rows and a mark that is
written last, when the rows are on disk. What follows the last mark was cut by a kill and is dropped at the next
opening: a chunk is in the cache whole or not at all. That keeps a run that was killed equal to one that was not, to
the last bit: a model's result depends a little on what else stands in the batch, and the batches are the same ones.
"""

import fcntl
import hashlib
import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from synthneg.errors import ModelError
from synthneg.progress import Progress
from synthneg.scoring.base import Encoder, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 512  # texts between two writes, and between two reports of progress

_KEY = 16  # bytes of a key, of the head and of a mark
_HEAD = struct.Struct("<8sQ")  # magic, dimension
_MAGIC = b"vectors1"
_MARK = b"\xff" * _KEY
_FLOAT = 4  # bytes


class CachedEncoder:
    """An encoder that keeps what it has encoded; the same text in the same role is encoded once."""

    def __init__(self, encoder: Encoder, folder: Path, identity: str) -> None:
        """Open the cache of one model.

        Args:
            encoder: asked for the texts that are not in the cache.
            folder: where the files of all models lie; made when missing.
            identity: changes whenever the encoder's vectors do.
        """
        self.name = encoder.name
        self._encoder = encoder
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(encoder.name).name)[:60]
        self._stem = folder / f"{slug}-{identity[:16]}"
        self._known: _Known | None = None

    def encode(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Return (n, d) unit rows in the order of `texts`; only those not in the cache are encoded."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        keys = np.frombuffer(b"".join(_key(text, role) for text in texts), dtype="<u8")
        keys = keys.reshape(-1, 2)
        if not len(keys):
            return self._encoder.encode(texts, role)
        try:
            self._stem.parent.mkdir(parents=True, exist_ok=True)
            with _file(self._stem, ".keys") as key_file, _file(self._stem, ".f32") as row_file:
                fcntl.flock(key_file, fcntl.LOCK_EX)
                self._read_keys(key_file, row_file)
                self._add_missing(texts, keys, role, key_file, row_file)
                return self._rows(keys, row_file)
        except OSError as error:
            raise ModelError(
                f"{self._stem.parent}: the folder of vectors must be writable, but {error.strerror or error};"
                " make room or choose another place, then give the same command again"
            ) from error

    def _read_keys(self, key_file: BinaryIO, row_file: BinaryIO) -> None:
        """Bring what is known in line with the files, cutting off an unfinished chunk."""
        size = os.fstat(key_file.fileno()).st_size
        if self._known is not None and self._known.bytes_read == size:
            return
        key_file.seek(0)
        data = key_file.read()
        rows_bytes = os.fstat(row_file.fileno()).st_size
        self._known = _Known.parse(data, rows_bytes)
        key_file.truncate(self._known.bytes_read)
        row_file.truncate(self._known.rows * self._known.dimension * _FLOAT)

    def _add_missing(
        self,
        texts: Sequence[str],
        keys: "NDArray[np.uint64]",
        role: Role,
        key_file: BinaryIO,
        row_file: BinaryIO,
    ) -> None:
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        known = self._known
        if known is None:
            raise AssertionError("the keys are read before anything is added")
        (candidates,) = np.nonzero(known.find(keys) < 0)
        _, first = np.unique(keys[candidates], axis=0, return_index=True)
        missing = candidates[np.sort(first)]
        with Progress(f"encode ({Path(self.name).name})", len(missing), "texts") as progress:
            for start in range(0, len(missing), CHUNK):
                chunk = missing[start : start + CHUNK]
                rows = self._encoder.encode([texts[i] for i in chunk], role)
                known.dimension = known.dimension or rows.shape[1]
                self._append(keys[chunk], rows, key_file, row_file)
                progress.advance(len(chunk))

    def _append(
        self,
        keys: "NDArray[np.uint64]",
        rows: "NDArray[np.float32]",
        key_file: BinaryIO,
        row_file: BinaryIO,
    ) -> None:
        known = self._known
        if known is None or rows.shape != (len(keys), known.dimension):
            raise AssertionError(f"{self.name}: {len(keys)} texts gave vectors of {rows.shape}")
        head = b"" if known.bytes_read else _HEAD.pack(_MAGIC, known.dimension)
        # By place, not at the end: an append that was interrupted may have left rows without keys.
        row_file.seek(known.rows * known.dimension * _FLOAT)
        row_file.write(rows.astype("<f4").tobytes())
        row_file.flush()
        os.fsync(row_file.fileno())
        key_file.seek(known.bytes_read)
        written = head + keys.astype("<u8").tobytes() + _MARK
        key_file.write(written)
        key_file.flush()
        known.add(keys, len(written))

    def _rows(self, keys: "NDArray[np.uint64]", row_file: BinaryIO) -> "NDArray[np.float32]":
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        if self._known is None:
            raise AssertionError("the keys are read before the rows")
        stored = np.memmap(
            row_file, dtype="<f4", mode="r", shape=(self._known.rows, self._known.dimension)
        )
        return np.asarray(stored[self._known.find(keys)], dtype=np.float32)


class _Known:
    """Which keys have a row, in the order of the rows; 40 bytes a vector."""

    def __init__(self, keys: "NDArray[np.uint64]", dimension: int, bytes_read: int) -> None:
        self.dimension, self.bytes_read = dimension, bytes_read
        self._keys = keys
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

    @property
    def rows(self) -> int:
        """How many vectors there are."""
        return len(self._keys)

    def add(self, keys: "NDArray[np.uint64]", bytes_written: int) -> None:
        """Take in the keys of rows that have been appended."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        self._keys = np.concatenate([self._keys, keys])
        self.bytes_read += bytes_written
        self._sort()

    def find(self, keys: "NDArray[np.uint64]") -> "NDArray[np.int64]":
        """Return the row of each key, -1 where it has none."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        if not self.rows:
            return np.full(len(keys), -1, dtype=np.int64)
        place = np.searchsorted(self._first, keys[:, 0]).clip(max=self.rows - 1)
        row = self._order[place]
        same = (self._keys[row] == keys).all(axis=1)
        return np.where(same, row, -1)

    def _sort(self) -> None:
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        self._order = np.argsort(self._keys[:, 0], kind="stable").astype(np.int64)
        self._first = self._keys[self._order, 0]


def _key(text: str, role: Role) -> bytes:
    data = role.encode() + b"\0" + text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=_KEY).digest()


def _file(stem: Path, suffix: str) -> BinaryIO:
    path = stem.with_name(stem.name + suffix)
    path.touch()
    return path.open("r+b")
