"""How far the texts of a set lie apart: distinct items at equal amounts, and the cosine of their pairs.

A set's spread is no mean over its records, and a resample with replacement would hold copies, which neither repeat a
text nor are near it. So what is here is worked out for true subsets alone, given as masks over cells: a cell is what
one of two prompts made of one unit, the cells of prompt A before those of B. Swapping the prompts of some units is a
mask, leaving a unit out is one too.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Spread(Protocol):
    """A measure of the cells that a mask chooses."""

    def values(self, first: "Array", second: "Array") -> "tuple[Array, Array]":
        """Return the (r,) measures of two disjoint choices of cells, (r, 2 * units) zeros and ones; NaN: undefined."""


class Rarefied:
    """The share of distinct items to expect among m items of each choice, over units that both prompts wrote for.

    Distinct-n (Li et al. 2016) is the number of distinct n-grams divided by that of all. It falls with the amount of
    text, so both choices are rarefied to the same m (Hurlbert 1971; for words McCarthy & Jarvis 2007): of N items, an
    item that stands there k times is missed by m drawn without replacement with probability C(N - k, m) / C(N, m).
    m is the sum over units of the smaller of both cells' numbers of items: neither choice has fewer, and swapping
    does not change it. Where both prompts wrote as much about each unit, m = N, and the measure is distinct-n itself.
    Units with items of one prompt alone are left out: a text repeats its own words more than those of others, so as
    many words from fewer texts would be less distinct, and the prompt that parses less would look worse for it.
    (Liu et al. 2022 divide by what a uniform vocabulary would give, which needs the size of one.)
    """

    def __init__(self, cells: Sequence[Iterable[object]], repeats: bool) -> None:
        """Take the items of each of (2 * units,) cells; with `repeats`, 1 minus the share is measured."""
        import numpy as np  # noqa: PLC0415 - heavy: only when comparing
        from scipy.sparse import csr_array  # noqa: PLC0415 - heavy: only when comparing

        self._repeats = repeats
        counts = _of_both([Counter(items) for items in cells])
        total = Counter(item for held in counts for item in held.elements())
        places = {item: place for place, item in enumerate(i for i, n in total.items() if n > 1)}
        entries = [
            (places[item], cell, n)
            for cell, held in enumerate(counts)
            for item, n in held.items()
            if item in places
        ]
        row, column, n = np.array(entries, dtype=np.int64).reshape(-1, 3).T
        self._repeated = csr_array(
            (n.astype(np.float64), (row, column)), shape=(len(places), len(cells))
        )
        self._items = np.array([held.total() for held in counts], dtype=np.float64)
        self._single = self._items - np.asarray(self._repeated.sum(axis=0)).ravel()
        self._most = max(total.values(), default=0)
        self._common = np.minimum(*self._items.reshape(2, -1))

    def values(self, first: "Array", second: "Array") -> "tuple[Array, Array]":
        """Return the measures of two choices of cells."""
        amount = (first + second)[:, : len(self._common)] @ self._common
        return self._value(first, amount), self._value(second, amount)

    def _value(self, chosen: "Array", amount: "Array") -> "Array":
        import numpy as np  # noqa: PLC0415 - heavy: only when comparing

        missed = _missed(chosen @ self._items, amount, self._most)
        held = (self._repeated @ chosen.T).T.astype(np.intp)
        found = (1 - np.take_along_axis(missed, held, axis=1)).sum(axis=1)
        if missed.shape[1] > 1:
            found += (chosen @ self._single) * (1 - missed[:, 1])
        with np.errstate(invalid="ignore"):
            share = np.asarray(found / amount)
        return 1 - share if self._repeats else share


class MeanCosine:
    """The mean cosine over all pairs of different texts, from the sums of their vectors."""

    def __init__(self, cells: "Sequence[Sequence[NDArray[np.floating[Any]]]]") -> None:
        """Take the (d,) unit vectors of each of (2 * units,) cells."""
        import numpy as np  # noqa: PLC0415 - heavy: only when comparing

        self._texts = np.array([len(held) for held in cells], dtype=np.float64)
        nothing = np.zeros(next((len(held[0]) for held in cells if held), 0))
        self._sums = np.array([np.sum([nothing, *held], axis=0) for held in cells])

    def values(self, first: "Array", second: "Array") -> "tuple[Array, Array]":
        """Return the measures of two choices of cells."""
        return self._value(first), self._value(second)

    def _value(self, chosen: "Array") -> "Array":
        import numpy as np  # noqa: PLC0415 - heavy: only when comparing

        texts = chosen @ self._texts
        sums = chosen @ self._sums
        # The vectors have length 1, more or less: `texts` pairs of a text with itself. A single text has no other.
        pairs = texts * texts - texts
        unknown = np.full_like(pairs, np.nan)
        found = (sums * sums).sum(axis=1) - texts
        return np.asarray(np.divide(found, pairs, out=unknown, where=pairs > 0))


def _of_both(cells: list[Counter[object]]) -> list[Counter[object]]:
    """Return the cells, empty where the other prompt's cell of the unit is."""
    pairs = list(zip(cells[: len(cells) // 2], cells[len(cells) // 2 :], strict=True))
    kept = [pair if all(pair) else (Counter[object](), Counter[object]()) for pair in pairs]
    return [a for a, _ in kept] + [b for _, b in kept]


def _missed(items: "Array", drawn: "Array", most: int) -> "Array":
    """Return (r, most + 1) probabilities that none of k like items is among those drawn, for k = 0, 1, …, `most`."""
    import numpy as np  # noqa: PLC0415 - heavy: only when comparing

    k = np.arange(most)
    left = np.maximum(items[:, None] - k, 1)  # fewer than k items: never looked up
    steps = np.maximum(left - drawn[:, None], 0) / left
    return np.concatenate([np.ones((len(items), 1)), np.cumprod(steps, axis=1)], axis=1)
