"""Which queries are shown of a run too large to show all: some of every kind of record, drawn by the run's seed.

Each kind (a verdict with its reason, prompt, source, grade) keeps the few queries with the smallest hash, so that the
draw needs one walk, little memory, and does not depend on the order of the records.
"""

import heapq
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import chain, zip_longest

from synthneg.report.walk import SeenGroup, SeenQuery

_OF_EACH = 40
_OF_ALL = 1_500
_EVERY = ("",)  # the kind that every query is of

Label = tuple[str, ...]


class Draw:
    """A draw of queries.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self._salt = str(seed).encode()
        self._heaps: dict[Label, list[tuple[int, str]]] = {}  # negated hash and id

    def see_query(self, seen: SeenQuery) -> None:
        """Take a query in by its own kind."""
        row, (verdict, reason, _) = seen.row, seen.outcome
        self._offer(row["id"], [_EVERY, ("query", verdict, reason, row["origin"]["prompt"])])

    def see_group(self, seen: SeenGroup) -> None:
        """Take a query in by the kinds of its documents."""
        self._offer(
            seen.query_id,
            {
                ("document", facts.source, str(facts.grade), verdict, reason)
                for facts, (verdict, reason, _), _ in seen.documents
            },
        )

    def ids(self) -> Iterator[str]:
        """Yield the ids of queries, each once: one of each kind, a second of each, and so on; then any others."""
        of_kinds = [self._sorted(label) for label in sorted(self._heaps) if label != _EVERY]
        turns = chain.from_iterable(zip_longest(*of_kinds))
        first = (id for id in turns if id is not None)
        yield from dict.fromkeys(chain(first, self._sorted(_EVERY)))

    def _sorted(self, label: Label) -> list[str]:
        return [id for _, id in sorted(self._heaps.get(label, ()), reverse=True)]

    def _offer(self, id: str, labels: Iterable[Label]) -> None:
        digest = blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8, key=self._salt)
        entry = (-int.from_bytes(digest.digest(), "big"), id)
        for label in labels:
            heap = self._heaps.setdefault(label, [])
            if len(heap) < (_OF_ALL if label == _EVERY else _OF_EACH):
                heapq.heappush(heap, entry)
            elif entry > heap[0]:
                heapq.heapreplace(heap, entry)
