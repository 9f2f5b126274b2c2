"""Rows whose labels are a teacher's scores of every document of their batch, not of a query's own list alone."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from synthneg.scoring.base import Encoder
from synthneg.train.data import Pair
from synthneg.train.lexical import Lexical
from synthneg.train.lists import FILLING
from synthneg.train.sampling.table import table
from synthneg.train.teacher import Scale

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROW = "row"


class BatchScores:
    """What a teacher makes of each query and each document of a batch."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        teacher: Encoder,
        scale: Scale,
        lexical: Lexical | None = None,
    ) -> None:
        """Take in the rows, the teacher, which has most of their texts in its cache, and the labels' scale.

        `lexical` is the part of the teacher that goes by words.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when training

        lists = [(pair.positive, *pair.negatives) for pair in pairs]
        numbers = {text: i for i, text in enumerate(dict.fromkeys(t for one in lists for t in one))}
        self._places = np.array([[numbers[text] for text in one] for one in lists])
        self._filling = np.array([[label == FILLING for label in pair.labels] for pair in pairs])
        self._documents = teacher.encode(list(numbers), "document")
        asked = [pair.query for pair in pairs]
        self._queries = teacher.encode(asked, "query")
        self._scale = scale
        self._added = lexical.scores(asked, list(numbers)) if lexical else None

    def __call__(self, rows: Sequence[int]) -> "NDArray[np.float32]":
        """Return (B, G·B) scores of these rows' queries and documents, column after column; `FILLING` of filling."""
        chosen = list(rows)
        places = self._places[chosen].T.ravel()
        scores: NDArray[np.float32] = self._queries[chosen] @ self._documents[places].T
        if self._added is not None:
            scores += self._added(chosen, places)
        scores = (scores - self._scale.low) / self._scale.width
        scores[:, self._filling[chosen].T.ravel()] = FILLING
        return scores


def with_scores(
    pairs: Sequence[Pair], scores: "Callable[[Sequence[int]], NDArray[np.float32]]"
) -> Any:
    """Return the dataset whose rows have, in the batch that is asked for, the scores of that batch as labels.

    Args:
        pairs: the rows.
        scores: of a batch, a row of labels for each of its rows.
    """
    import torch  # noqa: PLC0415 - heavy: only when training
    from datasets import Dataset  # noqa: PLC0415 - as above

    def add(batch: dict[str, list[Any]]) -> dict[str, Any]:
        # Of tensors the trainer makes a batch at once, of numbers one by one.
        return batch | {"label": list(torch.from_numpy(scores(batch.pop(_ROW))))}

    dataset = Dataset.from_list([row | {_ROW: i} for i, row in enumerate(table(pairs, False))])
    dataset.set_transform(add)
    return dataset
