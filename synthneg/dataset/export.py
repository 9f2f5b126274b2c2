"""The stage `export`: a run's examples to a folder that `load_dataset`, trainers and BEIR's tools read as it is."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from synthneg.config import Shape
from synthneg.dataset.card import Made, card
from synthneg.dataset.formats.out import FOLDERS
from synthneg.dataset.gather import gather, settings_text, up_to_export
from synthneg.dataset.held import Examples, Exported, Kept, RowCounts, read_examples
from synthneg.dataset.settings import FILE
from synthneg.dataset.shapes import Common, columns, common_of, rows_of
from synthneg.dataset.write import by_split, write_parquet
from synthneg.errors import RunError
from synthneg.files import recover_folder, replace_folder
from synthneg.progress import say, track
from synthneg.records import Example, Passage, Row
from synthneg.run import Run
from synthneg.run.books import Counts, Stage


def export(run: Run) -> None:
    """Write `dataset/` and its card from `examples.jsonl` and `passages.jsonl`, whole or not at all.

    An example that becomes a row of no shape is rejected, as `no_negative`, `too_few_negatives` or `no_score`.

    Raises:
        RunError: a stage before this one has not run, or no example of the training split is left.
    """
    folder, part = run.file("dataset"), run.file("dataset.part")
    recover_folder(folder)
    try:
        with run.stage("export", "exported.jsonl") as stage:
            _write(run, stage, part)
            replace_folder(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(run: Run, stage: Stage, part: Path) -> None:
    shapes, examples = run.config.export.shapes, read_examples(run.file("examples.jsonl"))
    common = common_of(examples.where(_trained_on))
    for example in track(examples, "export", "examples counted"):
        counts = {shape: _count(shape, example, common) for shape in shapes}
        _account(stage, example, counts, common)
    kept = Kept(examples, lambda: stage.written(Exported))
    # Books of later stages speak of what the export before this one gave.
    books = up_to_export(run.books()) | {stage.name: stage.counts()}
    if not any(exported.split == "train" for exported in kept.exported()):
        raise RunError(_nothing_left(run, stage.kept, books))
    part.mkdir(exist_ok=True)
    for shape in shapes:
        _write_shape(run, part / shape, shape, kept.of(shape), common)
    _write_about(run, gather(run.config, run.folder, kept, common, books), part)


def _write_about(run: Run, made: Made, part: Path) -> None:
    """Write the card, and what makes the dataset again: settings and prompts."""
    for file in made.asked.files:
        (part / file.path).parent.mkdir(parents=True, exist_ok=True)
        (part / file.path).write_bytes(file.source.encode())
    settings = settings_text(run.config, run.folder, made.asked)
    (part / FILE).write_text(settings, encoding="utf-8")
    (part / "README.md").write_text(card(made), encoding="utf-8")


def _count(shape: Shape, example: Example, common: Common) -> int:
    """Return how many rows the example makes in this shape."""
    if shape in FOLDERS:
        return FOLDERS[shape].rows(example, common)
    return len(rows_of(shape, example, common))


def _account(stage: Stage, example: Example, counts: RowCounts, common: Common) -> None:
    """Keep or reject the example in the books."""
    stage.take()
    if any(counts.values()):
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


def _write_shape(run: Run, folder: Path, shape: Shape, held: Examples, common: Common) -> None:
    """Write one shape of the examples that it can hold; nothing where it has no row to train on."""
    if not any(map(_trained_on, held)):
        say(f"export: no training query has what {shape} needs; it is left out")
    elif shape in FOLDERS:
        FOLDERS[shape].write(folder, run.read("passages.jsonl", Passage), held, common)
    else:
        _write_table(folder, shape, held, common)


def _trained_on(example: Example) -> bool:
    return example.split == "train"


def _write_table(folder: Path, shape: Shape, held: Examples, common: Common) -> None:
    """Write one table as Parquet."""

    def rows(of_split: Examples) -> Iterator[Row]:
        for example in track(of_split, "export", f"queries as {shape}"):
            yield from rows_of(shape, example, common)

    scorers = sorted({name for e in held for d in e.documents for name in d.scores})
    tables = {name: rows(of_split) for name, of_split in by_split(held).items()}
    write_parquet(folder, tables, columns(shape, common.n), scorers)


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
