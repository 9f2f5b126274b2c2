"""Passages from a file with one per line or row: JSONL, Parquet, CSV and TSV, streamed."""

import csv
import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import orjson

from synthneg.config import CorpusConfig
from synthneg.corpus.raw import Raw, bad, columns_of, from_row

_BOM = b"\xef\xbb\xbf"
_BATCH_ROWS = 1024


def read_jsonl(file: Path, config: CorpusConfig) -> Iterator[Raw]:
    """Yield the passages of a JSONL file, packed with gzip where its name ends in .gz.

    Raises:
        CorpusError: a line is not UTF-8, not a JSON object, or lacks a field.
    """
    fields, columns = None, None
    for number, row in jsonl_rows(file):
        where = f"{file}, line {number}"
        if columns is None or tuple(row) != fields:
            fields, columns = tuple(row), columns_of(row, where, config)
        yield from_row(row, columns, where)


def jsonl_rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (number of the line, object) of a JSONL file; empty lines are passed over.

    Raises:
        CorpusError: a line is not UTF-8, or not a JSON object.
    """
    for number, line in lines_of(file):
        if line.strip():
            yield number, _object(line, f"{file}, line {number}")


def read_csv(file: Path, config: CorpusConfig) -> Iterator[Raw]:
    """Yield the passages of a CSV or TSV file with a header line.

    Raises:
        CorpusError: a line is not UTF-8, a row does not fit the header, or a field is missing.
    """
    rows = csv_rows(file)
    _, header = next(rows, (1, []))
    columns = columns_of(header, f"{file}, line 1", config)
    for number, values in rows:
        yield from_row(dict(zip(header, values, strict=True)), columns, f"{file}, line {number}")


def csv_rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the line, values) of a CSV or TSV file, the header first; empty lines are passed over.

    Raises:
        CorpusError: a line is not UTF-8, or a row does not fit the header.
    """
    csv.field_size_limit(sys.maxsize)  # the library's own limit, 128 KiB, is less than a long text
    delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
    rows = csv.reader((line for _, line in lines_of(file)), delimiter=delimiter, strict=True)
    try:
        columns = None
        for values in rows:
            columns = len(values) if columns is None else columns
            if len(values) == columns:
                yield rows.line_num, values
            elif values:
                raise bad(
                    f"{file}, line {rows.line_num}",
                    f"expected {columns} values as in the header, got {len(values)}",
                )
    except csv.Error as error:
        raise bad(f"{file}, line {rows.line_num}", f"expected CSV, but {error}") from error


def read_parquet(file: Path, config: CorpusConfig) -> Iterator[Raw]:
    """Yield the passages of a Parquet file, a batch of rows in memory at a time.

    Raises:
        CorpusError: not Parquet, cut short, or a column is missing.
    """
    columns = None

    def wanted(names: list[str]) -> list[str]:
        nonlocal columns
        columns = columns_of(names, str(file), config)
        return [name for name in (columns.id, columns.text, columns.title) if name in names]

    for row, values in parquet_rows(file, wanted):
        assert columns is not None  # the names come before the first row
        yield from_row(values, columns, f"{file}, row {row}")


def parquet_rows(
    file: Path, wanted: Callable[[list[str]], list[str]] = list
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number from 1, values by column) of a Parquet file, a batch of rows in memory at a time.

    Args:
        file: where they are.
        wanted: gives, of the names of all columns, those that are read.

    Raises:
        CorpusError: not Parquet, or cut short.
    """
    import pyarrow  # noqa: PLC0415 - heavy: only for Parquet
    import pyarrow.parquet as parquet  # noqa: PLC0415

    before = 0
    try:
        with parquet.ParquetFile(file) as table:
            names = wanted(table.schema_arrow.names)
            for batch in table.iter_batches(batch_size=_BATCH_ROWS, columns=names):
                yield from enumerate(batch.to_pylist(), start=before + 1)
                before += batch.num_rows
    except UnicodeDecodeError as error:
        raise bad(
            f"{file}, rows {before + 1} to {before + _BATCH_ROWS}",
            f"expected UTF-8, but {error.reason}",
        ) from error
    except (pyarrow.ArrowException, OSError) as error:
        raise bad(
            str(file), f"expected a whole Parquet file, but {error}; copy or write it again"
        ) from error


def decode(data: bytes, where: str, offset: int = 0) -> str:
    """Return bytes as text; `offset` is where in the file they begin.

    Raises:
        CorpusError: they are not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad(
            where,
            f"expected UTF-8, got byte 0x{data[error.start]:02x} at byte offset"
            f" {offset + error.start}; convert the file to UTF-8",
        ) from error


def lines_of(file: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, text) of each line, split at line feeds alone."""
    offset = 0
    try:
        with _open(file) as stream:
            for number, line in enumerate(stream, start=1):
                text = decode(line, f"{file}, line {number}", offset)
                yield number, text.removeprefix("\ufeff") if number == 1 else text
                offset += len(line)
    except (OSError, EOFError, zlib.error) as error:
        raise bad(str(file), f"expected a readable file, but {error}") from error


def _open(file: Path) -> IO[bytes]:
    if file.suffix.lower() == ".gz":
        return cast(IO[bytes], gzip.open(file, "rb"))
    return file.open("rb")


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        row = _json(line)
    except json.JSONDecodeError as error:
        raise bad(
            where, f"expected a JSON object, but {error.msg} at character {error.pos + 1}"
        ) from error
    except RecursionError as error:
        raise bad(where, "expected a JSON object, but it is nested too deeply") from error
    if not isinstance(row, dict):
        raise bad(where, f"expected a JSON object, got {line.strip()[:40]!r}")
    return row


def _json(line: str) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # orjson refuses half a surrogate pair; one such passage is a reject, no reason to refuse the file.
        return json.loads(line)
