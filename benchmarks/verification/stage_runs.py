"""A real run's folder with planted records, through which the stages walk as the pipeline calls them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from synthneg.records import Document, Origin, Passage, Query, Reject, Score
from synthneg.run import Run
from synthneg.scoring.base import Encoder
from synthneg.settings import resolve
from synthneg.stages import compare_documents, compare_queries
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries

ORIGIN = Origin("query/question@00000000", "planted", {}, 1, "key")
# Abstracts are longer than what is written for a query; their length is not the fault that is sought.
_DOCUMENTS = {"min_words": 1, "max_words": 5000}


@contextmanager
def planted_run(texts: Mapping[str, str], held: Path | None = None) -> Iterator[Run]:
    """Give a run whose corpus is `texts`, in a folder that goes at the end.

    Args:
        texts: by id.
        held: folder of an evaluation set, of whose train split nothing may be in the run.
    """
    leaks = {"collections": [f"{held}:train"]} if held else {}
    verify = {"documents": _DOCUMENTS, "leaks": leaks}
    settings = {"run": "planted", "corpus": {"path": "planted"}, "verify": verify}
    with TemporaryDirectory() as folder:
        run = Run(Path(folder), resolve(settings, "planted"))
        try:
            plant(run, "corpus", "passages.jsonl", (Passage(*row) for row in texts.items()))
            yield run
        finally:
            run.close()


def plant(run: Run, stage_name: str, file: str, records: Iterable[object]) -> None:
    """Write the records as what a stage kept."""
    with run.stage(stage_name, file) as stage:
        for record in records:
            stage.take()
            stage.keep(record)


def query(id: str, text: str, passage_id: str) -> Query:
    """Return a query as if it had been written from the passage."""
    return Query(id, text, passage_id, "train", ORIGIN)


def check_queries(run: Run, queries: Iterable[Query], encoder: Encoder) -> dict[str, str]:
    """Return why each query is refused by the stage verify.queries, by id; those that are kept are not in it."""
    plant(run, "generate.queries", "queries.jsonl", queries)
    compare_queries(run, encoder)
    verify_queries(run, encoder)
    return _refused(run, "verify.queries")


def check_documents(
    run: Run,
    negatives: Mapping[str, list[tuple[str, str]]],
    texts: Mapping[str, str],
    encoder: Encoder,
) -> dict[str, str]:
    """Return why each document is refused by the stage verify.documents, by id.

    Args:
        run: whose queries have been checked.
        negatives: by the id of a verified query, the ids and texts of what is presented as its hard negatives.
        texts: of the corpus.
        encoder: as before.
    """
    plant(run, "generate.documents", "documents.jsonl", _documents(run, negatives, texts))
    compare_documents(run, encoder)
    verify_documents(run, encoder)
    return _refused(run, "verify.documents")


def ranks(run: Run) -> dict[str, int]:
    """Return the rank of each query's passage, by the query's id."""
    rows = run.read("scores.jsonl", Score)
    return {row.query_id: int(row.value) for row in rows if row.scorer == "rank"}


def siblings(run: Run) -> dict[tuple[str, str], float]:
    """Return the cosine of each query to each earlier one of its passage, by both ids."""
    rows = run.read("scores.jsonl", Score)
    return {
        (row.query_id, row.document_id): row.value
        for row in rows
        if row.scorer == "cosine_to_query"
    }


def to_positive(run: Run) -> list[float]:
    """Return the cosine of each document to its query's own passage."""
    rows = run.read("scores.jsonl", Score)
    return [row.value for row in rows if row.scorer == "cosine_to_positive"]


def _documents(
    run: Run, negatives: Mapping[str, list[tuple[str, str]]], texts: Mapping[str, str]
) -> Iterator[Document]:
    for one in run.read("verified_queries.jsonl", Query):
        yield Document(one.passage_id, one.id, texts[one.passage_id], "", 3, "corpus")
        for id, text in negatives.get(one.id, []):
            yield Document(id, one.id, text, "", 1, "negative", ORIGIN)


def _refused(run: Run, stage: str) -> dict[str, str]:
    return {r.id: r.reason for r in run.read("rejects.jsonl", Reject) if r.stage == stage}
