"""MinHash sketches of many texts, and which of them may be alike: on disk, in order, in memory that hardly grows.

A sketch has 128 hashes; texts that agree in one of 32 bands of 4 are candidates, those of whom too few of all hashes
agree are dropped. How many agree by chance grows with the texts, so where these are many there are 21 bands of 6.
Sketches and bands are mapped from temporary files, some 1,000 bytes a text, which the system may take out of memory
whenever it needs it.
needs it.
"""

from collections.abc import Iterator, Sequence
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HASHES = 128
BANDS = 32
FEW_BANDS = 21  # a pair of Jaccard .7 agrees in one of them with probability .92, of .8 with .998
SEED = 1

_BLOCK = 1024  # texts at a time
# Of a band's hashes, each is taken times one of these, so that four, or six, become one number.
_MIXED = (
    0x9E3779B97F4A7C15,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0xD6E8FEB86659FD93,
    0xFF51AFD7ED558CCD,
    0xC4CEB9FE1A85EC53,
)


class Buckets:
    """Which places have the same key: n places take 12 n bytes.

    Args:
        keys: (n,) or (n, 2) whole numbers, by place.
    """

    def __init__(self, keys: "NDArray[np.uint64]") -> None:
        import numpy as np  # noqa: PLC0415 - heavy: only when texts are compared

        columns = keys.reshape(len(keys), -1)
        order = np.lexsort(columns.T)  # stable: of equal keys the first place comes first
        new = np.ones(len(order), bool)
        new[1:] = (columns[order[1:]] != columns[order[:-1]]).any(axis=1)
        self.order = order.astype(np.uint32)  # places, those with one key together
        self.begins = np.empty(len(order), np.uint32)  # by place: where in the order its key begins
        self.begins[order] = np.flatnonzero(new)[np.cumsum(new) - 1]
        self.stands = np.empty(len(order), np.uint32)  # by place: where in the order it stands
        self.stands[order] = np.arange(len(order))

    def first(self, place: int) -> int:
        """Return the first place with the same key."""
        return int(self.order[self.begins[place]])

    def firsts(self) -> "NDArray[np.int64]":
        """Return the places that are the first with their key, rising."""
        first: NDArray[np.int64] = (self.begins == self.stands).nonzero()[0]
        return first

    def members(self, place: int, most: int) -> list[int]:
        """Return up to `most` places with the same key, from the first on."""
        begin = int(self.begins[place])
        some = self.order[begin : begin + most]
        return [int(other) for other in some if self.begins[other] == begin]


class Sketches:
    """The sketches of texts, and their candidates among earlier ones.

    Args:
        sets: gives what the texts of a slice of places hold, sorted.
        count: of the texts.
        bands: of the hashes; equal in one of them is a candidate.
    """

    def __init__(self, sets: "Iterator[Sequence[list[str]]]", count: int, bands: int) -> None:
        self._count, self._width = count, HASHES // bands
        self._all = _mapped((count, HASHES), "u4")
        self._low = _mapped((count, HASHES), "u1")  # a byte a hash: enough to drop nearly all
        self._order, self._begins, self._stands = (_mapped((bands, count), "u4") for _ in range(3))
        start = 0
        for some in sets:
            found = _sketched(some)
            self._all[start : start + len(found)] = found
            self._low[start : start + len(found)] = found & 255
            start += len(found)
        for band in range(bands):
            buckets = Buckets(self._keys(band))
            self._order[band] = buckets.order
            self._begins[band], self._stands[band] = buckets.begins, buckets.stands

    def candidates(self, least: float, most: int) -> Iterator[tuple[int, list[int]]]:
        """Yield each place that has earlier candidates, and up to `most` of these by their estimated likeness.

        Args:
            least: Jaccard index, as estimated, below which none is one.
            most: candidates of a place; of equally near ones the first.
        """
        import numpy as np  # noqa: PLC0415 - as above

        for start in range(0, self._count, _BLOCK):
            begins = self._begins[:, start : start + _BLOCK].T.tolist()
            stands = self._stands[:, start : start + _BLOCK].T.tolist()
            for place, own in enumerate(zip(begins, stands, strict=True), start):
                found = [
                    self._order[band, begin:stand]
                    for band, (begin, stand) in enumerate(zip(*own, strict=True))
                    if begin != stand
                ]
                if found and (near := self._nearest(place, np.concatenate(found), least)):
                    yield place, near[:most]

    def _nearest(self, place: int, others: "NDArray[np.uint32]", least: float) -> list[int]:
        import numpy as np  # noqa: PLC0415 - as above

        wanted = least * HASHES
        rough = (self._low[others] == self._low[place]).sum(axis=1)
        others = np.unique(others[rough >= wanted])
        agree = (self._all[others] == self._all[place]).sum(axis=1)
        others, agree = others[agree >= wanted], agree[agree >= wanted]
        nearest: list[int] = others[np.argsort(-agree, kind="stable")].tolist()
        return nearest

    def _keys(self, band: int) -> "NDArray[np.uint64]":
        """Return of each text one number for its hashes in a band; two bands have one by a chance of 2**-64."""
        import numpy as np  # noqa: PLC0415 - as above

        columns = range(band * self._width, (band + 1) * self._width)
        keys = np.zeros(self._count, np.uint64)
        for column, factor in zip(columns, _MIXED, strict=False):
            keys = (keys ^ self._all[:, column]) * np.uint64(factor)
        return keys


def _mapped(shape: tuple[int, ...], kind: str) -> "NDArray[Any]":
    """Return an array that lies in a temporary file, which is gone with it."""
    import numpy as np  # noqa: PLC0415 - as above

    if not all(shape):
        return np.zeros(shape, kind)
    with TemporaryFile() as file:
        return np.asarray(np.memmap(file, kind, "w+", shape=shape))


def _sketched(sets: "Sequence[list[str]]") -> "NDArray[np.uint32]":
    import numpy as np  # noqa: PLC0415 - as above
    from rensa import RMinHash  # noqa: PLC0415 - only where sets are compared

    return np.array(RMinHash.digests_from_token_sets(sets, HASHES, SEED), np.uint32)
