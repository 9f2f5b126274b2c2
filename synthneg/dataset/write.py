"""Rows to files: Parquet through `datasets`, and a BEIR folder.

`load_dataset` reads all configurations of a folder with one reader, so what BEIR keeps as JSON lines and TSV stands
beside it as Parquet too.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from synthneg.dataset.shapes import Columns, beir_document, beir_passage, beir_query
from synthneg.records import WRITTEN, Example, Passage, Row

if TYPE_CHECKING:
    from datasets import Dataset, Features

SPLITS = {"train": "train", "held_out": "validation"}  # of an example -> of the dataset

_AT_ONCE = 10_000  # rows held as Python objects while they are turned into Arrow
_CORPUS = dict.fromkeys(("_id", "title", "text", "source"), "string")
_QUERIES = dict.fromkeys(("_id", "text", "passage_id", "query_prompt", "query_model"), "string") | {
    "query_seed": "int64"
}
_QRELS = {"query-id": "string", "corpus-id": "string", "score": "int64"}


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


def write_beir(folder: Path, passages: Iterable[Passage], examples: Sequence[Example]) -> None:
    """Write the examples as a BEIR folder: all passages and all written documents, and the grades as qrels."""
    (folder / "qrels").mkdir(parents=True)
    _write_lines(folder / "corpus", _corpus(passages, examples), _CORPUS)
    _write_lines(folder / "queries", map(beir_query, examples), _QUERIES)
    for split, name in SPLITS.items():
        qrels = [
            dict(zip(_QRELS, (example.query_id, document.id, document.grade), strict=True))
            for example in examples
            if example.split == split
            for document in example.documents
        ]
        if qrels:
            _write_qrels(folder / "qrels" / f"{name}.tsv", qrels)
            _to_parquet(_dataset(qrels, _QRELS, ()), folder / "qrels" / f"{name}.parquet")


def _corpus(passages: Iterable[Passage], examples: Iterable[Example]) -> Iterator[Row]:
    yield from map(beir_passage, passages)
    for example in examples:
        yield from (beir_document(d) for d in example.documents if d.source in WRITTEN)


def _write_lines(file: Path, rows: Iterable[Row], columns: Columns) -> None:
    """Write the rows to `file`.jsonl and `file`.parquet."""
    with file.with_suffix(".jsonl").open("wb") as stream:

        def written() -> Iterator[Row]:
            for row in rows:
                stream.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                yield row

        dataset = _dataset(written(), columns, ())
    _to_parquet(dataset, file.with_suffix(".parquet"))


def _write_qrels(file: Path, qrels: Iterable[Row]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        # Quoted where an id holds a tab or a quote, as BEIR's own reader expects it.
        writer = csv.DictWriter(stream, _QRELS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(qrels)


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
        value = scores if inner == "scores" else Value(inner)
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

    return {name: filled(row[name]) for name in features}


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
