"""What the labels of a dataset come to, as pure functions: one scale of grades, one label a document."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from synthneg.errors import CorpusError
from synthneg.intake.gather import Fault, Labelled
from synthneg.records import WRITTEN

# By the dataset's highest label. Of two labels the lower says of a document that it was looked at and found not to
# answer, which is more than that it has nothing to do with the query.
_SCALES: Mapping[int, Mapping[int, int]] = {
    0: {0: 1},
    1: {0: 1, 1: 3},
    2: {0: 0, 1: 2, 2: 3},
    3: {0: 0, 1: 1, 2: 2, 3: 3},
}
_LEAST_POSITIVE = 2  # what answers in part is a positive where nothing answers better

Scale = Callable[[Labelled], int]


class Graded(NamedTuple):
    """A document of a query with its grade."""

    document_id: str
    grade: int
    source: str  # "" where the dataset does not say it
    scores: Mapping[str, float]


class Settled(NamedTuple):
    """What the labels of one query come to."""

    positives: list[Graded]  # passages alone; none: the query cannot be used
    others: list[Graded]
    faults: list[Fault]  # by document


def scale_of(lowest: int, highest: int, path: str) -> Scale:
    """Return what turns a label into a grade from 0 to 3, by the labels that the dataset has.

    Raises:
        CorpusError: they do not lie between 0 and 3.
    """
    if lowest < 0 or highest not in _SCALES:
        raise CorpusError(
            f"{path}: expected labels from 0 (unrelated) to 3 (answers fully), or 0 and 1, got {lowest} to {highest};"
            " write them on that scale"
        )
    grades = _SCALES[highest]
    return lambda label: grades[label.value] if label.raw else label.value


def settle(labels: Iterable[Labelled], scale: Scale, known: Callable[[str], bool]) -> Settled:
    """Return one grade for each document of a query, the positives apart.

    Faults are `no_document` (the dataset has none of this id), `duplicate` (a line says the same again) and
    `contradictory`: of two grades the higher stands, since a negative that answers does more harm than one too few.

    Args:
        labels: of one query, in the order in which they were found.
        scale: as `scale_of` gives it.
        known: whether there is a document of this id.
    """
    by_document: dict[str, list[Labelled]] = {}
    faults = []
    for label in labels:
        if known(label.document_id):
            by_document.setdefault(label.document_id, []).append(label)
        else:
            detail = f"no document of this id for the label at {label.place}"
            faults.append(Fault(label.document_id, "no_document", detail))
    graded = []
    for id, found in by_document.items():
        best = max(found, key=scale)  # of equal ones the first
        graded.append(_graded(id, found, best, scale))
        faults += _beside(id, found, best, scale)
    top = max((g.grade for g in graded if g.source not in WRITTEN), default=0)
    answers = [g for g in graded if g.grade == top >= _LEAST_POSITIVE and g.source not in WRITTEN]
    return Settled(answers, [g for g in graded if g not in answers], faults)


def _graded(id: str, found: Sequence[Labelled], best: Labelled, scale: Scale) -> Graded:
    source = next((label.source for label in found if label.source), "")
    scores: dict[str, float] = {}
    for label in found:
        scores = {**label.scores, **scores}
    return Graded(id, scale(best), source, scores)


def _beside(id: str, found: Sequence[Labelled], best: Labelled, scale: Scale) -> list[Fault]:
    """Return what is wrong with the labels of a document beside the one that stands; rows may repeat one rightly."""
    faults = []
    for label in found:
        if label is best:
            continue
        if scale(label) != scale(best):
            detail = f"{label.place} says grade {scale(label)}, {best.place} says {scale(best)}"
            faults.append(Fault(id, "contradictory", detail))
        elif label.stated:
            faults.append(Fault(id, "duplicate", f"{label.place} repeats {best.place}"))
    return faults
