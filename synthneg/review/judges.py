"""Who agrees with whom: the checks with the people, and the people with each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING

from synthneg.review.agreement import NO_KAPPA, Kappa, kappa
from synthneg.review.answers import GRADES, SKIP, Answer, says_yes
from synthneg.review.reviewed import Review, Reviewed

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the checks and the people said of the same items.

    Attributes:
        of: which items.
        labels: of rows and columns.
        counts: answers by what the checks said (row) and the people (column); an item about which people differ is
            shared out.
        kappa: weighted back to the run; of grades with squared distances.
    """

    of: str
    labels: tuple[str, ...]
    counts: tuple[tuple[float, ...], ...]
    kappa: Kappa


@dataclass(frozen=True, slots=True)
class Between:
    """How far two reviewers agree about the items that both answered."""

    a: str
    b: str
    of: str
    items: int
    agreed: float
    kappa: Kappa


def agreements(reviewed: Sequence[Reviewed], seed: int) -> Iterator[Agreement]:
    """Yield the checks beside the people: whether a text answers, and which grade it has."""
    claimed = [one for one in reviewed if one.item.said_to_answer is not None]
    own = [one for one in claimed if one.item.question == "answers"]
    others = [one for one in claimed if one.item.question != "answers"]
    labels = ("answers", "does not")
    for of, found in (("queries and their passages", own), ("other documents", others)):
        if found:
            tables = [_yes_table(one) for one in found]
            yield _agreement(of, labels, tables, found, seed, graded=False)
    graded = [
        one
        for one in reviewed
        if one.item.question == "grade" and one.item.kept and set(one.said) & set(GRADES)
    ]
    if graded:
        tables = [_grade_table(one) for one in graded]
        yield _agreement("grades", GRADES, tables, graded, seed, graded=True)


def _yes_table(one: Reviewed) -> list[list[float]]:
    row = [one.yes, 1 - one.yes]
    return [row, [0.0, 0.0]] if one.item.said_to_answer else [[0.0, 0.0], row]


def _grade_table(one: Reviewed) -> list[list[float]]:
    grades = [int(said) for said in one.said if said in GRADES]
    table = [[0.0] * len(GRADES) for _ in GRADES]
    for grade in grades:
        table[one.item.grade][grade] += 1 / len(grades)
    return table


def _agreement(
    of: str,
    labels: tuple[str, ...],
    tables: Sequence[Sequence[Sequence[float]]],
    items: Sequence[Reviewed],
    seed: int,
    *,
    graded: bool,
) -> Agreement:
    import numpy as np  # noqa: PLC0415 - heavy: only when a review is summed up

    array = np.array(tables)
    found = kappa(array, np.array([one.weight for one in items]), seed, graded=graded)
    counts = tuple(tuple(map(float, row)) for row in array.sum(axis=0))
    return Agreement(of, labels, counts, found)


def betweens(review: Review, seed: int) -> Iterator[Between]:
    """Yield each two reviewers beside each other."""
    for (a, mine), (b, theirs) in combinations(sorted(review.answers.items()), 2):
        both = [key for key in mine if key in theirs]
        pairs = [
            (mine[key], theirs[key])
            for key in both
            if SKIP not in (mine[key].answer, theirs[key].answer)
        ]
        yield from _between(a, b, pairs, seed)


def _between(
    a: str, b: str, pairs: Sequence[tuple[Answer, Answer]], seed: int
) -> Iterator[Between]:
    said = [(int(not says_yes(x.answer)), int(not says_yes(y.answer))) for x, y in pairs]
    grades = [
        (int(x.answer), int(y.answer))
        for x, y in pairs
        if x.answer in GRADES and y.answer in GRADES
    ]
    for of, found, k in (("answers or not", said, 2), ("grades", grades, len(GRADES))):
        if found or k == 2:
            agreed = fmean(x == y for x, y in found) if found else 0.0
            kappas = _kappa_of(found, k, seed) if found else NO_KAPPA
            yield Between(a, b, of, len(found), agreed, kappas)


def _kappa_of(pairs: Sequence[tuple[int, int]], k: int, seed: int) -> Kappa:
    import numpy as np  # noqa: PLC0415 - heavy: only when a review is summed up

    tables: NDArray[np.float64] = np.zeros((len(pairs), k, k))
    for place, (one, other) in enumerate(pairs):
        tables[place, one, other] = 1.0
    return kappa(tables, np.ones(len(pairs)), seed, graded=k > 2)
