"""The books of a stage: what came in, and to which end each record came; and the files that records are read from."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import orjson

from synthneg.errors import RunError
from synthneg.records import Reject, from_row, to_line

R = TypeVar("R")

STAGES = (
    "corpus",
    "generate.queries",
    "verify.queries",
    "generate.documents",
    "generate.negatives",
    "mine",
    "verify.judge",
    "verify.documents",
    "export",
    "train",
    "evaluate",
)
Counts = dict[str, Any]


class Stage:
    """One stage at work: takes records in, and keeps, rejects or fails each of them."""

    def __init__(self, name: str, out: BinaryIO, rejects: BinaryIO) -> None:
        self.name = name
        self.taken = 0
        self.kept = 0
        self.rejected: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.flagged: Counter[str] = Counter()
        self.notes: list[str] = []  # sentences that are told with the books
        self._out, self._rejects = out, rejects

    def take(self, count: int = 1) -> None:
        """Count records that came in; each must come to one end."""
        self.taken += count

    def keep(self, record: object, count: int = 1) -> None:
        """Write a record that passed; `count` is for one that holds several of what the stage counts."""
        self.kept += count
        self._out.write(to_line(record))

    def carry(self, file: Path) -> None:
        """Write the records of an earlier round's file as they are; they stand in the books of that round."""
        with file.open("rb") as stream:
            shutil.copyfileobj(stream, self._out)

    def flag(self, finding: str) -> None:
        """Count something found in a record that is kept all the same."""
        self.flagged[finding] += 1

    def reject(self, id: str, reason: str, detail: str) -> None:
        """Write why a record was dropped after it had been judged."""
        self.rejected[reason] += 1
        self._rejects.write(to_line(Reject(self.name, id, reason, detail)))

    def fail(self, id: str, reason: str, detail: str) -> None:
        """Write why a record never came to be: no reply, after all tries."""
        self.failed[reason] += 1
        self._rejects.write(to_line(Reject(self.name, id, reason, detail)))

    def written(self, kind: type[R]) -> Iterator[R]:
        """Yield the records kept so far; nothing may be kept meanwhile."""
        self._out.seek(0)
        yield from (from_row(kind, orjson.loads(line)) for line in self._out)
        self._out.seek(0, os.SEEK_END)

    @contextmanager
    def revised(self, kind: type[R]) -> Iterator[Iterator[R]]:
        """Give the records kept so far, to be taken and kept anew, or not; what was dropped before stays dropped."""
        with tempfile.TemporaryFile(dir=os.path.dirname(self._out.name)) as before:
            self._out.seek(0)
            shutil.copyfileobj(self._out, before)
            self._out.seek(0)
            self._out.truncate()
            before.seek(0)
            self.taken, self.kept = self.taken - self.kept, 0
            yield (from_row(kind, orjson.loads(line)) for line in before)

    def counts(self) -> Counts:
        """Return the books of this stage; `flagged`, which counts some of the kept, and `notes` only where any are."""
        counts: Counts = {
            "in": self.taken,
            "kept": self.kept,
            "rejected": dict(sorted(self.rejected.items())),
            "failed": dict(sorted(self.failed.items())),
        }
        counts |= {"flagged": dict(sorted(self.flagged.items()))} if self.flagged else {}
        return counts | ({"notes": self.notes} if self.notes else {})

    def balance(self) -> None:
        """Raise AssertionError unless each record that came in has come to one end."""
        ended = self.kept + self.rejected.total() + self.failed.total()
        if self.taken != ended:
            raise AssertionError(
                f"{self.name}: {self.taken} in, but {self.kept} kept"
                f" + {self.rejected.total()} rejected + {self.failed.total()} failed"
            )


def read_records(file: Path, kind: type[R]) -> Iterator[R]:
    """Yield the records of class `kind` from a run's file, one JSON object a line.

    Raises:
        RunError: there is no such file.
    """
    try:
        stream = file.open("rb")
    except OSError as error:
        raise RunError(
            f"{file}: not written yet; run the stage before it, or `synthneg run`"
        ) from error
    with stream:
        for line in stream:
            yield from_row(kind, orjson.loads(line))


def read_books(folder: Path) -> dict[str, Counts]:
    """Return the books of the run in `folder`; empty where no stage has ended."""
    file = folder / "books.json"
    books: dict[str, Counts] = orjson.loads(file.read_bytes()) if file.exists() else {}
    return books
