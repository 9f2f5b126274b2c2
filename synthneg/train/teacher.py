"""Lists with the scores of a teacher: which passages are near a query, and how near, by another encoder.

Its cosines may have BM25's scores beside them.
"""

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from synthneg.config import ListsConfig
from synthneg.progress import Progress
from synthneg.records import POSITIVE_SOURCES, Example, Judged
from synthneg.scoring.base import Encoder
from synthneg.scoring.corpus import CorpusVectors
from synthneg.scoring.search import top_k
from synthneg.train.lexical import Lexical, Scores
from synthneg.train.lists import FILLING, Ranked, drawn_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthneg.scoring.rows import Rows

_BLOCK = 1024  # queries at a time
_SPARE = 4  # ranks searched beyond the last window, because a query's own passages do not count


def scored_lists(
    examples: Sequence[Example],
    encoder: Encoder,
    corpus: CorpusVectors,
    settings: ListsConfig,
    seed: int,
    lexical: Lexical | None = None,
) -> list[Ranked]:
    """Return a list for each query: its passages, documents of its own, passages near and further, and random ones.

    Labels are the encoder's cosines of query and document, with what `lexical` adds. What is drawn depends on seed and
    query alone.

    Args:
        examples: queries to be trained on.
        encoder: the teacher.
        corpus: its vectors of all passages.
        settings: how many of each.
        seed: of what is drawn.
        lexical: the part of the teacher that goes by words.
    """
    ranked: list[Ranked] = []
    with Progress("train", len(examples), "lists scored") as progress:
        for start in range(0, len(examples), _BLOCK):
            block = examples[start : start + _BLOCK]
            ranked += _scored_block(block, encoder, corpus, settings, seed, lexical)
            progress.advance(len(block))
    return ranked


def _scored_block(
    examples: Sequence[Example],
    encoder: Encoder,
    corpus: CorpusVectors,
    settings: ListsConfig,
    seed: int,
    lexical: Lexical | None,
) -> Iterator[Ranked]:
    asked = [example.query for example in examples]
    queries = encoder.encode(asked, "query")
    documents = [_own(example, settings) for example in examples]
    texts = [document.full_text for group in documents for document in group]
    vectors = encoder.encode(texts, "document")
    score = _Scores(queries, corpus.vectors, lexical.scores(asked) if lexical else None)
    score_own = _Scores(queries, vectors, lexical.scores(asked, texts) if lexical else None)
    nearest = _nearest(asked, queries, corpus, settings.further_depth + _SPARE, score, lexical)
    ended = 0
    for number, (example, near, own) in enumerate(zip(examples, nearest, documents, strict=True)):
        labels = score_own(number, range(ended, ended + len(own)))
        ended += len(own)
        rows = tuple(_rows(example, near, corpus, settings, seed))
        yield Ranked(example, own, labels, rows, score(number, rows))


class _Scores:
    """The teacher's scores of a block's queries and some texts."""

    def __init__(
        self,
        queries: "NDArray[np.float32]",
        documents: "Rows",
        added: Scores | None,
    ) -> None:
        self._queries, self._documents, self._added = queries, documents, added

    def __call__(self, query: int, places: Sequence[int]) -> tuple[float, ...]:
        """Return the scores of a query and the texts at these places."""
        found = self._documents[list(places)] @ self._queries[query]
        if self._added is not None:
            found = found + self._added([query], list(places))[0]
        return tuple(map(float, found))


def _nearest(
    asked: Sequence[str],
    queries: "NDArray[np.float32]",
    corpus: CorpusVectors,
    depth: int,
    score: _Scores,
    lexical: Lexical | None,
) -> Iterator[list[int]]:
    """Yield the rows of each query's first `depth` passages.

    With BM25, those of the best sum among the first `depth` of either.
    """
    found, _ = top_k(queries, corpus.vectors, depth)
    if lexical is None:
        yield from found.tolist()
        return
    by_words = lexical.nearest(asked, depth)
    for number, (near, other) in enumerate(zip(found.tolist(), by_words, strict=True)):
        rows = sorted({*near, *other.tolist()})
        scored = sorted(zip(score(number, rows), rows, strict=True), key=lambda x: (-x[0], x[1]))
        yield [row for _, row in scored[:depth]]


def _own(example: Example, settings: ListsConfig) -> tuple[Judged, ...]:
    """Return the query's passages, up to half a list, then up to `own` other documents, hard negatives first."""
    passages = [d for d in example.documents if d.source in POSITIVE_SOURCES]
    passages = passages[: max(1, settings.length // 2)]
    others = [d for d in example.documents if d.source not in POSITIVE_SOURCES]
    others.sort(key=lambda document: document.source == "graded")
    return (*passages, *others[: settings.own])


def _rows(
    example: Example,
    nearest: Sequence[int],
    corpus: CorpusVectors,
    settings: ListsConfig,
    seed: int,
) -> Iterator[int]:
    """Yield the rows that may follow: those drawn from the windows, then random ones, which may be the same."""
    passages = [d.id for d in example.documents if d.source in POSITIVE_SOURCES]
    own = {row for id in passages if (row := corpus.ids.row(id)) is not None}
    others = [row for row in nearest if row not in own]
    drawn = random.Random(f"{seed}/{example.query_id}/near")
    near = others[: settings.near_depth]
    further = others[settings.near_depth : settings.further_depth]
    taken = drawn.sample(near, min(settings.near, len(near)))
    taken += drawn.sample(further, min(settings.further, len(further)))
    yield from taken
    count = settings.length + len(taken) + len(own) + _SPARE
    for row in drawn_rows(count, len(corpus.ids), seed, example.query_id):
        if row not in own:
            yield row


class Scale(NamedTuple):
    """Brings a teacher's scores to a scale of their own."""

    low: float = 0.0
    width: float = 1.0

    def __call__(self, score: float) -> float:
        """Return a score on this scale."""
        return (score - self.low) / self.width


def scale_of(ranked: Sequence[Ranked]) -> Scale:
    """Return the scale on which the 1st and the 99th percentile of all labels are 0 and 1 (CADET, arXiv:2505.19274).

    So temperatures mean the same whoever the teacher is. What lies beyond is not cut off.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when training

    values = np.array([x for one in ranked for x in (*one.labels, *one.row_labels)])
    values = values[values > FILLING]
    low, high = np.percentile(values, [1, 99])
    return Scale(float(low), max(float(high - low), 1e-9))


def rescaled(ranked: Sequence[Ranked], scale: Scale) -> list[Ranked]:
    """Return the lists with their labels on this scale."""

    def scaled(labels: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(scale(label) for label in labels)

    return [
        Ranked(r.example, r.documents, scaled(r.labels), r.rows, scaled(r.row_labels))
        for r in ranked
    ]
