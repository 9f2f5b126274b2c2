"""16-byte keys in the order in which they came: which are known, and the number of each; 24 bytes a key."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class _Run(NamedTuple):
    """Some of the keys, sorted by their first halves."""

    first: "NDArray[np.uint64]"
    second: "NDArray[np.uint64]"
    numbers: "NDArray[np.int64]"


class Keys:
    """Keys and their numbers, in sorted runs that are merged as they grow: n keys cost n log n, however they come."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._count = 0

    def __len__(self) -> int:
        """Return how many keys were added; the next one gets this number."""
        return self._count

    def add(self, keys: "NDArray[np.uint64]") -> None:
        """Give (n, 2) keys, as halves, the next numbers."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        if not len(keys):
            return
        numbers = np.arange(self._count, self._count + len(keys))
        self._count += len(keys)
        self._runs.append(_sorted(keys[:, 0], keys[:, 1], numbers))
        while len(self._runs) > 1 and len(self._runs[-2].first) <= 2 * len(self._runs[-1].first):
            last, before = self._runs.pop(), self._runs.pop()
            pairs = zip(before, last, strict=True)
            self._runs.append(_sorted(*(np.concatenate(pair) for pair in pairs)))

    def find(self, keys: "NDArray[np.uint64]") -> "NDArray[np.int64]":
        """Return the number of each of (n, 2) keys, -1 where it is not known."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        found = np.full(len(keys), -1, np.int64)
        for run in self._runs:
            (places,) = np.nonzero(found < 0)
            found[places] = _found(run, keys[places, 0], keys[places, 1])
        return found

    def missing(self, keys: "NDArray[np.uint64]") -> "NDArray[np.int64]":
        """Return the places of the keys that are not known, of equal ones the first."""
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        (candidates,) = np.nonzero(self.find(keys) < 0)
        _, first = np.unique(keys[candidates], axis=0, return_index=True)
        return candidates[np.sort(first)]


def _sorted(
    first: "NDArray[np.uint64]", second: "NDArray[np.uint64]", numbers: "NDArray[np.int64]"
) -> _Run:
    import numpy as np  # noqa: PLC0415 - heavy: only when encoding

    order = np.argsort(first, kind="stable")
    return _Run(first[order], second[order], numbers[order])


def _found(
    run: _Run, first: "NDArray[np.uint64]", second: "NDArray[np.uint64]"
) -> "NDArray[np.int64]":
    import numpy as np  # noqa: PLC0415 - heavy: only when encoding

    found = np.full(len(first), -1, np.int64)
    places = np.searchsorted(run.first, first)
    left = np.arange(
        len(first)
    )  # those that may still be found, as equal first halves stand in a row
    while len(left):
        places, left = places[places < len(run.first)], left[places < len(run.first)]
        near = run.first[places] == first[left]
        places, left = places[near], left[near]
        same = run.second[places] == second[left]
        found[left[same]] = run.numbers[places[same]]
        places, left = places[~same] + 1, left[~same]
    return found
