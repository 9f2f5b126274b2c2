"""What is known to answer a query, and so is never a negative of it: its positives, whole documents at a time."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from synthneg.records import Query
from synthneg.run import Run
from synthneg.scoring.corpus import CorpusVectors, row_of
from synthneg.words import normalized

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAR_COPY = 0.95  # cosine from which a passage says what another says
_PIECE = re.compile(r"(.+)#\d+")


class Known:
    """The passages of a run that are known to answer a query.

    These are the passage that it was written from, those without which it has no whole answer, and those from which a
    query with the same words was written; and every piece of a document that one of them is a piece of.
    """

    def __init__(self, corpus: CorpusVectors, same_words: Mapping[str, set[str]]) -> None:
        """Take in what is known.

        Args:
            corpus: all passages.
            same_words: ids of all passages from which a query with these words was written.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        self._corpus, self._same_words = corpus, same_words
        self.documents = numbered(map(document_of, corpus.ids))
        self._pieces = np.bincount(self.documents)

    def rows(self, query: Query) -> list[int]:
        """Return the rows of the query's positives, those that it was written from first.

        Raises:
            RunError: the corpus does not hold one of these any more.
        """
        own = (query.passage_id, *query.also)
        others = self._same_words.get(normalized(query.text), set()).difference(own)
        found = [row_of(self._corpus, query.id, id) for id in own]
        rows = (self._corpus.ids.row(id) for id in sorted(others))
        return found + [row for row in rows if row is not None]

    def pieces(self, rows: Sequence[int]) -> int:
        """Return how many passages are pieces of the documents that `rows` belong to."""
        return int(sum(self._pieces[number] for number in {self.documents[row] for row in rows}))

    def among(self, candidates: "NDArray[np.int64]", rows: Sequence[int]) -> "NDArray[np.bool_]":
        """Return for each candidate whether it is a piece of a document that one of `rows` belongs to."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        of_candidates = self.documents[candidates]
        found = np.zeros(len(candidates), np.bool_)
        for number in {self.documents[row] for row in rows}:
            found |= of_candidates == number
        return found


def known_of(run: Run, corpus: CorpusVectors) -> Known:
    """Return what the run knows; of queries with the same words one that failed its checks counts as well."""
    same_words: defaultdict[str, set[str]] = defaultdict(set)
    files = (name for name in ("queries.jsonl", "verified_queries.jsonl") if run.has(name))
    for query in (query for name in files for query in run.read(name, Query)):
        same_words[normalized(query.text)].update((query.passage_id, *query.also))
    return Known(corpus, same_words)


def document_of(id: str) -> str:
    """Return the id of the document that a passage is a piece of, or the passage's own.

    >>> document_of("guide.md#3"), document_of("4983")
    ('guide.md', '4983')
    """
    piece = _PIECE.fullmatch(id)
    return piece[1] if piece else id


def numbered(values: Iterable[str]) -> "NDArray[np.int64]":
    """Return a number for each value, the same for equal ones, counted from 0 in the order of the first of each."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)
