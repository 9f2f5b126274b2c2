"""The answers beside the sample: which of them count, and how many records of the run each stands for.

In each stratum those count that stand before the first item that nobody was asked about. They are the stratum's first
by a random number that does not change, so they are a random sample of it, even where another threshold has since moved
items from stratum to stratum. Answers beyond that wait: as soon as the sample reaches them they count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from synthneg.progress import track
from synthneg.review.answers import SKIP, Answer, Answers, Key, read_answers, says_yes
from synthneg.review.items import Item, items
from synthneg.review.sample import Frame, Stratum, framed
from synthneg.review.texts import Shown, texts_of


@dataclass(frozen=True, slots=True)
class Reviewed:
    """An item of the sample with an answer.

    Attributes:
        item: the item.
        said: an answer of each reviewer who gave one.
        weight: how many records of the run it stands for.
    """

    item: Item
    said: tuple[str, ...]
    weight: float

    @property
    def yes(self) -> float:
        """The share of the reviewers who say that the text answers."""
        return sum(says_yes(said) or 0.0 for said in self.said) / len(self.said)


@dataclass(frozen=True, slots=True)
class Review:
    """All that was answered about a run.

    Attributes:
        sizes: records of the run by stratum.
        reviewed: the items that count, by stratum.
        answers: of each reviewer, by item: those whose texts are as they were shown.
        skipped: items of the sample about which everybody who was asked would not say.
        waiting: items with answers that the sample has not reached.
        changed: answers about texts that are others by now.
        gone: answers about records that the run does not have any more.
        unreadable: lines of the file that cannot be read.
        median_s: the middle time from a text's appearance to the key; None where nobody was timed.
    """

    sizes: Mapping[Stratum, int]
    reviewed: Mapping[Stratum, Sequence[Reviewed]]
    answers: Mapping[str, Mapping[Key, Answer]]
    skipped: int
    waiting: int
    changed: int
    gone: int
    unreadable: int
    median_s: float | None


def read_review(folder: Path, seed: int) -> Review | None:
    """Return the answers about the run in `folder`; None where nobody was asked. Nothing is written.

    Raises:
        RunError: nothing has been verified.
    """
    answers = read_answers(folder)
    if not answers:
        return None
    keys = answers.keys
    read = track(items(folder), "review", "records read")
    frame = framed(read, seed, len(keys) + 1, keys)
    known = [item for item in (*_drawn(frame), *frame.others) if item.key in keys]
    by, changed, gone = current(answers, texts_of(folder, known))
    return _review(frame, by, Counts(changed, gone, answers.unreadable))


@dataclass(frozen=True, slots=True)
class Counts:
    """Answers that do not count, by why."""

    changed: int
    gone: int
    unreadable: int


def current(
    answers: Answers, texts: Mapping[Key, Shown]
) -> tuple[dict[str, dict[Key, Answer]], int, int]:
    """Return the answers about texts as they are, by reviewer; how many are about other ones, and about none."""
    by: dict[str, dict[Key, Answer]] = {}
    changed = gone = 0
    marks = {key: shown.mark for key, shown in texts.items()}
    for reviewer, given in answers.by.items():
        by[reviewer] = {}
        for key, answer in given.items():
            if key not in marks:
                gone += 1
            elif answer.text != marks[key]:
                changed += 1
            else:
                by[reviewer][key] = answer
    return by, changed, gone


def _review(frame: Frame, by: Mapping[str, Mapping[Key, Answer]], counts: Counts) -> Review:
    said: dict[Key, list[str]] = {}
    for given in by.values():
        for key, answer in given.items():
            said.setdefault(key, []).append(answer.answer)
    reviewed = {}
    asked = 0
    for stratum, held in frame.first.items():
        reached = list(takewhile(lambda item: item.key in said, held))
        asked += len(reached)
        told = [(i, tuple(s for s in said[i.key] if s != SKIP)) for i in reached]
        told = [(item, found) for item, found in told if found]
        weight = frame.sizes[stratum] / len(told) if told else 0.0
        reviewed[stratum] = [Reviewed(item, found, weight) for item, found in told]
    times = sorted(
        a.seconds for given in by.values() for a in given.values() if a.seconds is not None
    )
    return Review(
        sizes=frame.sizes,
        reviewed=reviewed,
        answers=by,
        skipped=asked - sum(map(len, reviewed.values())),
        waiting=len(said) - asked,
        changed=counts.changed,
        gone=counts.gone,
        unreadable=counts.unreadable,
        median_s=times[len(times) // 2] if times else None,
    )


def _drawn(frame: Frame) -> list[Item]:
    return [item for held in frame.first.values() for item in held]
