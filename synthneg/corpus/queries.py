"""The user's own queries, where these are all that there is: a file with one per line or row."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from synthneg.config import CorpusConfig
from synthneg.corpus.raw import Raw, bad, id_of
from synthneg.corpus.tables import csv_rows, jsonl_rows, lines_of
from synthneg.seen import Seen

_KNOWN = (".txt", ".jsonl", ".jsonl.gz", ".csv", ".tsv")
_IDS = ("_id", "id")
_TEXTS = ("text", "query")

Numbered = tuple[int, Mapping[str, Any]]  # number of the line, and what it holds by name


def read_queries(file: Path, config: CorpusConfig) -> Iterator[Raw]:
    """Yield the queries of a file, their blanks made one, each with the id that it has there or the number of its line.

    A .txt file has one on each line. In .jsonl, .csv and .tsv they stand under `corpus.text_field`, or under `query`,
    and their ids, if any, under `corpus.id_field` or `id`.

    Raises:
        CorpusError: there is no such file, it ends otherwise or is damaged, holds no query, or two have one id.
    """
    with Seen() as ids:
        query = None
        for query in _queries(file, config):
            if (first := ids.add(query.id, query.where)) is not None:
                raise bad(query.where, f"expected an id of its own, got {query.id!r} as at {first}")
            yield query
        if query is None:
            raise bad(str(file), "expected queries, found none")


def _queries(file: Path, config: CorpusConfig) -> Iterator[Raw]:
    for number, row in _rows(file):
        where = f"{file}, line {number}"
        id_field = _first(row, (config.id_field, *_IDS))
        field = _first(row, (config.text_field, *_TEXTS))
        text = row.get(field or "")
        if field is None or not isinstance(text, str):
            raise bad(
                where,
                f"expected a query as a string under {config.text_field!r} or 'query', found"
                f" {', '.join(map(repr, row)) or 'nothing'}; name the right field with corpus.text_field",
            )
        id = str(number) if id_field is None else id_of(row[id_field], where, id_field)
        yield Raw(id, "", " ".join(text.split()), where)


def _rows(file: Path) -> Iterator[Numbered]:
    if not file.is_file():
        raise bad(
            f"queries:{file}", "expected a file of queries, found none there; correct corpus.path"
        )
    if not file.name.lower().endswith(_KNOWN):
        raise bad(
            f"queries:{file}",
            f"expected a file of queries that ends in one of {', '.join(_KNOWN)}; correct corpus.path",
        )
    suffix = file.suffix.lower()
    if suffix == ".txt":
        return ((number, {"text": line}) for number, line in lines_of(file) if line.strip())
    return _table(file) if suffix in (".csv", ".tsv") else jsonl_rows(file)


def _table(file: Path) -> Iterator[Numbered]:
    rows = csv_rows(file)
    _, header = next(rows, (1, []))
    return ((number, dict(zip(header, values, strict=True))) for number, values in rows)


def _first(row: Iterable[str], names: Iterable[str]) -> str | None:
    return next((name for name in names if name in row), None)
