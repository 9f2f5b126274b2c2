"""What the answers of people say of a run: `read(folder)` gives it as frozen records, for whoever shows it.

Light: no model is loaded, and nothing is written into the run, which may be at work.
"""

from dataclasses import dataclass
from pathlib import Path

import orjson

from synthneg.config import RunConfig
from synthneg.files import disk_errors, write_whole
from synthneg.review.judges import Agreement, Between, agreements, betweens
from synthneg.review.reviewed import Review, read_review
from synthneg.review.rows import Row, by_prompt, by_source, by_verdict, headline
from synthneg.review.suggest import Suggestion, suggestions
from synthneg.review.thresholds import thresholds
from synthneg.settings import load


@dataclass(frozen=True, slots=True)
class Summary:
    """All that the answers say.

    Attributes:
        run: name of the run.
        records: of the run that could be asked about.
        strata: how many kinds there are.
        reached: how many of them have an answer.
        answered: items that count.
        skipped: items about which nobody would say.
        waiting: items with answers that the sample has not reached.
        changed: answers about texts that are others by now.
        gone: answers about records that the run does not have any more.
        unreadable: lines of the file that cannot be read.
        reviewers: each with the number of answers.
        median_s: the middle time of an answer; None where nobody was timed.
        headline: what the dataset holds, by question.
        sources: what it holds, by source.
        prompts: likewise by prompt.
        verdicts: each verdict of the checks, rejections too.
        agreement: checks against people.
        between: reviewers against each other.
        suggestions: of each threshold that the answers bear on.
        precision: that was wanted, if one was.
    """

    run: str
    records: int
    strata: int
    reached: int
    answered: int
    skipped: int
    waiting: int
    changed: int
    gone: int
    unreadable: int
    reviewers: tuple[tuple[str, int], ...]
    median_s: float | None
    headline: tuple[Row, ...]
    sources: tuple[Row, ...]
    prompts: tuple[Row, ...]
    verdicts: tuple[Row, ...]
    agreement: tuple[Agreement, ...]
    between: tuple[Between, ...]
    suggestions: tuple[Suggestion, ...]
    precision: float | None = None


def read(folder: Path, precision: float | None = None) -> Summary | None:
    """Return what the answers about the run in `folder` say; None where nobody was asked.

    Args:
        folder: of the run.
        precision: share of what a check lets pass that is to be right, for the thresholds; without it they are
            suggested by agreement.

    Raises:
        RunError: nothing has been verified.
    """
    config = load(folder / "run.yaml")
    review = read_review(folder, config.seed)
    return None if review is None else summed_up(folder, config, review, precision)


def summed_up(
    folder: Path, config: RunConfig, review: Review, precision: float | None = None
) -> Summary:
    """Return what a review says; arguments as in `read`."""
    pairs = [(stratum, one) for stratum, found in review.reviewed.items() for one in found]
    return Summary(
        run=folder.resolve().name,
        records=sum(review.sizes.values()),
        strata=len(review.sizes),
        reached=sum(map(bool, review.reviewed.values())),
        answered=len(pairs),
        skipped=review.skipped,
        waiting=review.waiting,
        changed=review.changed,
        gone=review.gone,
        unreadable=review.unreadable,
        reviewers=tuple((name, len(given)) for name, given in sorted(review.answers.items())),
        median_s=review.median_s,
        headline=tuple(headline(review)),
        sources=tuple(by_source(review)),
        prompts=tuple(by_prompt(review)),
        verdicts=tuple(by_verdict(review)),
        agreement=tuple(agreements([one for _, one in pairs], config.seed)),
        between=tuple(betweens(review, config.seed)),
        suggestions=tuple(
            suggestions(thresholds(folder, config.verify), pairs, config.seed, precision)
        ),
        precision=precision,
    )


def write(found: Summary, file: Path) -> None:
    """Write all of it as JSON, under the names of the attributes; what is no number is null.

    Raises:
        RunError: the disk is full, or the folder may not be written.
    """
    with disk_errors(file.parent):
        write_whole(file, orjson.dumps(found, option=orjson.OPT_INDENT_2))
