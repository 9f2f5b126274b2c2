"""A BEIR folder: corpus, queries, and graded qrels for each split.

BEIR keeps JSON lines and TSV. `load_dataset` reads all configurations of a folder with one reader, so Parquet stands
beside them.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthneg.corpus.raw import bad, id_of
from synthneg.corpus.tables import csv_rows, jsonl_rows
from synthneg.dataset.formats.parts import Asked, Label, Parts, Text
from synthneg.dataset.formats.rows import split_named, text_of
from synthneg.dataset.held import Examples
from synthneg.dataset.shapes import Columns, Common, about_query
from synthneg.dataset.write import by_split, write_lines, write_rows
from synthneg.records import WRITTEN, Example, Judged, Passage, Row

_CORPUS = dict.fromkeys(("_id", "title", "text", "source"), "string")
_QUERIES = dict.fromkeys(("_id", "text", "passage_id", "query_prompt", "query_model"), "string") | {
    "query_seed": "int64"
}
_QRELS = {"query-id": "string", "corpus-id": "string", "score": "int64"}


def count(example: Example, common: Common) -> int:
    """Return how many of its documents are judged: all."""
    return len(example.documents)


def write(folder: Path, passages: Iterable[Passage], examples: Examples, common: Common) -> None:
    """Write all passages and all written documents, the queries, and the grades as qrels."""
    (folder / "qrels").mkdir(parents=True)
    _write_both(folder / "corpus", _corpus(passages, examples), _CORPUS)
    _write_both(folder / "queries", map(query_row, examples), _QUERIES)
    for name, of_split in by_split(examples).items():
        file = folder / "qrels" / name
        write_rows(
            file.with_suffix(".parquet"),
            _written(file.with_suffix(".tsv"), _qrels_of(of_split)),
            _QRELS,
        )


def configs(splits: Sequence[str]) -> list[Row]:
    """Return what `load_dataset` reads of it: corpus, queries and qrels."""
    return [
        {
            "config_name": f"beir-{name}",
            "data_files": [{"split": name, "path": f"beir/{name}.parquet"}],
        }
        for name in ("corpus", "queries")
    ] + [
        {
            "config_name": "beir-qrels",
            "data_files": [{"split": n, "path": f"beir/qrels/{n}.parquet"} for n in splits],
        }
    ]


def query_row(example: Example) -> Row:
    """Return the query as a line of BEIR's queries."""
    about = about_query(example)
    return {"_id": about.pop("query_id"), "text": example.query, **about}


def _corpus(passages: Iterable[Passage], examples: Iterable[Example]) -> Iterator[Row]:
    yield from map(_document, passages)
    for example in examples:
        yield from (_document(d) for d in example.documents if d.source in WRITTEN)


def _document(document: Passage | Judged) -> Row:
    return {
        "_id": document.id,
        "title": document.title,
        "text": document.text,
        "source": document.source,
    }


def _write_both(file: Path, rows: Iterable[Row], columns: Columns) -> None:
    written = write_lines(file.with_suffix(".jsonl"), rows)
    write_rows(file.with_suffix(".parquet"), written, columns)


def _qrels_of(examples: Iterable[Example]) -> Iterator[Row]:
    for example in examples:
        for document in example.documents:
            graded = (example.query_id, document.id, document.grade)
            yield dict(zip(_QRELS, graded, strict=True))


def _written(file: Path, qrels: Iterable[Row]) -> Iterator[Row]:
    """Write each row as a line of TSV and yield it."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        # Quoted where an id holds a tab or a quote, as BEIR's own reader expects it.
        writer = csv.DictWriter(stream, _QRELS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        for row in qrels:
            writer.writerow(row)
            yield row


def is_beir(folder: Path) -> bool:
    """Whether the folder has a corpus, queries and qrels as BEIR names them."""
    return bool(_file(folder, "corpus") and _file(folder, "queries") and any(_qrels(folder)))


def read(path: str) -> Parts:
    """Yield what a BEIR folder holds.

    Raises:
        CorpusError: a file is missing or broken, or a score is no grade.
    """
    folder = Path(path)
    corpus, queries = _file(folder, "corpus"), _file(folder, "queries")
    qrels = list(_qrels(folder))
    if corpus is None or queries is None or not qrels:
        raise bad(
            path,
            "expected a BEIR folder with corpus.jsonl, queries.jsonl and qrels/*.tsv; name another, or --format",
        )
    sources: dict[str, str] = {}  # of written documents alone, by id
    for number, row in jsonl_rows(corpus):
        where = f"{corpus}, line {number}"
        id = _id(row, where)
        if row.get("source") in WRITTEN:
            sources[id] = row["source"]
        yield Text(where, id, text_of(row, "title", where, ""), text_of(row, "text", where), True)
    for number, row in jsonl_rows(queries):
        where = f"{queries}, line {number}"
        yield Asked(where, _id(row, where), text_of(row, "text", where), "train", True)
    for file in qrels:
        yield from _labels(file, sources)


def _labels(file: Path, sources: Mapping[str, str]) -> Parts:
    rows = csv_rows(file)
    _, header = next(rows, (1, []))
    if len(header) != 3:
        raise bad(f"{file}, line 1", "expected a header query-id, corpus-id, score between tabs")
    split = split_named(file.stem)
    for number, (query_id, document_id, score) in rows:
        where = f"{file}, line {number}"
        try:
            value = int(score)
        except ValueError as error:
            raise bad(
                where, f"expected a whole number as score, got {score!r}; correct it"
            ) from error
        yield Label(
            where,
            id_of(query_id, where, "query-id"),
            id_of(document_id, where, "corpus-id"),
            value,
            raw=True,
            source=sources.get(document_id, ""),
            split=split,
            stated=True,
        )


def _id(row: Mapping[str, Any], where: str) -> str:
    name = "_id" if "_id" in row else "id"
    if name not in row:
        raise bad(where, f"expected a field '_id', found {', '.join(map(repr, row)) or 'none'}")
    return id_of(row[name], where, name)


def _file(folder: Path, name: str) -> Path | None:
    files = (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz")
    return next((file for file in files if file.is_file()), None)


def _qrels(folder: Path) -> Iterator[Path]:
    yield from sorted((folder / "qrels").glob("*.tsv"))
