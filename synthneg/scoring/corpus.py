"""A run's passages as vectors."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from synthneg.errors import RunError
from synthneg.progress import Progress
from synthneg.records import Passage
from synthneg.run import Run
from synthneg.scoring.base import Encoder, vectors_of
from synthneg.scoring.ids import Ids

if TYPE_CHECKING:
    from synthneg.scoring.rows import Rows

# Texts per call of the encoder, which batches them further and keeps what it has encoded of them after a kill.
BLOCK_TEXTS = 8192


@dataclass(frozen=True, slots=True)
class CorpusVectors:
    """All passages as unit vectors, and their ids, both in the order of the corpus."""

    ids: Ids
    vectors: "Rows"  # (passages, dimensions)


def row_of(corpus: CorpusVectors, query_id: str, passage_id: str) -> int:
    """Return the row of a passage that a query was written from.

    Raises:
        RunError: the corpus does not hold it any more.
    """
    row = corpus.ids.row(passage_id)
    if row is None:
        raise RunError(
            f"query {query_id} was written from passage {passage_id}, which the corpus does not hold any more;"
            " generate the queries again"
        )
    return row


def encode_corpus(run: Run, encoder: Encoder) -> CorpusVectors:
    """Return the vectors of all passages of the run, title and text together; where they are cached, they stay on disk.

    Raises:
        RunError: the corpus has not been read.
    """
    count = sum(1 for _ in run.read("passages.jsonl", Passage))
    ids = Ids()

    def blocks() -> Iterator[list[str]]:
        passages = run.read("passages.jsonl", Passage)
        with Progress("corpus", count, "passages encoded") as progress:
            while batch := list(islice(passages, BLOCK_TEXTS)):
                ids.extend(passage.id for passage in batch)
                yield [passage.full_text for passage in batch]
                progress.advance(len(batch))

    return CorpusVectors(ids, vectors_of(encoder, blocks(), "document"))
