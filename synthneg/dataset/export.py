"""The stage `export`: a run's examples to a folder that `load_dataset`, trainers and BEIR's tools read as it is."""

import shutil
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import orjson

from synthneg.config import Shape
from synthneg.dataset.card import Content, ShapeContent, card
from synthneg.dataset.checked import read_checked
from synthneg.dataset.shapes import (
    columns,
    labeled_lists,
    n_tuples,
    trained_columns,
    triplets,
    tuple_length,
)
from synthneg.dataset.write import SPLITS, write_beir, write_parquet
from synthneg.errors import RunError
from synthneg.files import recover_folder, replace_folder
from synthneg.progress import say
from synthneg.records import Example, Passage, Row
from synthneg.run import STAGES, Counts, Run, Stage

RowsOf = dict[Shape, list[Row]]


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported query, and how many rows of each shape it has become (in BEIR: judged documents)."""

    query_id: str
    split: str
    rows: dict[Shape, int]


def export(run: Run) -> None:
    """Write `dataset/` and its card from `examples.jsonl` and `passages.jsonl`, whole or not at all.

    An example that becomes a row of no shape is rejected, as `no_negative` or `too_few_negatives`.

    Raises:
        RunError: a stage before this one has not run, or no example of the training split is left.
    """
    examples = list(run.read("examples.jsonl", Example))
    folder, part = run.file("dataset"), run.file("dataset.part")
    recover_folder(folder)
    try:
        with run.stage("export", "exported.jsonl") as stage:
            _write(run, stage, examples, part)
            replace_folder(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(run: Run, stage: Stage, examples: Sequence[Example], part: Path) -> None:
    shapes = run.config.export.shapes
    n = tuple_length(example for example in examples if example.split == "train")
    made = [(e, {shape: _rows(shape, e, n) for shape in shapes}) for e in examples]
    kept = [(e, rows) for e, rows in made if _account(stage, e, rows, n)]
    exported = [example for example, _ in kept]
    # Books of later stages speak of what the export before this one gave.
    earlier = STAGES[: STAGES.index(stage.name)]
    books = {name: c for name, c in run.books().items() if name in earlier}
    books[stage.name] = stage.counts()
    if not any(example.split == "train" for example in exported):
        raise RunError(_nothing_left(run, len(exported), books))
    configs: list[Row] = []
    for shape in shapes:
        if shape == "beir":
            write_beir(part / shape, run.read("passages.jsonl", Passage), exported)
            configs += _beir_configs(part / shape)
        else:
            configs += _write_shape(part / shape, shape, kept, n)
    configs[0]["default"] = True
    counts = {shape: _count(shape, kept, n) for shape in shapes}
    content = Content(configs, counts, _calibrated(run))
    (part / "README.md").write_text(
        card(run.config, books, exported, content, read_checked(run)), encoding="utf-8"
    )


def _calibrated(run: Run) -> Row:
    """Return the thresholds that verification has found for this corpus; none where the settings do not calibrate."""
    if not run.config.verify.calibrate:
        return {}
    found = orjson.loads(run.file("calibration.json").read_bytes())["thresholds"]
    return {name: row["found"] for name, row in found.items()}


def _rows(shape: Shape, example: Example, n: int) -> list[Row]:
    if shape == "triplet":
        return triplets(example)
    if shape == "n-tuple":
        return n_tuples(example, n)
    if shape == "labeled-list":
        return labeled_lists(example)
    return [{"corpus-id": document.id} for document in example.documents]


def _account(stage: Stage, example: Example, rows: RowsOf, n: int) -> bool:
    """Keep or reject the example in the books; return whether it is kept."""
    stage.take()
    counts = {shape: len(of_shape) for shape, of_shape in rows.items()}
    kept = any(counts.values())
    if kept:
        stage.keep(Exported(example.query_id, example.split, counts))
    else:
        shapes = ", ".join(rows)
        count = len(example.negatives)
        reason = "too_few_negatives" if count else "no_negative"
        stage.reject(example.query_id, reason, f"{count} negatives, {n or 1} wanted by {shapes}")
    return kept


def _write_shape(
    folder: Path, shape: Shape, kept: Sequence[tuple[Example, RowsOf]], n: int
) -> list[Row]:
    """Write one shape as Parquet and return its configurations; none where it has no row to train on."""
    by_split: dict[str, list[Row]] = {name: [] for name in SPLITS.values()}
    for example, rows in kept:
        by_split[SPLITS[example.split]] += rows[shape]
    if not by_split["train"]:
        say(f"export: no training query has the negatives that {shape} needs; it is left out")
        return []
    scorers = sorted({name for e, _ in kept for d in e.documents for name in d.scores})
    write_parquet(folder, by_split, columns(shape, n), scorers)
    files = [
        {"split": split, "path": f"{shape}/{split}.parquet"}
        for split, rows_of_split in by_split.items()
        if rows_of_split
    ]
    trained = {"config_name": shape, "data_files": files, "columns": trained_columns(shape, n)}
    return [trained, {"config_name": f"{shape}-full", "data_files": deepcopy(files)}]


def _beir_configs(folder: Path) -> list[Row]:
    """Return the configurations that read a BEIR folder with `load_dataset`."""
    qrels = [
        {"split": name, "path": f"beir/qrels/{name}.parquet"}
        for name in SPLITS.values()
        if (folder / "qrels" / f"{name}.parquet").exists()
    ]
    return [
        {
            "config_name": f"beir-{name}",
            "data_files": [{"split": name, "path": f"beir/{name}.parquet"}],
        }
        for name in ("corpus", "queries")
    ] + [{"config_name": "beir-qrels", "data_files": qrels}]


def _count(shape: Shape, kept: Sequence[tuple[Example, RowsOf]], n: int) -> ShapeContent:
    """Count what the shape holds, and what of the exported queries and negatives it does not."""
    rows = dict.fromkeys(SPLITS.values(), 0)
    queries = negatives = 0
    for example, made in kept:
        rows[SPLITS[example.split]] += len(made[shape])
        queries += not made[shape]
        held = len(example.negatives) if made[shape] else 0
        negatives += len(example.negatives) - (min(held, n) if shape == "n-tuple" else held)
    return ShapeContent(rows["train"], rows["validation"], queries, negatives)


def _nothing_left(run: Run, held_out: int, books: dict[str, Counts]) -> str:
    reasons = "; ".join(
        f"{stage}: {reason} {count}"
        for stage, counts in books.items()
        for reason, count in (counts["rejected"] | counts["failed"]).items()
    )
    return (
        f"{run.folder}: expected at least one verified query to train on, found none ({held_out} are held out;"
        f" dropped on the way: {reasons or 'nothing'}); raise corpus.limit, lower corpus.held_out or loosen verify,"
        " and see rejects.jsonl"
    )
