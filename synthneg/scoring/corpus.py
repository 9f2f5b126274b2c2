"""A run's passages as vectors."""

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from synthneg.errors import RunError
from synthneg.progress import Progress
from synthneg.records import Passage, Query
from synthneg.run import Run
from synthneg.scoring.base import Encoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Texts per call of the encoder, which batches them further and keeps what it has encoded of them after a kill.
BLOCK_TEXTS = 8192


@dataclass(frozen=True, slots=True)
class CorpusVectors:
    """All passages as unit vectors; `rows` gives the place of each id, in the order of the corpus."""

    rows: dict[str, int]
    vectors: "NDArray[np.float32]"  # (passages, dimensions)


def row_of(corpus: CorpusVectors, query: Query, passage_id: str) -> int:
    """Return the row of a passage that the query was written from.

    Raises:
        RunError: the corpus does not hold it any more.
    """
    try:
        return corpus.rows[passage_id]
    except KeyError as error:
        raise RunError(
            f"query {query.id} was written from passage {passage_id}, which the corpus does not hold any more;"
            " generate the queries again"
        ) from error


def encode_corpus(run: Run, encoder: Encoder) -> CorpusVectors:
    """Return the vectors of all passages of the run, title and text together.

    Raises:
        RunError: the corpus has not been read.
    """
    import numpy as np  # noqa: PLC0415 - heavy: only when encoding

    count = sum(1 for _ in run.read("passages.jsonl", Passage))
    rows: dict[str, int] = {}
    vectors = np.zeros((count, 0), np.float32)
    passages = run.read("passages.jsonl", Passage)
    with Progress("corpus", count, "passages encoded") as progress:
        while batch := list(islice(passages, BLOCK_TEXTS)):
            encoded = encoder.encode([p.full_text for p in batch], "document")
            if not rows:
                vectors = np.zeros((count, encoded.shape[1]), np.float32)
            vectors[len(rows) : len(rows) + len(batch)] = encoded
            rows.update({p.id: len(rows) + i for i, p in enumerate(batch)})
            progress.advance(len(batch))
    return CorpusVectors(rows, vectors)
