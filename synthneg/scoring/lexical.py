"""BM25, the ranking that a dense model has to beat."""

import math
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Anserini's values for BEIR's "flat" index, which the published figures were made with.
_K1, _B = 0.9, 0.4
# Of a text as UTF-8, what is no part of a word becomes a blank: other characters first, then those of ASCII.
_ODD = re.compile(r"[^\w\x00-\x7f]+")
_BLANKS = bytes(i if i > 127 or re.match(r"\w", chr(i)) else 32 for i in range(256))
_NONE = -1  # in the place of a word's number: not searched for
_TEXTS = 4096  # split at a time
_QUERIES = 4096  # answered at a time; each takes 12 bytes for each of its k


class Bm25:
    """Lucene's BM25 over a corpus, k1 0.9, b 0.4, with English stopwords and Snowball stems.

    Words, weights and scores are those of bm25s, to the last bit (tests/test_scoring_lexical.py). Its own index is
    filled word by word in Python, which takes several times as long as the counting by pyarrow and scipy does here,
    and its search by numba gives equal scores in no order.
    """

    def __init__(self, documents: Iterable[str]) -> None:
        """Index the texts, which are read once; each is found by its place among them.

        The index stays in memory, 8 bytes for each different word of a text; while it is made, some 20 for each word.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when searching
        from scipy.sparse import csr_matrix  # noqa: PLC0415 - heavy: only when searching

        self._words = _Words()
        words, lengths = self._words.of(documents)
        total = len(lengths)
        places = np.repeat(np.arange(total, dtype=np.int32), lengths)
        counts = np.ones(len(words), np.float32)
        shape = (len(self._words.stems), total)
        # (words, documents), how often the one stands in the other
        self._weights = csr_matrix((counts, (words, places)), shape=shape)
        found_in = np.diff(self._weights.indptr)
        rarity = [math.log(1 + (total - n + 0.5) / (n + 0.5)) for n in found_in.tolist()]
        self._rarity = np.array(rarity, np.float32)
        self._mean = lengths.mean() if len(words) else 1.0
        self._weigh(self._weights, lengths)

    def _weigh(self, counts: Any, lengths: "NDArray[np.int64]") -> None:
        """Make weights of the counts of a (words, documents) matrix whose documents are so long."""
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        room = _K1 * ((1 - _B) + _B * lengths / self._mean)
        saturated = counts.data / (room[counts.indices] + counts.data)
        rarity = np.repeat(self._rarity, np.diff(counts.indptr))
        counts.data = (rarity * saturated).astype(np.float32)

    def pairs(self, queries: Sequence[str], documents: Sequence[str] | None = None) -> "Pairs":
        """Return the scores of these queries with these texts, or with those of the corpus, for parts of them.

        How rare a word is, and how long a text, is seen from the corpus. Of its own texts the scores are those of
        `search`, up to the order of sums.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when searching
        from scipy.sparse import csr_matrix  # noqa: PLC0415 - heavy: only when searching

        def counted(texts: Sequence[str]) -> "tuple[Any, NDArray[np.int64]]":
            words, lengths = self._words.known(texts)
            places = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
            ones = np.ones(len(words), np.float32)
            shape = (len(self._words.stems), len(texts))
            return csr_matrix((ones, (words, places)), shape=shape), lengths

        asked, _ = counted(queries)
        held = self._weights
        if documents is not None:
            held, lengths = counted(documents)
            self._weigh(held, lengths)
        return Pairs(asked.T.tocsr(), held.tocsc())

    def search(
        self, queries: Sequence[str], k: int
    ) -> "list[tuple[NDArray[np.int64], NDArray[np.float32]]]":
        """Return for each query the places of its k best documents, best first, and their scores, all above 0.

        Documents with the same score stand in the order of their place. A document that shares no word with the query
        is not found, so there may be fewer than k.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        from synthneg.scoring.postings import search  # noqa: PLC0415 - heavy: only when searching

        if not (len(queries) and 0 < (k := min(k, self._weights.shape[1]))):
            return [(np.zeros(0, np.int64), np.zeros(0, np.float32)) for _ in queries]
        found: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        for start in range(0, len(queries), _QUERIES):
            words, lengths = self._words.known(queries[start : start + _QUERIES])
            ends = np.concatenate([[0], np.cumsum(lengths)])
            places, scores, counts = search(words, ends, self._weights, k)
            found += [
                (places[i, :n].copy(), scores[i, :n].copy()) for i, n in enumerate(counts.tolist())
            ]
        return found


class Pairs:
    """BM25 of queries and texts, made where it is asked for."""

    def __init__(self, queries: Any, documents: Any) -> None:
        """Take in how often each word stands in a query, (queries, words), and its weights, (words, documents)."""
        self._queries, self._documents = queries, documents

    def __call__(
        self, queries: Sequence[int], documents: "Sequence[int] | NDArray[np.int64]"
    ) -> "NDArray[np.float32]":
        """Return (q, d) scores of queries and texts, both by their places."""
        found: NDArray[np.float32] = (
            self._queries[list(queries)] @ self._documents[:, documents]
        ).toarray()
        return found


class _Words(dict[str, int]):
    """The number of each word's stem, in the order in which they came; stopwords have none."""

    def __init__(self) -> None:
        import Stemmer  # noqa: PLC0415 - heavy: only when searching
        from bm25s.stopwords import STOPWORDS_EN  # noqa: PLC0415 - heavy: only when searching

        super().__init__(dict.fromkeys(STOPWORDS_EN, _NONE))
        self.stems: dict[str, int] = {}
        self._stemmer = Stemmer.Stemmer("english")

    def of(self, texts: Iterable[str]) -> "tuple[NDArray[np.int32], NDArray[np.int64]]":
        """Return the numbers of all words, text by text, and how many each text has."""
        return self._numbers(texts, grow=True)

    def known(self, texts: Sequence[str]) -> "tuple[NDArray[np.int32], NDArray[np.int64]]":
        """Return the same, without the words whose stems have no number yet."""
        return self._numbers(texts, grow=False)

    def _number(self, word: str, grow: bool) -> int:
        number = self.get(word)
        if number is None:
            stem = self._stemmer.stemWord(word)
            number = self.stems.get(stem, len(self.stems) if grow and len(word) > 1 else _NONE)
            if number == len(self.stems):
                self.stems[stem] = number
            if number != _NONE or len(word) < 2:
                self[word] = number
        return number

    def _numbers(
        self, texts: Iterable[str], grow: bool
    ) -> "tuple[NDArray[np.int32], NDArray[np.int64]]":
        import numpy as np  # noqa: PLC0415 - heavy: only when searching

        numbers, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        rest = iter(texts)
        while batch := list(islice(rest, _TEXTS)):
            words, places, ends = _split(batch)
            of_word = np.array([self._number(word, grow) for word in words], np.int32)
            found = of_word[places] if words else np.zeros(0, np.int32)
            before = np.concatenate([[0], np.cumsum(found >= 0)])
            numbers.append(found[found >= 0])
            lengths.append(np.diff(before[ends]))
        return np.concatenate(numbers), np.concatenate(lengths)


def _split(texts: Sequence[str]) -> "tuple[list[str], NDArray[np.int32], NDArray[np.int32]]":
    """Return the words that the texts consist of, the word at each place of all texts, and where the texts end.

    Before the first end stands the beginning, 0. Words are runs of letters and digits; those of one character and of
    none are among them. pyarrow splits and compares them in a third of the time that Python takes.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy: only when searching
    import pyarrow.compute as pc  # noqa: PLC0415 - heavy: only when searching

    lowered = (text.lower() for text in texts)
    plain = (text if text.isascii() else _ODD.sub(" ", text) for text in lowered)
    encoded = [text.encode().translate(_BLANKS) for text in plain]
    split = pc.split_pattern(pa.array(encoded, pa.large_binary()), b" ")
    words = split.flatten().dictionary_encode()
    return (
        [word.decode() for word in words.dictionary.to_pylist()],
        words.indices.to_numpy(),
        split.offsets.to_numpy(),
    )
