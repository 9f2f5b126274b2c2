"""The stage `export`: a run's examples to a folder that `load_dataset`, trainers and BEIR's tools read as it is."""

import shutil
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import orjson

from synthneg.config import Shape
from synthneg.dataset.card import Content, ShapeContent, card
from synthneg.dataset.checked import read_checked
from synthneg.dataset.formats.out import FOLDERS
from synthneg.dataset.shapes import Common, columns, common_of, rows_of, trained_columns
from synthneg.dataset.write import SPLITS, write_parquet
from synthneg.errors import RunError
from synthneg.files import recover_folder, replace_folder
from synthneg.progress import say
from synthneg.records import Example, Passage, Row
from synthneg.run import STAGES, Counts, Run, Stage


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported query, and how many rows of each shape it has become (in BEIR: judged documents)."""

    query_id: str
    split: str
    rows: dict[Shape, int]


class Made(NamedTuple):
    """An example, and how many rows of each shape it makes."""

    example: Example
    counts: dict[Shape, int]


def export(run: Run) -> None:
    """Write `dataset/` and its card from `examples.jsonl` and `passages.jsonl`, whole or not at all.

    An example that becomes a row of no shape is rejected, as `no_negative`, `too_few_negatives` or `no_score`.

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
    common = common_of([example for example in examples if example.split == "train"])
    made = [Made(e, {shape: _count(shape, e, common) for shape in shapes}) for e in examples]
    kept = [one for one in made if _account(stage, one, common)]
    # Books of later stages speak of what the export before this one gave.
    earlier = STAGES[: STAGES.index(stage.name)]
    books = {name: c for name, c in run.books().items() if name in earlier}
    books[stage.name] = stage.counts()
    exported = [one.example for one in kept]
    if not any(example.split == "train" for example in exported):
        raise RunError(_nothing_left(run, len(exported), books))
    configs: list[Row] = []
    for shape in shapes:
        configs += _write_shape(run, part / shape, shape, kept, common)
    if configs:
        configs[0]["default"] = True
    counts = {shape: _content(shape, kept, common) for shape in shapes}
    content = Content(configs, counts, _calibrated(run))
    part.mkdir(exist_ok=True)
    (part / "README.md").write_text(
        card(run.config, books, exported, content, read_checked(run)), encoding="utf-8"
    )


def _calibrated(run: Run) -> Row:
    """Return the thresholds that verification has found for this corpus; none where the settings do not calibrate."""
    if not run.config.verify.calibrate:
        return {}
    found = orjson.loads(run.file("calibration.json").read_bytes())["thresholds"]
    return {name: row["found"] for name, row in found.items()}


def _count(shape: Shape, example: Example, common: Common) -> int:
    """Return how many rows the example makes in this shape."""
    if shape in FOLDERS:
        return FOLDERS[shape].rows(example, common)
    return len(rows_of(shape, example, common))


def _account(stage: Stage, made: Made, common: Common) -> bool:
    """Keep or reject the example in the books; return whether it is kept."""
    stage.take()
    example, counts = made
    kept = any(counts.values())
    if kept:
        stage.keep(Exported(example.query_id, example.split, counts))
    else:
        shapes = ", ".join(counts)
        count = len(example.negatives)
        if not count:
            reason = "no_negative"
        else:
            reason = "too_few_negatives" if count < common.n else "no_score"
        detail = f"{count} negatives, {common.n or 1} wanted by {shapes}"
        stage.reject(example.query_id, reason, detail)
    return kept


def _write_shape(
    run: Run, folder: Path, shape: Shape, kept: Sequence[Made], common: Common
) -> list[Row]:
    """Write one shape and return its configurations; none where it has no row to train on."""
    held = [one.example for one in kept if one.counts[shape]]
    if not any(example.split == "train" for example in held):
        say(f"export: no training query has what {shape} needs; it is left out")
        return []
    if shape in FOLDERS:
        return FOLDERS[shape].write(folder, run.read("passages.jsonl", Passage), held, common)
    return _write_table(folder, shape, held, common)


def _write_table(folder: Path, shape: Shape, held: Sequence[Example], common: Common) -> list[Row]:
    """Write one table as Parquet and return its two configurations."""
    by_split: dict[str, list[Row]] = {name: [] for name in SPLITS.values()}
    for example in held:
        by_split[SPLITS[example.split]] += rows_of(shape, example, common)
    scorers = sorted({name for e in held for d in e.documents for name in d.scores})
    write_parquet(folder, by_split, columns(shape, common.n), scorers)
    files = [
        {"split": split, "path": f"{shape}/{split}.parquet"}
        for split, rows_of_split in by_split.items()
        if rows_of_split
    ]
    trained = trained_columns(shape, common.n)
    return [
        {"config_name": shape, "data_files": files, "columns": trained},
        {"config_name": f"{shape}-full", "data_files": deepcopy(files)},
    ]


def _content(shape: Shape, kept: Sequence[Made], common: Common) -> ShapeContent:
    """Count what the shape holds, and what of the exported queries and negatives it does not."""
    rows = dict.fromkeys(SPLITS.values(), 0)
    queries = negatives = 0
    for example, counts in kept:
        rows[SPLITS[example.split]] += counts[shape]
        queries += not counts[shape]
        held = len(example.negatives) if counts[shape] and shape != "pair" else 0
        cut = shape in ("n-tuple", "n-tuple-scores")
        negatives += len(example.negatives) - (min(held, common.n) if cut else held)
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
