"""PyLate's files for distillation: ids of queries and documents with a teacher's scores, and the texts in two tables.

They name no positive: here it is the first document of a row, and a query with several has as many rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from synthneg.corpus.raw import bad, id_of
from synthneg.dataset.formats.parts import NEGATIVE, POSITIVE, Asked, Label, Parts, Text
from synthneg.dataset.formats.rows import (
    Found,
    files_of,
    list_of,
    number_of,
    read_rows,
    split_named,
    text_of,
)
from synthneg.dataset.held import Examples
from synthneg.dataset.shapes import Columns, Common
from synthneg.dataset.write import by_split, write_rows
from synthneg.records import GIVEN, WRITTEN, Example, Passage, Row

_LISTS: Columns = {
    "query_id": "string",
    "document_ids": "list:string",
    "scores": "list:float64",
}
_QUERIES = dict.fromkeys(("query_id", "text"), "string")
_DOCUMENTS = dict.fromkeys(("document_id", "text"), "string")
_TEXTS = ("queries", "documents")


def count(example: Example, common: Common) -> int:
    """Return how many rows the query makes: one for each positive, where it has negatives and all are scored."""
    return len(_rows(example, common))


def _rows(example: Example, common: Common) -> list[Row]:
    found = []
    for positive in example.positives if example.negatives else ():
        documents = (positive, *example.negatives)
        if common.scorer and all(common.scorer in d.scores for d in documents):
            found.append(
                {
                    "query_id": example.query_id,
                    "document_ids": [d.id for d in documents],
                    "scores": [d.scores[common.scorer] for d in documents],
                }
            )
    return found


def write(folder: Path, passages: Iterable[Passage], examples: Examples, common: Common) -> None:
    """Write lists, queries and documents as Parquet."""
    folder.mkdir(parents=True)
    for name, of_split in by_split(examples).items():
        lists = (row for example in of_split for row in _rows(example, common))
        write_rows(folder / f"{name}.parquet", lists, _LISTS)
    queries = ({"query_id": e.query_id, "text": e.query} for e in examples)
    write_rows(folder / "queries.parquet", queries, _QUERIES)
    write_rows(folder / "documents.parquet", _documents(passages, examples), _DOCUMENTS)


def configs(splits: Sequence[str]) -> list[Row]:
    """Return what `load_dataset` reads of it: lists, queries and documents."""
    files = [{"split": name, "path": f"pylate/{name}.parquet"} for name in splits]
    texts = [
        {
            "config_name": f"pylate-{name}",
            "data_files": [{"split": "train", "path": f"pylate/{name}.parquet"}],
        }
        for name in _TEXTS
    ]
    return [{"config_name": "pylate-train", "data_files": files}, *texts]


def _documents(passages: Iterable[Passage], examples: Iterable[Example]) -> Iterator[Row]:
    for passage in passages:
        yield {"document_id": passage.id, "text": passage.full_text}
    for document in chain.from_iterable(example.documents for example in examples):
        if document.source in WRITTEN:
            yield {"document_id": document.id, "text": document.full_text}


def is_pylate(folder: Path) -> bool:
    """Whether the folder has queries, documents and lists as PyLate names them."""
    return all(_of(folder, name) for name in _TEXTS)


def _of(folder: Path, name: str) -> list[Path]:
    """Return the files `name`.* or `name`-*, and those in a folder of that name."""
    files = [f for f in files_of(folder) if f.name.partition(".")[0].partition("-")[0] == name]
    return files or (files_of(folder / name) if (folder / name).is_dir() else [])


def read(path: str) -> Parts:
    """Yield what such a folder holds.

    Raises:
        CorpusError: a file is missing or a row is broken.
    """
    folder = Path(path)
    if not (folder.is_dir() and is_pylate(folder)):
        raise bad(
            path,
            "expected a folder with lists, queries and documents, such as train.parquet, queries.parquet and"
            " documents.parquet; name another, or --format",
        )
    texts = [file for name in _TEXTS for file in _of(folder, name)]
    lists = [f for f in (*files_of(folder), *files_of(folder / "train")) if f not in texts]
    for found in _rows_in(_of(folder, "documents")):
        where, _, row = found
        yield Text(where, _id(row, "document_id", where), "", text_of(row, "text", where), True)
    for found in _rows_in(_of(folder, "queries")):
        where, _, row = found
        yield Asked(where, _id(row, "query_id", where), text_of(row, "text", where), "train", True)
    for file in lists:
        split = split_named(file.stem)
        for found in _rows_in([file]):
            yield from _labels(found._replace(split=split))


def _rows_in(files: Iterable[Path]) -> Iterator[Found]:
    return chain.from_iterable(read_rows(str(file)) for file in files)


def _labels(found: Found) -> Parts:
    where, split, row = found
    query_id = _id(row, "query_id", where)
    ids, scores = list_of(row, "document_ids", where), list_of(row, "scores", where)
    if len(ids) != len(scores):
        raise bad(where, f"expected as many scores as documents, got {len(scores)} and {len(ids)}")
    for place, (id, score) in enumerate(zip(ids, scores, strict=True)):
        grade = NEGATIVE if place else POSITIVE
        said = {GIVEN: number_of(score, "scores", where)}
        document_id = id_of(id, where, "document_ids")
        yield Label(where, query_id, document_id, grade, scores=said, split=split)


def _id(row: Mapping[str, Any], name: str, where: str) -> str:
    if name not in row:
        raise bad(where, f"expected a field {name!r}, found {', '.join(map(repr, row)) or 'none'}")
    return id_of(row[name], where, name)
