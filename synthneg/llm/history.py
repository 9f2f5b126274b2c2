"""A ledger to look back on: who answered, and why tries failed. Nothing is written."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import orjson

from synthneg.llm.ledger import Ledger
from synthneg.llm.used import Spent

_MOST_KEYS = 256  # of one question to SQLite
_SPENT = "count(*), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0), coalesce(sum(seconds), 0.0)"


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
        """Return in how many seconds any reply was waited for; the spans are sorted by SQLite and never held."""
        return _covered(self._base.execute("SELECT at - seconds, at FROM replies ORDER BY 1, 2"))

    def spent_by(self, keys: Iterable[tuple[str, str]]) -> dict[str, Spent]:
        """Return what replies have used, by the names that they are given with.

        Args:
            keys: name and key of each reply, the same as often as it may come; of two names the first counts.
        """
        # A temporary table lies outside the ledger's file, and grows on disk where it must.
        self._base.execute(
            "CREATE TEMP TABLE IF NOT EXISTS named (key BLOB PRIMARY KEY, name TEXT) WITHOUT ROWID"
        )
        self._base.execute("BEGIN")
        self._base.execute("DELETE FROM named")
        self._base.executemany(
            "INSERT OR IGNORE INTO named VALUES (?, ?)",
            ((bytes.fromhex(key), name) for name, key in keys),
        )
        rows = self._rows(
            f"SELECT name, {_SPENT} FROM named JOIN replies USING (key) GROUP BY name ORDER BY min(replies.rowid)",
            [],
        )
        self._base.execute("COMMIT")
        return {name: Spent(*used) for name, *used in rows}

    def spent_in_all(self) -> Spent:
        """Return what all replies have used; tries that failed are not among them."""
        [used] = self._rows(f"SELECT {_SPENT} FROM replies", [])
        return Spent(*used)

    def models(self) -> list[str]:
        """Return the models that have answered, as servers name them, the most frequent first."""
        return [
            str(name)
            for (name,) in self._rows(
                "SELECT model FROM replies GROUP BY 1 ORDER BY count(*) DESC, 1", []
            )
        ]

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


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return how many seconds lie within any span of start and end; they come sorted."""
    covered, until = 0.0, 0.0
    for start, end in spans:
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered
