"""A ledger to look back on: who answered, and why tries failed. Nothing is written."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import orjson

from synthneg.llm.ledger import Ledger

_MOST_KEYS = 256  # of one question to SQLite


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return how long at least one of these spans of time was open; they come in the order of their beginnings."""
    busy, until = 0.0, 0.0
    for start, end in spans:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return busy


class History(Ledger):
    """The ledger in `file`, opened for reading alone.

    Args:
        file: a ledger that is there; another process may be at work in it.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(file, read_only=True)

    def busy_s(self, keys: Iterable[str]) -> float:
        """Return in how many seconds any of these replies was waited for."""
        source = iter(keys)
        spans: list[tuple[float, float]] = []
        while some := [bytes.fromhex(key) for key in islice(source, _MOST_KEYS)]:
            marks = ",".join("?" * len(some))
            spans += self._rows(
                f"SELECT at - seconds, at FROM replies WHERE key IN ({marks})", some
            )
        return _covered(sorted(spans))

    def asked_s(self) -> float:
        """Return in how many seconds any reply was waited for, over all starts of the run."""
        return _covered(self._rows("SELECT at - seconds, at FROM replies ORDER BY 1", []))

    def reasons(self) -> dict[str, int]:
        """Return how many tries failed for each reason, the most frequent first."""
        return dict(
            self._rows("SELECT reason, count(*) FROM failures GROUP BY 1 ORDER BY 2 DESC, 1", [])
        )

    def identities(self) -> list[str]:
        """Return the backends that have answered, the one that did last at first."""
        last = "SELECT body FROM shared WHERE id = (SELECT shared FROM replies ORDER BY rowid DESC LIMIT 1)"
        bodies = [
            *self._rows(last, []),
            *self._rows("SELECT body FROM shared ORDER BY id DESC", []),
        ]
        return list(dict.fromkeys(str(orjson.loads(body)[0]) for (body,) in bodies))

    def dialects(self) -> dict[str, tuple[str, ...]]:
        """Return what was learnt of how servers take a request, in their words and by backend."""
        rows = self._rows("SELECT subject, value FROM facts WHERE name = 'dialect'", [])
        return {
            backend: tuple(filter(None, orjson.loads(value).values())) for backend, value in rows
        }

    def open_batches(self) -> list[tuple[str, int]]:
        """Return each batch that is not settled: the server's name of it, and how many replies it owes."""
        found = []
        rows = self._rows("SELECT name, value FROM facts WHERE subject LIKE 'batches of %'", [])
        for name, value in rows:
            owed = sum(not fact.startswith("shared ") for fact in self.facts(f"batch {name}"))
            found.append((orjson.loads(value)["id"] or "not yet submitted", owed))
        return found
