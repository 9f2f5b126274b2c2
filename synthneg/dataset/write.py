"""Rows to files: Parquet through `datasets`, and JSON lines."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from synthneg.dataset.held import Examples
from synthneg.dataset.shapes import Columns
from synthneg.records import Row, Split

if TYPE_CHECKING:
    from datasets import Dataset, Features

SPLITS: Mapping[Split, str] = {
    "train": "train",
    "held_out": "validation",
}  # of an example -> of the dataset

_AT_ONCE = 10_000  # rows held while they are turned into Arrow


def write_parquet(
    folder: Path, rows: Mapping[str, Iterable[Row]], columns: Columns, scorers: Sequence[str]
) -> None:
    """Write `folder/<split>.parquet` for each split that has rows.

    Args:
        folder: made here.
        rows: by split of the dataset.
        columns: type of each column, as `shapes.columns` gives them.
        scorers: names that a column of scores holds; a row may lack some.
    """
    folder.mkdir(parents=True)
    for split, of_split in rows.items():
        _to_parquet(folder / f"{split}.parquet", of_split, columns, scorers)


def write_rows(file: Path, rows: Iterable[Row], columns: Columns) -> None:
    """Write one Parquet file of rows without scores; none where there are no rows."""
    _to_parquet(file, rows, columns, ())


def write_lines(file: Path, rows: Iterable[Row]) -> Iterator[Row]:
    """Write each row as a line of JSON and yield it, so that it can be written elsewhere, too."""
    with file.open("wb") as stream:
        for row in rows:
            stream.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            yield row


def by_split(examples: Examples) -> dict[str, Examples]:
    """Return the examples under the names that splits have in a dataset, without those that have none."""
    found = {example.split for example in examples}
    return {
        name: examples.where(lambda example, split=split: example.split == split)  # type: ignore[misc]
        for split, name in SPLITS.items()
        if split in found
    }


def _to_parquet(file: Path, rows: Iterable[Row], columns: Columns, scorers: Sequence[str]) -> None:
    """Write a Parquet file, by way of an Arrow file beside it, so that some rows at a time are in memory."""
    rest = iter(rows)
    first = next(rest, None)
    if first is None:
        return
    between = file.with_name(file.name + ".arrow")
    try:
        with _quiet():
            _stored(between, chain([first], rest), columns, scorers).to_parquet(file)
    finally:
        between.unlink(missing_ok=True)


def _stored(file: Path, rows: Iterator[Row], columns: Columns, scorers: Sequence[str]) -> "Dataset":
    """Return the rows as a dataset that lies in an Arrow file."""
    from datasets import Dataset  # noqa: PLC0415 - heavy: only when exporting
    from pyarrow.ipc import new_stream  # noqa: PLC0415 - as above

    features = _features(columns, scorers)
    rest = (_fill(row, features, scorers) for row in rows)
    with file.open("wb") as out, new_stream(out, features.arrow_schema) as stream:
        while part := list(islice(rest, _AT_ONCE)):
            stream.write_table(Dataset.from_list(part, features).data.table)
    return Dataset.from_file(str(file))


def _features(columns: Columns, scorers: Sequence[str]) -> "Features":
    from datasets import Features, Value  # noqa: PLC0415 - heavy: only when exporting

    def feature(kind: str) -> Any:
        inner = kind.removeprefix("list:")
        scores = {scorer: Value("float64") for scorer in scorers}
        passage = dict.fromkeys(("docid", "title", "text"), Value("string"))
        value = {"scores": scores, "passage": passage}.get(inner) or Value(inner)
        return [value] if inner != kind else value

    # Parquet has no struct without fields, so a run without scores has no column of them.
    return Features(
        {
            name: feature(kind)
            for name, kind in columns.items()
            if scorers or not kind.endswith("scores")
        }
    )


def _fill(row: Row, features: "Features", scorers: Sequence[str]) -> Row:
    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {scorer: value.get(scorer) for scorer in scorers}
        return [filled(v) for v in value] if isinstance(value, list) else value

    return {name: filled(row[name]) if name.endswith("scores") else row[name] for name in features}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the bars of `datasets` off the terminal: progress is said in one voice."""
    from datasets import (  # noqa: PLC0415 - heavy: only when exporting
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()
