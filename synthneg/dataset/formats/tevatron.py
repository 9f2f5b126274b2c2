"""Tevatron's training files, and RLHN's, which are the same rows as Parquet with the name of their subset."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthneg.corpus.raw import bad
from synthneg.dataset.formats.parts import (
    NEGATIVE,
    POSITIVE,
    Asked,
    Label,
    Parts,
    Text,
    id_of_text,
)
from synthneg.dataset.formats.rows import Found, id_under, list_of, read_rows, text_of
from synthneg.dataset.held import Examples
from synthneg.dataset.shapes import Columns, Common
from synthneg.dataset.write import by_split, write_lines, write_rows
from synthneg.records import Example, Judged, Passage, Row

_RLHN: Columns = {
    "query_id": "string",
    "query": "string",
    "positive_passages": "list:passage",
    "negative_passages": "list:passage",
    "subset": "string",
}
_KINDS = {"positive_passages": POSITIVE, "negative_passages": NEGATIVE}


def count(example: Example, common: Common) -> int:
    """Return 1 where the query has a negative: Tevatron draws one for each row."""
    return int(bool(example.negatives))


def rows(examples: Iterable[Example]) -> Iterator[Row]:
    """Yield a row for each query that has a negative."""
    for example in examples:
        if example.negatives:
            yield {
                "query_id": example.query_id,
                "query": example.query,
                "positive_passages": list(map(_passage, example.positives)),
                "negative_passages": list(map(_passage, example.negatives)),
            }


def _passage(document: Judged) -> Row:
    return {"docid": document.id, "title": document.title, "text": document.text}


def write(folder: Path, passages: Iterable[Passage], examples: Examples, common: Common) -> None:
    """Write `<split>.jsonl` for each split; no configuration reads them, they are Tevatron's own."""
    folder.mkdir(parents=True)
    for name, of_split in by_split(examples).items():
        for _ in write_lines(folder / f"{name}.jsonl", rows(of_split)):
            pass


def write_rlhn(
    folder: Path, passages: Iterable[Passage], examples: Examples, common: Common
) -> None:
    """Write `<split>.parquet` for each split, with the run's name as the subset."""
    folder.mkdir(parents=True)
    subset = folder.parent.parent.name  # of the run whose dataset this is
    for name, of_split in by_split(examples).items():
        made = (row | {"subset": subset} for row in rows(of_split))
        write_rows(folder / f"{name}.parquet", made, _RLHN)


def rlhn_configs(splits: Sequence[str]) -> list[Row]:
    """Return what `load_dataset` reads of it."""
    files = [{"split": name, "path": f"rlhn/{name}.parquet"} for name in splits]
    return [{"config_name": "rlhn", "data_files": files}]


def read(path: str) -> Parts:
    """Yield what such rows hold, from any kind of file.

    Raises:
        CorpusError: a file is missing or a row is broken.
    """
    for found in read_rows(path):
        yield from _parts(found)


def _parts(found: Found) -> Parts:
    where, split, row = found
    query = text_of(row, "query", where)
    query_id = id_under(row, "query_id", where) or id_of_text("q", query)
    yield Asked(where, query_id, query, split)
    for name, grade in _KINDS.items():
        for passage in list_of(row, name, where):
            if not isinstance(passage, Mapping):
                raise bad(
                    where,
                    f"expected objects with docid, title and text under {name!r}, got {ascii(passage)[:80]}",
                )
            document = _text(passage, where)
            yield document
            yield Label(where, query_id, document.id, grade, split=split)


def _text(passage: Mapping[str, Any], where: str) -> Text:
    title, text = text_of(passage, "title", where, ""), text_of(passage, "text", where)
    return Text(
        where,
        id_under(passage, "docid", where) or id_of_text("d", f"{title} {text}".strip()),
        title,
        text,
    )
