"""ADORE: hard negatives that the model finds as it is at the time, mined anew every few steps.

Zhan et al., arXiv:2104.08051: documents are frozen, so that only the queries are encoded again, and each step
retrieves. Here a refresh comes every `refresh_steps` steps, and what it finds goes into the batches after the one that
the trainer has taken already. The vectors of the documents are those of `train.base_model`.
"""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from synthneg.train.sampling.candidates import NONE, Candidates
from synthneg.train.sampling.negatives import Negatives, shuffled
from synthneg.train.sampling.packed import packed, unpacked
from synthneg.train.sampling.part import Encode, Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

_KEPT = 8  # candidates of each query that are kept between refreshes, for each negative: they go into checkpoints


class Adore(Negatives, Part):
    """Draws from what was found last. Part of the training's state, so it is given to a `Live` callback."""

    def __init__(
        self,
        candidates: Candidates,
        documents: "Rows",
        depth: int,
        every: int,
        hard: int,
        randoms: int,
        seed: int,
    ) -> None:
        """Take in what is searched.

        Args:
            candidates: which passages may be taken.
            documents: (passages, d) vectors, which stay as they are.
            depth: ranks that negatives are drawn from.
            every: steps after which they are mined anew.
            hard: as for `Negatives`.
            randoms: as for `Negatives`.
            seed: as for `Negatives`.
        """
        super().__init__(candidates, hard, randoms, seed)
        self._documents, self._depth, self._every = documents, depth, every
        # From which batch on which candidates count; two, for the batch that is taken early.
        self._found: list[tuple[int, NDArray[np.int64]]] = []
        self.refreshes = 0

    def order(self, query: int, batch: int, chance: random.Random) -> Iterator[int]:
        """Yield what the model found last for the query, in a random order."""
        at_hand = next((rows for since, rows in reversed(self._found) if since <= batch), None)
        return iter(()) if at_hand is None else shuffled(at_hand[query], chance)

    def begin(self, encode: Encode) -> None:
        """Mine for the first time, unless a checkpoint has given what had been found."""
        if not self._found:
            self._mine(0, encode)

    def step_ends(self, step: int, last: bool, encode: Encode) -> None:
        """Mine anew where it is time; the trainer has taken the next batch already."""
        if step % self._every == 0 and not last:
            self._mine(step + 1, encode)
            self.refreshes += 1

    def _mine(self, since: int, encode: Encode) -> None:
        import numpy as np  # noqa: PLC0415 - heavy: only when training

        nearest = self.candidates.nearest(encode(), self._documents, self._depth)
        kept = np.full((len(nearest), min(_KEPT * self.hard, nearest.shape[1])), NONE, np.int64)
        for query, rows in enumerate(nearest):
            order = shuffled(rows, random.Random(f"{self._seed}/{since}/{query}/mined"))
            chosen = [row for row, _ in zip(order, range(kept.shape[1]), strict=False)]
            kept[query, : len(chosen)] = chosen
        self._found = [*self._found[-1:], (since, kept)]

    def state(self) -> dict[str, Any]:
        """Return what goes into a checkpoint."""
        found = [(since, packed(rows)) for since, rows in self._found]
        return {"found": found, "refreshes": self.refreshes}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self._found = [(since, unpacked(rows)) for since, rows in state["found"]]
        self.refreshes = state["refreshes"]
