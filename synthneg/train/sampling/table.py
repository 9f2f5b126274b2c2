"""The rows of training as the trainer reads them; drawn negatives come into those of the batch that it asks for."""

from collections.abc import Callable, Sequence
from typing import Any

from synthneg.train.data import Pair
from synthneg.train.lists import FILLING
from synthneg.train.losses import Rows
from synthneg.train.sampling.candidates import NONE, Candidates
from synthneg.train.sampling.negatives import Taken, WithNegatives

_ROW = "row"
Labels = Callable[[int, Sequence[Taken]], list[float]]
_ON_TOPIC, _UNRELATED = 1.0, 0.0  # grades, as mining gives them


def table(pairs: Sequence[Pair], labelled: bool) -> list[dict[str, Any]]:
    """Return the rows with their own texts, and their labels where the loss takes any."""
    return [_row(pair, labelled) for pair in pairs]


def text_columns(negatives: int) -> list[str]:
    """Return the names of the columns of a row's texts.

    >>> text_columns(2)
    ['query', 'positive', 'negative_1', 'negative_2']
    """
    return ["query", "positive", *(f"negative_{i}" for i in range(1, negatives + 1))]


def _row(pair: Pair, labelled: bool) -> dict[str, Any]:
    negatives = {f"negative_{i}": text for i, text in enumerate(pair.negatives, start=1)}
    labels = {"label": list(pair.labels)} if labelled else {}
    return {"query": pair.query, "positive": pair.positive, **negatives, **labels}


def with_drawn(
    pairs: Sequence[Pair],
    batches: WithNegatives,
    candidates: Candidates,
    labels: Labels | None,
) -> Any:
    """Return the dataset whose rows have, in the batch that is asked for, the negatives that were drawn for it.

    Args:
        pairs: the rows.
        batches: the sampler that asks.
        candidates: the passages.
        labels: of a query's drawn negatives; None where the loss takes none.
    """
    from datasets import Dataset  # noqa: PLC0415 - heavy: only when training

    rows = [row | {_ROW: i} for i, row in enumerate(table(pairs, labels is not None))]

    def add(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        queries = batch.pop(_ROW)
        drawn = batches.drawn_for(queries)
        given = batch.pop("label", None)
        count = min(map(len, drawn), default=0)
        first = len(batch) - 1
        for place in range(count):
            batch[f"negative_{first + place}"] = [
                _text(candidates, pairs[query], taken[place])
                for query, taken in zip(queries, drawn, strict=True)
            ]
        if given is not None and labels is not None:
            both = zip(given, queries, drawn, strict=True)
            batch["label"] = [[*own, *labels(query, taken)] for own, query, taken in both]
        return batch

    dataset = Dataset.from_list(rows)
    dataset.set_transform(add)
    return dataset


def _text(candidates: Candidates, pair: Pair, taken: Taken) -> str:
    # Filling repeats the positive, so that it adds no text to the batch: see `as_pairs`.
    return pair.positive if taken.row == NONE else candidates.text(taken.row)


def labels_of(kind: Rows, score: Callable[[int, int], float]) -> Labels | None:
    """Return what the loss takes as labels of drawn negatives; None where it takes none.

    Args:
        kind: what its rows hold.
        score: the teacher's score of a query and a passage, for rows that hold scores.
    """

    def one(query: int, taken: Taken) -> float:
        if kind == "sources":
            return 0.0  # no model wrote it
        if taken.row == NONE:
            return FILLING
        if kind == "scores":
            return score(query, taken.row)
        return _ON_TOPIC if taken.hard else _UNRELATED

    if kind == "pairs":
        return None
    return lambda query, drawn: [one(query, taken) for taken in drawn]
