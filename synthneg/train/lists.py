"""Training lists: a query with the documents that it is ranked in, and a label for each.

A list that is too short is filled with passages of the corpus, drawn by seed: to a query they are almost surely
unrelated, and have grade 0 or the teacher's own score. Where the corpus has too few, the rest is marked as filling,
which every loss leaves out.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from synthneg.records import Example, Judged, Passage
from synthneg.scoring.encoder import readable
from synthneg.train.data import Pair, also_answers, text_of

FILLING = float("-inf")  # the label that `train.losses.base` leaves out
_SPARE = 4  # passages drawn beyond those that are needed, for those that turn out to be in the list already


@dataclass(frozen=True, slots=True)
class Ranked:
    """A query's documents, the positive first, and the rows of the corpus that may follow them."""

    example: Example
    documents: tuple[Judged, ...]
    labels: tuple[float, ...]
    rows: tuple[int, ...]  # in the order in which they are taken
    row_labels: tuple[float, ...]


def graded_lists(
    examples: Iterable[Example], most: int, corpus: int, seed: int
) -> tuple[list[Ranked], int]:
    """Return the documents of each query of the training split with their grades, and the length of the lists.

    That is the number of documents of the query that has most, at least 2 and at most `most`. Of a query with more,
    the positive is taken, then of each grade in turn, from 3 down; but no more than half of a list answers fully.

    Args:
        examples: verified queries.
        most: documents of a list.
        corpus: how many passages there are to fill lists with; those are of grade 0.
        seed: of what is drawn.
    """
    training = [example for example in examples if example.split == "train"]
    length = min(most, max((len(e.documents) for e in training), default=0))
    length = max(2, length)
    ranked = []
    for example in training:
        taken = in_turn(_half_answers(example.documents, length))[:length]
        rows: tuple[int, ...] = ()
        if len(taken) < length:
            rows = tuple(drawn_rows(length - len(taken) + _SPARE, corpus, seed, example.query_id))
        labels = tuple(float(document.grade) for document in taken)
        ranked.append(Ranked(example, taken, labels, rows, (0.0,) * len(rows)))
    return ranked, length


def _half_answers(documents: Sequence[Judged], length: int) -> list[Judged]:
    """Return the documents without those of grade 3 that would fill more than half of a list."""
    answers = [document for document in documents if document.grade == 3][: max(1, length // 2)]
    return [d for d in documents if d.grade < 3 or d in answers]


def in_turn(documents: Sequence[Judged]) -> tuple[Judged, ...]:
    """Return the first document, then those of each grade in turn, from the best down."""
    grades = sorted({document.grade for document in documents[1:]}, reverse=True)
    by_grade = [[d for d in documents[1:] if d.grade == grade] for grade in grades]
    turns = chain.from_iterable(zip_longest(*by_grade))
    return (documents[0], *(document for document in turns if document is not None))


def stored_lists(examples: Iterable[Example], scorer: str, most: int) -> tuple[list[Ranked], int]:
    """Return, of each query of the training split, the documents that have a score by `scorer`, and the lists' length.

    The length is that of the longest, at most `most`. A query whose positive has no such score is left out.
    """
    ranked = []
    for example in examples:
        if example.split == "train" and scorer in example.positive.scores:
            scored = [document for document in example.documents if scorer in document.scores]
            taken = tuple(scored[:most])
            ranked.append(Ranked(example, taken, tuple(d.scores[scorer] for d in taken), (), ()))
    return ranked, max((len(r.documents) for r in ranked), default=0)


def drawn_rows(count: int, corpus: int, seed: int, query_id: str) -> list[int]:
    """Return up to `count` rows of a corpus of that many passages, drawn by seed and query."""
    return random.Random(f"{seed}/{query_id}").sample(range(corpus), min(count, corpus))


def as_pairs(ranked: Sequence[Ranked], length: int, passages: Iterable[Passage]) -> list[Pair]:
    """Return the lists as rows of `length` texts and labels.

    Args:
        ranked: what is to be in each list.
        length: of the lists.
        passages: the corpus, in the order of its rows; read once.
    """
    wanted = {row for one in ranked for row in one.rows}
    found = {i: p for i, p in enumerate(passages) if i in wanted} if wanted else {}
    return [_as_pair(one, length, found) for one in ranked]


def _as_pair(one: Ranked, length: int, passages: dict[int, Passage]) -> Pair:
    texts = [text_of(document) for document in one.documents[:length]]
    labels = list(one.labels[:length])
    also = also_answers(one.example)
    for row, label in zip(one.rows, one.row_labels, strict=True):
        text = readable(passages[row].full_text)
        answers = label == 0 and text in also  # of a grade, it would be wrong
        if len(texts) < length and text not in texts and not answers:
            texts.append(text)
            labels.append(label)
    missing = length - len(texts)
    # Filling repeats the positive, so that it adds no text to the batch.
    return Pair(
        readable(one.example.query),
        texts[0],
        (*texts[1:], *[texts[0]] * missing),
        also,
        (*labels, *[FILLING] * missing),
    )
