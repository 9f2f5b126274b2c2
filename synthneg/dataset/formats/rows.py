"""The rows of a dataset that has one row per example: JSON lines, Parquet, CSV, saved datasets, or the Hub."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from synthneg.corpus.hub import is_hub_name, is_saved, splits_of
from synthneg.corpus.raw import bad, id_of
from synthneg.corpus.tables import csv_rows, jsonl_rows, parquet_rows
from synthneg.records import Split

_SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".parquet", ".csv", ".tsv")
_HELD_OUT = {"validation", "valid", "val", "dev", "test", "eval", "held"}


class Found(NamedTuple):
    """A row, with its split and, for a person, its place."""

    where: str
    split: Split
    values: Mapping[str, Any]


def split_named(name: str) -> Split:
    """Return our split for the name of a split or of its file: what is not for validation is for training.

    >>> split_named("train-00000-of-00002"), split_named("validation"), split_named("queries.dev")
    ('train', 'held_out', 'held_out')
    """
    words = re.split(r"[^a-z]+", name.lower())
    return "held_out" if _HELD_OUT.intersection(words) else "train"


def read_rows(path: str) -> Iterator[Found]:
    """Yield every row of a file, of the files in a folder, of a saved dataset, or of a dataset on the Hub.

    Raises:
        CorpusError: nothing is there, or a file is broken; the message names file and line.
    """
    place = Path(path)
    if place.is_file():
        yield from _of_file(place)
    elif place.is_dir() and is_saved(place):
        yield from _of_splits(path)
    elif place.is_dir():
        files = files_of(place)
        if not files:
            raise bad(
                path, f"expected files that end in one of {', '.join(_SUFFIXES)}, found none there"
            )
        for file in files:
            yield from _of_file(file)
    elif is_hub_name(path):
        yield from _of_splits(path)
    else:
        raise bad(path, "expected a file, a folder or the name of a dataset, found nothing there")


def files_of(folder: Path) -> list[Path]:
    """Return the files of rows in a folder or, where it has none, in its folder data/; those of training first."""
    for place in (folder, folder / "data"):
        files = [f for f in place.glob("*") if f.is_file() and _suffix(f)]
        if files:
            return sorted(files, key=lambda f: (split_named(f.stem) != "train", f.name))
    return []


def _suffix(file: Path) -> str | None:
    return next((s for s in _SUFFIXES if file.name.lower().endswith(s)), None)


def _of_file(file: Path) -> Iterator[Found]:
    suffix, split = _suffix(file), split_named(file.name)
    if suffix is None:
        raise bad(str(file), f"expected a file that ends in one of {', '.join(_SUFFIXES)}")
    if suffix == ".parquet":
        for number, by_column in parquet_rows(file):
            yield Found(f"{file}, row {number}", split, by_column)
    elif suffix in (".csv", ".tsv"):
        rows = csv_rows(file)
        _, header = next(rows, (1, []))
        for number, values in rows:
            yield Found(f"{file}, line {number}", split, dict(zip(header, values, strict=True)))
    else:
        for number, row in jsonl_rows(file):
            yield Found(f"{file}, line {number}", split, row)


def _of_splits(path: str) -> Iterator[Found]:
    for name, table in splits_of(path).items():
        split = split_named(name)
        for number, row in enumerate(table, start=1):
            yield Found(f"{path}, {name}, row {number}", split, row)


def text_of(row: Mapping[str, Any], name: str, where: str, default: str | None = None) -> str:
    """Return a string of a row; `default` where it is absent or null, if there is one.

    Raises:
        CorpusError: it is absent or no string.
    """
    value = row.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        seen = (
            f"found {', '.join(map(repr, row)) or 'none'}"
            if name not in row
            else f"got {type(value).__name__} {ascii(value)[:80]}"
        )
        raise bad(
            where, f"expected a string under {name!r}, {seen}; correct the line or name --format"
        )
    return value


def id_under(row: Mapping[str, Any], name: str, where: str) -> str | None:
    """Return an id of a row; None where it has none.

    Raises:
        CorpusError: it is no id.
    """
    return None if row.get(name) is None else id_of(row[name], where, name)


def list_of(row: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """Return a list of a row.

    Raises:
        CorpusError: it is absent or no list.
    """
    value = row.get(name)
    if not isinstance(value, list):
        seen = f"got {type(value).__name__}" if name in row else f"found {', '.join(row) or 'none'}"
        raise bad(
            where, f"expected a list under {name!r}, {seen}; correct the line or name --format"
        )
    return value


def number_of(value: object, name: str, where: str) -> float:
    """Return a score.

    Raises:
        CorpusError: it is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad(where, f"expected a number under {name!r}, got {ascii(value)[:80]}")
    if value - value != 0:
        raise bad(where, f"expected a finite number under {name!r}, got {value}")
    return float(value)
