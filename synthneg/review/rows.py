"""Shares of a run's records that are as the checks have it: what the dataset holds, and what each verdict is worth."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from synthneg.review.answers import GRADES, says_yes
from synthneg.review.estimate import Cell, Estimate, differ, estimate
from synthneg.review.items import LEAST_ANSWER, Item, Question
from synthneg.review.reviewed import Review
from synthneg.review.sample import Stratum

Told = Literal["right", "answer"]
Word = Literal["", "higher", "lower", "not distinguishable"]
Right = Callable[[Item, str], float | None]


@dataclass(frozen=True, slots=True)
class Row:
    """A share of the run's records of one kind.

    Attributes:
        name: of the kind.
        told: whether the share is of what is right, or, where the checks claim nothing of it, of what answers.
        found: the share with its interval, weighted back to the run.
        word: beside all others of its table; "" where there is nothing beside it.
    """

    name: str
    told: Told
    found: Estimate
    word: Word = ""


def right(item: Item, said: str) -> float | None:
    """Return whether an answer bears out what the checks made of an item; None where they claim nothing of it."""
    if item.question == "grade" and item.kept and said in GRADES:
        return float(int(said) == item.grade)
    claim, yes = item.said_to_answer, says_yes(said)
    return None if claim is None or yes is None else float(bool(yes) == claim)


def _is_kept(stratum: Stratum) -> bool:
    return stratum.verdict.partition(",")[0] == "kept"


def _cell(review: Review, stratum: Stratum, judged: Right) -> Cell:
    values = []
    for one in review.reviewed[stratum]:
        told = [value for said in one.said if (value := judged(one.item, said)) is not None]
        if told:
            values.append(fmean(told))
    return Cell(sum(values), len(values), review.sizes[stratum])


def headline(review: Review) -> Iterator[Row]:
    """Yield what the dataset holds, by question."""
    kept = [stratum for stratum in review.sizes if _is_kept(stratum)]
    kinds: dict[str, tuple[list[Stratum], Right]] = {
        "queries that their passage answers": (
            [s for s in kept if s.question == "answers"],
            lambda _, said: says_yes(said),
        ),
        "negatives that do not answer": (
            [s for s in kept if s.question != "answers" and s.grade < LEAST_ANSWER],
            lambda _, said: _no(said),
        ),
        "graded documents of the grade given": ([s for s in kept if s.question == "grade"], right),
    }
    for name, (strata, judged) in kinds.items():
        if strata:
            yield Row(name, "right", estimate(_cell(review, s, judged) for s in strata))


def _no(said: str) -> float | None:
    yes = says_yes(said)
    return None if yes is None else 1 - yes


def by_source(review: Review) -> Iterator[Row]:
    """Yield what the dataset holds by source, each source beside all others."""
    kept = [stratum for stratum in review.sizes if _is_kept(stratum)]
    return _table(review, kept, lambda s: s.source, lambda _: "")


def by_prompt(review: Review) -> Iterator[Row]:
    """Yield what the dataset holds by prompt, each beside those that write the same kind of thing."""
    written = [stratum for stratum in review.sizes if _is_kept(stratum) and stratum.prompt]
    return _table(review, written, lambda s: s.prompt, lambda s: s.question)


def _table(
    review: Review,
    strata: Sequence[Stratum],
    name_of: Callable[[Stratum], str],
    beside: Callable[[Stratum], str],
) -> Iterator[Row]:
    """Yield a row for each name, compared with all others that stand beside it."""
    cells: dict[str, dict[str, list[Cell]]] = {}
    for stratum in strata:
        group = cells.setdefault(beside(stratum), {})
        group.setdefault(name_of(stratum), []).append(_cell(review, stratum, right))
    for group in cells.values():
        told = {name: found for name, found in group.items() if any(cell.answers for cell in found)}
        comparisons = len(told) if len(told) > 2 else 1
        for name, found in sorted(group.items()):
            others = [cell for other in told if other != name for cell in told[other]]
            word: Word = ""
            if name in told and others:
                above = differ(found, others, comparisons)
                word = "not distinguishable" if above is None else "higher" if above else "lower"
            yield Row(name, "right", estimate(found), word)


def by_verdict(review: Review) -> Iterator[Row]:
    """Yield a row for each verdict of the checks, what is kept first."""
    kinds: dict[Question, str] = {"answers": "query", "negative": "negative", "grade": "graded"}
    groups: dict[tuple[Question, str], list[Stratum]] = {}
    for stratum in review.sizes:
        groups.setdefault((stratum.question, stratum.verdict), []).append(stratum)
    order = {question: place for place, question in enumerate(kinds)}
    for (question, verdict), strata in sorted(
        groups.items(), key=lambda pair: (order[pair[0][0]], not _is_kept(pair[1][0]), pair[0][1])
    ):
        name = f"{kinds[question]}, {verdict}"
        claims = any(
            right(one.item, said) is not None
            for stratum in strata
            for one in review.reviewed[stratum]
            for said in one.said
        )
        judged: Right = right if claims else (lambda _, said: says_yes(said))
        told: Told = "right" if claims else "answer"
        yield Row(name, told, estimate(_cell(review, stratum, judged) for stratum in strata))
