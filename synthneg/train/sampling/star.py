"""STAR: hard negatives that the model found before it was trained, and random ones beside them.

Zhan et al., arXiv:2104.08051: of the first 200 passages of a warm-up model one is drawn for each query, and the random
negatives (there, the documents of other queries in the batch) keep the training from going wrong on what was mined
once. The warm-up model is `train.base_model`.
"""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from synthneg.train.sampling.candidates import Candidates
from synthneg.train.sampling.negatives import Negatives, shuffled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Star(Negatives):
    """Draws from what was found once."""

    def __init__(
        self,
        candidates: Candidates,
        nearest: "NDArray[np.int64]",
        hard: int,
        randoms: int,
        seed: int,
    ) -> None:
        """Take in the (queries, depth) nearest passages of each query; the other arguments are those of `Negatives`."""
        super().__init__(candidates, hard, randoms, seed)
        self._nearest = nearest

    def order(self, query: int, batch: int, chance: random.Random) -> Iterator[int]:
        """Yield the query's nearest in a random order."""
        return shuffled(self._nearest[query], chance)
