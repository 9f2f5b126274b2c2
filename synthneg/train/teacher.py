"""Lists with the scores of a teacher: which passages are near a query, and how near, by another encoder."""

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from synthneg.config import ListsConfig
from synthneg.progress import Progress
from synthneg.records import POSITIVE_SOURCES, Example, Judged
from synthneg.scoring.base import Encoder
from synthneg.scoring.corpus import CorpusVectors
from synthneg.scoring.search import top_k
from synthneg.train.lists import FILLING, Ranked, drawn_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK = 1024  # queries at a time
_SPARE = 4  # ranks searched beyond the last window, because a query's own passages do not count


def scored_lists(
    examples: Sequence[Example],
    encoder: Encoder,
    corpus: CorpusVectors,
    settings: ListsConfig,
    seed: int,
) -> list[Ranked]:
    """Return a list for each query: its passages, documents of its own, passages near and further, and random ones.

    Labels are the encoder's cosines of query and document. What is drawn depends on seed and query alone.

    Args:
        examples: queries to be trained on.
        encoder: the teacher.
        corpus: its vectors of all passages.
        settings: how many of each.
        seed: of what is drawn.
    """
    ranked: list[Ranked] = []
    with Progress("train", len(examples), "lists scored") as progress:
        for start in range(0, len(examples), _BLOCK):
            block = examples[start : start + _BLOCK]
            ranked += _scored_block(block, encoder, corpus, settings, seed)
            progress.advance(len(block))
    return ranked


def _scored_block(
    examples: Sequence[Example],
    encoder: Encoder,
    corpus: CorpusVectors,
    settings: ListsConfig,
    seed: int,
) -> Iterator[Ranked]:
    queries = encoder.encode([example.query for example in examples], "query")
    depth = settings.further_depth + _SPARE
    nearest, _ = top_k(queries, corpus.vectors, depth)
    documents = [_own(example, settings) for example in examples]
    texts = [document.full_text for group in documents for document in group]
    vectors = iter(encoder.encode(texts, "document"))
    for example, query, near, own in zip(examples, queries, nearest, documents, strict=True):
        labels = tuple(float(next(vectors) @ query) for _ in own)
        rows = tuple(_rows(example, near, corpus, settings, seed))
        cosines = corpus.vectors[list(rows)] @ query
        yield Ranked(example, own, labels, rows, tuple(map(float, cosines)))


def _own(example: Example, settings: ListsConfig) -> tuple[Judged, ...]:
    """Return the query's passages, up to half a list, then up to `own` other documents, hard negatives first."""
    passages = [d for d in example.documents if d.source in POSITIVE_SOURCES]
    passages = passages[: max(1, settings.length // 2)]
    others = [d for d in example.documents if d.source not in POSITIVE_SOURCES]
    others.sort(key=lambda document: document.source == "graded")
    return (*passages, *others[: settings.own])


def _rows(
    example: Example,
    nearest: "NDArray[np.int64]",
    corpus: CorpusVectors,
    settings: ListsConfig,
    seed: int,
) -> Iterator[int]:
    """Yield the rows that may follow: those drawn from the windows, then random ones, which may be the same."""
    passages = [d.id for d in example.documents if d.source in POSITIVE_SOURCES]
    own = {corpus.rows[id] for id in passages if id in corpus.rows}
    others = [row for row in nearest.tolist() if row not in own]
    drawn = random.Random(f"{seed}/{example.query_id}/near")
    near = others[: settings.near_depth]
    further = others[settings.near_depth : settings.further_depth]
    taken = drawn.sample(near, min(settings.near, len(near)))
    taken += drawn.sample(further, min(settings.further, len(further)))
    yield from taken
    count = settings.length + len(taken) + len(own) + _SPARE
    for row in drawn_rows(count, len(corpus.rows), seed, example.query_id):
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
