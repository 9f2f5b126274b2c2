"""The ids of a corpus by their rows, and the rows of ids: some 24 bytes an id beside its letters."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_hash = hash  # 64 bits; who has the same one as another is told by the id itself


class Ids:
    """Ids in the order of their rows, all different."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        """Take in the ids, in the order of their rows."""
        self._letters = bytearray()
        self._ends = array("q", [0])
        self._hashes = array("q")
        self._sorted: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        self.extend(ids)

    def extend(self, ids: Iterable[str]) -> None:
        """Give further ids the next rows."""
        for id in ids:
            self._letters += id.encode("utf-8", "surrogatepass")
            self._ends.append(len(self._letters))
            self._hashes.append(_hash(id))
        self._sorted = None

    def __len__(self) -> int:
        return len(self._hashes)

    def __getitem__(self, row: int) -> str:
        """Return the id of a row, counted from 0."""
        if not 0 <= row < len(self):
            raise IndexError(f"expected a row below {len(self)}, got {row}")
        return self._letters[self._ends[row] : self._ends[row + 1]].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))

    def __contains__(self, id: str) -> bool:
        return self.row(id) is not None

    def row(self, id: str) -> int | None:
        """Return the row of an id; None where there is none."""
        hashes, rows = self._by_hash()
        wanted = _hash(id)
        place = bisect_left(hashes, wanted)
        while place < len(hashes) and hashes[place] == wanted:
            row = int(rows[place])
            if self[row] == id:
                return row
            place += 1
        return None

    def _by_hash(self) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
        """Return the hashes, rising, and the row of each."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        if self._sorted is None:
            hashes = np.array(self._hashes, np.int64)
            order = np.argsort(hashes, kind="stable")
            self._sorted = hashes[order], order
        return self._sorted
