"""What is known to answer a query, and so is never a negative of it: its positives, whole documents at a time."""

import re
from array import array
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
    """Return what the run knows; of queries with the same words one that failed its checks counts as well.

    Of each query two numbers are held; its words, only where they were written from several passages.
    """
    files = [name for name in ("queries.jsonl", "verified_queries.jsonl") if run.has(name)]
    said, owners = array("q"), array("q")
    for query in (query for name in files for query in run.read(name, Query)):
        said.append(hash(normalized(query.text)))
        owners.append(hash((query.passage_id, *query.also)))
    shared = _with_several(said, owners)
    same_words: defaultdict[str, set[str]] = defaultdict(set)
    for query in (query for name in files for query in run.read(name, Query)):
        text = normalized(query.text)
        if hash(text) in shared:
            same_words[text].update((query.passage_id, *query.also))
    return Known(corpus, same_words)


def _with_several(keys: "array[int]", values: "array[int]") -> set[int]:
    """Return the keys that come with more than one value."""
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    pairs = np.array([keys, values], np.int64)
    order = np.lexsort(pairs[::-1])
    before, after = pairs[:, order[:-1]], pairs[:, order[1:]]
    return set(after[0][(before[0] == after[0]) & (before[1] != after[1])].tolist())


def document_of(id: str) -> str:
    """Return the id of the document that a passage is a piece of, or the passage's own.

    >>> document_of("guide.md#3"), document_of("4983")
    ('guide.md', '4983')
    """
    piece = _PIECE.fullmatch(id)
    return piece[1] if piece else id


def numbered(values: Iterable[str]) -> "NDArray[np.int64]":
    """Return a number for each value, the same for equal ones; the numbers are those from 0 to one below their count.

    Values are told apart by two hashes of 64 bits, so that none is held.

    >>> numbers = numbered(["tea", "pot", "tea"])
    >>> sorted(set(numbers.tolist())), bool(numbers[0] == numbers[2])
    ([0, 1], True)
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when searching

    hashes = array("q")
    for value in values:
        hashes.extend((hash(value), hash((value, "again"))))
    pairs = np.array(hashes, np.int64).reshape(-1, 2)
    order = np.lexsort(pairs.T)
    differs = (pairs[order[1:]] != pairs[order[:-1]]).any(axis=1)
    numbers = np.zeros(len(pairs), np.int64)
    numbers[order[1:]] = np.cumsum(differs)
    return numbers
