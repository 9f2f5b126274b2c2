"""Training pairs: a query, its passage, and its hard negatives or the list that it is ranked in."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice

from synthneg.records import WRITTEN, Example, Judged
from synthneg.scoring.encoder import readable


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of training texts; in a training set every pair has the same number of negatives.

    In a list the further documents stand as negatives, whatever their grade.
    """

    query: str
    positive: str
    negatives: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # further documents that answer it: no negatives to it
    labels: tuple[float, ...] = ()  # of positive and negatives, for a loss that takes any


def training_pairs(examples: Iterable[Example], negatives: int) -> list[Pair]:
    """Return a pair for each example of the training split, with `negatives` of its own negatives.

    A query with fewer repeats them; one without any gets none. Queries of held-out passages are not among them. The
    labels are 1 for what a model wrote beside the passage, 0 for what stands in the corpus.
    """
    return [
        _pair(example, tuple(islice(cycle(example.negatives), negatives)))
        for example in examples
        if example.split == "train"
    ]


def _pair(example: Example, negatives: Sequence[Judged]) -> Pair:
    return Pair(
        readable(example.query),
        text_of(example.positive),
        tuple(map(text_of, negatives)),
        also_answers(example),
        (0.0, *(float(d.source in WRITTEN) for d in negatives)),
    )


def also_answers(example: Example) -> tuple[str, ...]:
    """Return the texts of the documents that answer the query beside its positive."""
    return tuple(text_of(d) for d in example.documents[1:] if d.grade == 3)


def text_of(document: Judged) -> str:
    """Return title and text as a tokenizer takes them."""
    return readable(document.full_text)


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
        labels = (0.0,) * (1 + negatives)
        lenders += [
            replace(pair, negatives=(pair.positive,) * negatives, labels=labels) for pair in pairs
        ]
    drawn = random.Random(seed)
    return [pair if pair.negatives else _lent(pair, lenders, drawn) for pair in pairs]


def _lent(pair: Pair, lenders: Sequence[Pair], drawn: random.Random) -> Pair:
    start = drawn.randrange(len(lenders))
    in_turn = (lenders[(start + i) % len(lenders)] for i in range(len(lenders)))
    lender = next(lender for lender in in_turn if lender.positive != pair.positive)
    return replace(pair, negatives=lender.negatives, labels=lender.labels)
