"""What people have answered about a run, as a part of its page: shares, agreement, and the thresholds suggested."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synthneg.report.tables import Table
from synthneg.review import words
from synthneg.review.judges import Agreement
from synthneg.review.rows import Row
from synthneg.review.summary import Summary

_HEADS = ("share right", "95% interval", "answers", "of records", "remark")


@dataclass(frozen=True, slots=True)
class People:
    """The part of the page.

    Attributes:
        told: sentences that stand before the tables.
        shares: of what is right: by what the dataset holds, source, prompt and verdict.
        agreement: what checks and people said of the same records.
        between: how far each two reviewers agree.
        thresholds: a sentence on each threshold that the answers bear on, and the `--set` arguments that it comes to.
        rest: what cannot be told yet.
    """

    told: tuple[str, ...]
    shares: tuple[Table, ...]
    agreement: tuple[Table, ...]
    between: tuple[str, ...]
    thresholds: tuple[tuple[str, tuple[str, ...]], ...]
    rest: tuple[str, ...]


def people(found: Summary | None) -> People | None:
    """Return what is shown of a review; None where nobody was asked."""
    if found is None:
        return None
    told = words.told(found)
    several = sum(bool(words.changes(one)) for one in told) > 1
    rest = [words.ONE_BY_ONE if several else "", words.untold(found)]
    said = [f"{words.head(found)}.", words.about(found), words.width(found), *words.asides(found)]
    return People(
        tuple(filter(None, said)),
        tuple(_shares(found)),
        tuple(map(_agreement, found.agreement)),
        tuple(map(words.between, found.between)),
        tuple((words.suggested(one, None), words.changes(one)) for one in told),
        tuple(filter(None, rest)),
    )


def _shares(found: Summary) -> Iterator[Table]:
    for title, what, rows in (
        ("What the dataset holds", "what", found.headline),
        ("By source", "source", found.sources),
        ("By prompt", "prompt", found.prompts),
        ("By verdict of the checks", "verdict", found.verdicts),
    ):
        if rows:
            yield _share(title, what, rows)


def _share(title: str, what: str, rows: Sequence[Row]) -> Table:
    """Return a table; its last column stands only where it says anything."""
    found = [(row.name, *words.cells(row)) for row in rows]
    said = len(_HEADS) if any(cells[-1] for cells in found) else len(_HEADS) - 1
    note = (
        "“answer; not checked”: the checks claim nothing of it, so the share is of texts that answer."
        if any(row.told == "answer" and row.found.answers for row in rows)
        else ""
    )
    heads = (what, *_HEADS[:said])
    return Table(title, heads, tuple(cells[: said + 1] for cells in found), 1, note)


def _agreement(found: Agreement) -> Table:
    pairs = zip(found.labels, found.counts, strict=True)
    return Table(
        f"Checks and people on {found.of}",
        (words.CHECKS, *found.labels),
        tuple((label, *map(words.counted, counts)) for label, counts in pairs),
        1,
        f"{words.kappa(found.kappa)}; 1 is agreement in all, 0 what chance alone gives.",
    )
