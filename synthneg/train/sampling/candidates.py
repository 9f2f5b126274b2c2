"""Which passages may become a negative of a training query, whoever finds them: never its answers, nor their copies.

The rules are those of mining: no piece of a document that is known to answer, no text that says again what an answer
says, and nothing that stands as near to the query as NV-Retriever's TopK-PercPos and TopK-MarginPos (arXiv:2407.15831)
forbid. Who says how near is `verify.encoder`, not the student: a student that is trained on what it finds nearest would
otherwise push away what answers.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import lru_cache
from typing import TYPE_CHECKING

from synthneg.config import DocumentChecks
from synthneg.grouped import Grouped
from synthneg.progress import Progress
from synthneg.records import POSITIVE_SOURCES, Example, Passage, Query
from synthneg.run import Run
from synthneg.scoring.base import Encoder
from synthneg.scoring.bound import negative_bound
from synthneg.scoring.copies import Copies
from synthneg.scoring.corpus import CorpusVectors
from synthneg.scoring.encoder import readable
from synthneg.scoring.known import NEAR_COPY, Known, known_of
from synthneg.scoring.search import top_k
from synthneg.train.data import Pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

NONE = -1  # stands where there is no candidate
_DECIMALS = 6  # of a cosine: float32 holds no more
_BLOCK = 256  # queries that are searched together
_SPARE = 32  # ranks searched beyond those wanted, for what may not be taken
_TEXTS = 2**14  # passages of which the text is remembered


class Candidates:
    """The passages of a run, seen from its training queries; both are named by their number."""

    def __init__(
        self,
        run: Run,
        examples: Sequence[Example],
        pairs: Sequence[Pair],
        encoder: Encoder,
        corpus: CorpusVectors,
    ) -> None:
        """Take in what tells answers from negatives.

        Args:
            run: its corpus has been read.
            examples: the training queries.
            pairs: a row for each of them, in the same order.
            encoder: says how near a passage stands to a query.
            corpus: its vectors of all passages.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when training

        checks = run.config.verify.documents
        self.vectors = corpus.vectors
        self.queries = encoder.encode([pair.query for pair in pairs], "query")
        self.positives = encoder.encode([pair.positive for pair in pairs], "document")
        cosines = np.einsum("nd,nd->n", self.queries, self.positives)
        self._bounds = np.array(
            [_bound(round(float(cosine), _DECIMALS), checks) for cosine in cosines]
        )
        self._ids = corpus.ids
        self._opened = ExitStack()
        self._file = self._opened.enter_context(Grouped(run.file("passages.jsonl"), Passage, "id"))
        self._max_copy = min(checks.max_similarity_to_positive, NEAR_COPY)
        self._known = known_of(run, corpus)
        self._copies = Copies(
            corpus.vectors, self.passage, self._max_copy, checks.near_duplicate_jaccard
        )
        self.answers = _answers(run, examples, pairs, corpus, self._known)
        self.text = lru_cache(_TEXTS)(self._text)
        self.may = lru_cache(_TEXTS)(self._may)

    def __len__(self) -> int:
        """Return how many passages there are."""
        return len(self._ids)

    def passage(self, row: int) -> Passage:
        """Return a passage by its number."""
        return self._file[self._ids[row]][0]

    def _text(self, row: int) -> str:
        """Return title and text of a passage as a tokenizer takes them."""
        return readable(self.passage(row).full_text)

    def cosines(self, query: int, rows: "NDArray[np.int64]") -> "NDArray[np.float32]":
        """Return the encoder's cosines of a query and (k,) passages."""
        found: NDArray[np.float32] = self.vectors[rows] @ self.queries[query]
        return found

    def safe(self, query: int, rows: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """Return those of (k,) passages that are not known to answer, and stand far enough from the query."""
        cosines = self.cosines(query, rows).astype("f8").round(_DECIMALS)
        far = cosines < self._bounds[query]
        found: NDArray[np.int64] = rows[far & ~self._known.among(rows, self.answers[query])]
        return found

    def _may(self, query: int, row: int) -> bool:
        """Whether a passage that is `safe` is no copy of an answer either."""
        if float(self.vectors[row] @ self.positives[query]) >= self._max_copy:
            return False
        return not self._copies.of_any(row, self.answers[query])

    def nearest(
        self, queries: "NDArray[np.float32]", documents: "Rows", depth: int
    ) -> "NDArray[np.int64]":
        """Return for each query the first `depth` passages that are `safe`, by the vectors of any model.

        Args:
            queries: (n, d), those of this model of all training queries.
            documents: (passages, d), likewise.
            depth: ranks, not counting what is known to answer.

        Returns:
            (n, depth) numbers of passages, nearest first, `NONE` where there are no more.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when training

        depth = min(depth, len(self._ids))
        kept = np.full((len(queries), depth), NONE, np.int64)
        with Progress("train", len(queries), "queries searched for negatives") as progress:
            for start in range(0, len(queries), _BLOCK):
                block = queries[start : start + _BLOCK]
                found, _ = top_k(block, documents, depth + _SPARE)
                for query, rows in enumerate(found, start):
                    safe = self.safe(query, rows)[:depth]
                    kept[query, : len(safe)] = safe
                progress.advance(len(block))
        return kept

    def close(self) -> None:
        """Close the file of the passages."""
        self._opened.close()


def _bound(cosine: float, checks: DocumentChecks) -> float:
    return negative_bound(cosine, checks.max_negative_share, checks.min_negative_margin)


def _answers(
    run: Run,
    examples: Sequence[Example],
    pairs: Sequence[Pair],
    corpus: CorpusVectors,
    known: Known,
) -> list[list[int]]:
    """Return the passages that are known to answer each query: by id, and whatever else has the same text."""
    by_text = _rows_of(run, {text for pair in pairs for text in (pair.positive, *pair.also)})
    found = []
    for example, pair in zip(examples, pairs, strict=True):
        ids = [d.id for d in example.documents if d.grade == 3 or d.source in POSITIVE_SOURCES]
        rows = _known_by_id(example, [id for id in ids if id in corpus.ids], known)
        rows += [row for text in (pair.positive, *pair.also) for row in by_text.get(text, ())]
        found.append(list(dict.fromkeys(rows)))
    return found


def _known_by_id(example: Example, ids: Sequence[str], known: Known) -> list[int]:
    if not ids:
        return []
    query = Query(
        example.query_id, example.query, ids[0], example.split, example.origin, tuple(ids[1:])
    )
    return known.rows(query)


def _rows_of(run: Run, texts: Iterable[str]) -> dict[str, list[int]]:
    """Return the passages that have one of these texts."""
    wanted: dict[str, list[int]] = {text: [] for text in texts}
    for row, passage in enumerate(run.read("passages.jsonl", Passage)):
        text = readable(passage.full_text)
        if text in wanted:
            wanted[text].append(row)
    return wanted
