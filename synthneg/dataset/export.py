"""The stage `export`: a run's examples to a folder that `load_dataset`, trainers and BEIR's tools read as it is."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from synthneg.config import Shape
from synthneg.dataset.card import Made, card
from synthneg.dataset.gather import Exported, gather, settings_text, up_to_export
from synthneg.dataset.settings import FILE
from synthneg.dataset.shapes import columns, labeled_lists, n_tuples, triplets, tuple_length
from synthneg.dataset.write import SPLITS, write_beir, write_parquet
from synthneg.errors import RunError
from synthneg.files import recover_folder, replace_folder
from synthneg.progress import say
from synthneg.records import Example, Passage, Row
from synthneg.run import Counts, Run, Stage

RowsOf = dict[Shape, list[Row]]


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
    books = up_to_export(run.books()) | {stage.name: stage.counts()}
    if not any(example.split == "train" for example in exported):
        raise RunError(_nothing_left(run, len(exported), books))
    for shape in shapes:
        if shape == "beir":
            write_beir(part / shape, run.read("passages.jsonl", Passage), exported)
        else:
            _write_shape(part / shape, shape, kept, n)
    counts = [(e, _counts(rows)) for e, rows in kept]
    _write_about(run, gather(run.config, run.folder, counts, n, books), part)


def _write_about(run: Run, made: Made, part: Path) -> None:
    """Write the card, and what makes the dataset again: settings and prompts."""
    for file in made.asked.files:
        (part / file.path).parent.mkdir(parents=True, exist_ok=True)
        (part / file.path).write_bytes(file.source.encode())
    settings = settings_text(run.config, run.folder, made.asked)
    (part / FILE).write_text(settings, encoding="utf-8")
    (part / "README.md").write_text(card(made), encoding="utf-8")


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
    counts = _counts(rows)
    kept = any(counts.values())
    if kept:
        stage.keep(Exported(example.query_id, example.split, counts))
    else:
        shapes = ", ".join(rows)
        count = len(example.negatives)
        reason = "too_few_negatives" if count else "no_negative"
        stage.reject(example.query_id, reason, f"{count} negatives, {n or 1} wanted by {shapes}")
    return kept


def _counts(rows: Mapping[Shape, Sequence[Row]]) -> dict[Shape, int]:
    return {shape: len(of_shape) for shape, of_shape in rows.items()}


def _write_shape(
    folder: Path, shape: Shape, kept: Sequence[tuple[Example, RowsOf]], n: int
) -> None:
    """Write one shape as Parquet; nothing where it has no row to train on."""
    by_split: dict[str, list[Row]] = {name: [] for name in SPLITS.values()}
    for example, rows in kept:
        by_split[SPLITS[example.split]] += rows[shape]
    if not by_split["train"]:
        say(f"export: no training query has the negatives that {shape} needs; it is left out")
        return
    scorers = sorted({name for e, _ in kept for d in e.documents for name in d.scores})
    write_parquet(folder, by_split, columns(shape, n), scorers)


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
