"""What people have answered: `review.jsonl` in the run's folder, one line an answer, each on the disk before the next.

Lines are only ever added. Of several of one reviewer about the same item the last one counts; `back` takes one back.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import orjson

from synthneg.files import disk_errors, fingerprint
from synthneg.records import from_row, to_line
from synthneg.review.items import LEAST_ANSWER, Question

FILE = "review.jsonl"
Said = Literal["yes", "no", "0", "1", "2", "3", "skip", "back"]
YES: Final = "yes"
NO: Final = "no"
SKIP: Final = "skip"
BACK: Final = "back"
GRADES: tuple[Said, ...] = ("0", "1", "2", "3")
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of one person.

    Attributes:
        query_id: of the item.
        document_id: of the item.
        question: that was asked.
        answer: `yes` or `no`, or a grade; `skip` where the person would not say, `back` where they took one back.
        seconds: from the text's appearance to the key; None where the answer was imported.
        reviewer: a name; "" where none was given.
        text: fingerprint of the query and the text as they were shown.
        at: when, in UTC.
    """

    query_id: str
    document_id: str
    question: Question
    answer: Said
    seconds: float | None
    reviewer: str
    text: str
    at: str

    @property
    def key(self) -> Key:
        """What its item is found by."""
        return self.query_id, self.document_id


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers that count, in the order in which they were given: by reviewer, then by item."""

    by: Mapping[str, Mapping[Key, Answer]]
    unreadable: int  # lines that a fault of the disk has left

    def __bool__(self) -> bool:
        return any(self.by.values())

    @property
    def keys(self) -> set[Key]:
        """The items of which anything was said, `skip` too."""
        return {key for found in self.by.values() for key in found}


def read_answers(folder: Path) -> Answers:
    """Return what was answered about the run in `folder`; nothing where nobody was asked."""
    file = folder / FILE
    by: dict[str, dict[Key, Answer]] = {}
    unreadable = 0
    for line in file.read_bytes().split(b"\n") if file.exists() else ():
        if not line:
            continue
        try:
            found = from_row(Answer, orjson.loads(line))
        except (ValueError, TypeError):
            unreadable += 1
            continue
        mine = by.setdefault(found.reviewer, {})
        mine.pop(found.key, None)  # so that the order is that of the answers that count
        if found.answer != BACK:
            mine[found.key] = found
    return Answers(by, unreadable)


class Notes:
    """The file, open for adding answers."""

    def __init__(self, folder: Path, descriptor: int) -> None:
        self._folder, self._descriptor = folder, descriptor

    def add(self, answers: Iterable[Answer]) -> None:
        """Write answers; when this returns they are on the disk.

        Raises:
            RunError: the disk is full, or the folder may not be written.
        """
        with disk_errors(self._folder):
            data = b"".join(map(to_line, answers))
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)


@contextmanager
def notes(folder: Path) -> Iterator[Notes]:
    """Open the file of the run in `folder`; two people may write at the same time.

    Raises:
        RunError: the folder may not be written.
    """
    with disk_errors(folder):
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        with disk_errors(folder):
            size = os.fstat(descriptor).st_size
            # What a full disk cut off stays on a line of its own.
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                os.write(descriptor, b"\n")
        yield Notes(folder, descriptor)
    finally:
        os.close(descriptor)


def says_yes(said: str) -> float | None:
    """Return 1 where an answer says that the text answers, 0 where it says that it does not, None of a skip.

    >>> [says_yes(said) for said in ("yes", "no", "3", "2", "1", "0", "skip")]
    [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, None]
    """
    if said in GRADES:
        return float(int(said) >= LEAST_ANSWER)
    return {YES: 1.0, NO: 0.0}.get(said)


def mark_of(query: str, text: str) -> str:
    """Return the fingerprint of what was shown, by which an answer about other texts is known."""
    return fingerprint(query, text)[:16]
