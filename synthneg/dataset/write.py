"""Rows to files: Parquet through `datasets`, and JSON lines."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from synthneg.dataset.shapes import Columns
from synthneg.records import Example, Row

if TYPE_CHECKING:
    from datasets import Dataset, Features

SPLITS = {"train": "train", "held_out": "validation"}  # of an example -> of the dataset

_AT_ONCE = 10_000  # rows held as Python objects while they are turned into Arrow


def write_parquet(
    folder: Path, rows: dict[str, list[Row]], columns: Columns, scorers: Sequence[str]
) -> None:
    """Write `folder/<split>.parquet` for each split that has rows.

    Args:
        folder: made here.
        rows: by split of the dataset.
        columns: type of each column, as `shapes.columns` gives them.
        scorers: names that a column of scores holds; a row may lack some.
    """
    from datasets import DatasetDict  # noqa: PLC0415 - heavy: only when exporting

    dataset = DatasetDict(
        {split: _dataset(part, columns, scorers) for split, part in rows.items() if part}
    )
    folder.mkdir(parents=True)
    for split, part in dataset.items():
        _to_parquet(part, folder / f"{split}.parquet")


def write_rows(file: Path, rows: Iterable[Row], columns: Columns) -> None:
    """Write one Parquet file of rows without scores, a part of them in memory at a time."""
    _to_parquet(_dataset(rows, columns, ()), file)


def write_lines(file: Path, rows: Iterable[Row]) -> Iterator[Row]:
    """Write each row as a line of JSON and yield it, so that it can be written elsewhere, too."""
    with file.open("wb") as stream:
        for row in rows:
            stream.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            yield row


def by_split(examples: Iterable[Example]) -> dict[str, list[Example]]:
    """Return the examples under the names that splits have in a dataset, without those that have none."""
    found: dict[str, list[Example]] = {}
    for example in examples:
        found.setdefault(SPLITS[example.split], []).append(example)
    return {name: found[name] for name in SPLITS.values() if name in found}


def _dataset(rows: Iterable[Row], columns: Columns, scorers: Sequence[str]) -> "Dataset":
    from datasets import Dataset, concatenate_datasets  # noqa: PLC0415 - heavy: only when exporting

    features = _features(columns, scorers)
    rest = (_fill(row, features, scorers) for row in rows)
    parts = []
    while part := list(islice(rest, _AT_ONCE)):
        parts.append(Dataset.from_list(part, features))
    return concatenate_datasets(parts)


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


def _to_parquet(dataset: "Dataset", file: Path) -> None:
    with _quiet():
        dataset.to_parquet(file)


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
