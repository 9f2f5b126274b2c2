"""Training pairs: a query, its passage, and its hard negatives."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice

from synthneg.records import Example
from synthneg.scoring.encoder import readable


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of training texts; in a training set every pair has the same number of negatives."""

    query: str
    positive: str
    negatives: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # further passages that it is answered by: no negatives to it


def training_pairs(examples: Iterable[Example], negatives: int) -> list[Pair]:
    """Return a pair for each example of the training split, with `negatives` of its own negatives.

    A query with fewer repeats them; one without any gets none. Queries of held-out passages are not among them.
    """
    return [
        Pair(
            readable(example.query),
            readable(example.positive.full_text),
            tuple(islice(cycle(readable(d.full_text) for d in example.negatives), negatives)),
            tuple(readable(d.full_text) for d in example.documents[1:] if d.grade == 3),
        )
        for example in examples
        if example.split == "train"
    ]


def lend_negatives(pairs: Sequence[Pair], negatives: int, seed: int) -> list[Pair]:
    """Return the pairs with `negatives` for those that have none, drawn by seed from queries of other passages.

    To a query, another query's hard negative is what any other text of its batch is: a random negative. So no query
    is lost to training, and arms with different negatives keep the same queries.

    Args:
        pairs: of at least two passages.
        negatives: per pair, at least 1.
        seed: of the draws.
    """
    lenders = [pair for pair in pairs if pair.negatives]
    if len({lender.positive for lender in lenders}) < 2:
        # Other queries of a lone lender's passage cannot borrow from it, so the passages themselves are lent too.
        lenders += [replace(pair, negatives=(pair.positive,) * negatives) for pair in pairs]
    drawn = random.Random(seed)
    return [
        pair if pair.negatives else replace(pair, negatives=_lent(pair, lenders, drawn))
        for pair in pairs
    ]


def _lent(pair: Pair, lenders: Sequence[Pair], drawn: random.Random) -> tuple[str, ...]:
    start = drawn.randrange(len(lenders))
    in_turn = (lenders[(start + i) % len(lenders)] for i in range(len(lenders)))
    return next(lender.negatives for lender in in_turn if lender.positive != pair.positive)
