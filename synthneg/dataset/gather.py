"""What a dataset and its card are made from, gathered from a run's folder: while it is exported, or any time later."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path

import orjson

from synthneg.config import RunConfig, Shape
from synthneg.dataset.card import Content, Made, ShapeContent
from synthneg.dataset.checked import read_checked
from synthneg.dataset.formats.out import FOLDERS
from synthneg.dataset.held import Exported, Kept, read_examples
from synthneg.dataset.prompts import Asked, asked
from synthneg.dataset.settings import is_here, portable, text
from synthneg.dataset.shapes import Common, common_of, trained_columns
from synthneg.dataset.told import Told, told_of
from synthneg.dataset.write import SPLITS
from synthneg.records import Row
from synthneg.run.books import STAGES, Counts, read_books, read_records
from synthneg.settings import load


def gather(
    config: RunConfig,
    folder: Path,
    kept: Kept,
    common: Common,
    books: Mapping[str, Counts],
) -> Made:
    """Return what the card of a dataset is written from.

    Args:
        config: the run's settings.
        folder: the run's.
        kept: the examples that are in the dataset.
        common: what all rows of a shape have in common.
        books: of the stages up to the export.
    """
    told = told_of((example for example, _ in kept), sum(1 for _ in kept.exported()))
    shapes = config.export.shapes
    counts = _counts(shapes, kept, common)
    configs = [entry for shape in shapes for entry in _configs(shape, counts[shape], common)]
    if configs:
        configs[0]["default"] = True
    content = Content(configs, counts, _calibrated(config, folder))
    found = gather_asked(config, folder, told)
    return Made(config, books, told, content, read_checked(folder), found)


def gather_asked(config: RunConfig, folder: Path, told: Told) -> Asked:
    """Return the prompts behind some examples of the run in `folder`."""
    return asked(first_round(config, folder), told.tags, _folders(config, folder))


def gather_exported(config: RunConfig, folder: Path) -> Made:
    """Return what the card of the dataset is written from that the run in `folder` has exported.

    Raises:
        RunError: it has exported none.
    """
    examples = read_examples(folder / "examples.jsonl")
    kept = Kept(examples, lambda: read_records(folder / "exported.jsonl", Exported))
    common = common_of(examples.where(lambda example: example.split == "train"))
    return gather(config, folder, kept, common, up_to_export(read_books(folder)))


def up_to_export(books: Mapping[str, Counts]) -> dict[str, Counts]:
    """Return the books without those of later stages."""
    stages = STAGES[: STAGES.index("export") + 1]
    return {name: counts for name, counts in books.items() if name in stages}


def settings_text(config: RunConfig, folder: Path, found: Asked) -> str:
    """Return the settings file that goes with the dataset: what makes it again, from the first round on."""
    first = first_round(config, folder)
    rounds = "" if config.rounds.number == 1 else f" --round {config.rounds.number}"
    head = (
        f"Settings of the synthneg run {config.run}, without what was of one machine alone: what is to be filled in"
        " stands\nin angle brackets. `synthneg init DIR --from THIS_DATASET` copies them, `synthneg run"
        f" DIR/synthneg.yaml{rounds}` makes the dataset again."
    )
    return text(portable(first, found.named, is_here), head)


def first_round(config: RunConfig, folder: Path) -> RunConfig:
    """Return the settings from which the rounds up to this one follow: those of the first."""
    while config.rounds.after is not None:
        folder = folder.parent / config.rounds.after
        config = load(folder / "run.yaml")
    return config


def _folders(config: RunConfig, folder: Path) -> list[Path]:
    """Return the folders of this round and of those before it."""
    folders = [folder]
    while config.rounds.after is not None:
        folders.append(folder.parent / config.rounds.after)
        config = load(folders[-1] / "run.yaml")
    return folders


def _calibrated(config: RunConfig, folder: Path) -> Row:
    """Return the thresholds that verification has found for this corpus; none where the settings do not calibrate."""
    if not config.verify.calibrate:
        return {}
    found = orjson.loads((folder / "calibration.json").read_bytes())["thresholds"]
    return {name: row["found"] for name, row in found.items()}


def _configs(shape: Shape, content: ShapeContent, common: Common) -> list[Row]:
    """Return the configurations that `load_dataset` reads of a shape; none where it has no row to train on."""
    rows = {"train": content.train, "validation": content.validation}
    splits = [split for split, count in rows.items() if count]
    if "train" not in splits:
        return []
    if shape in FOLDERS:
        return FOLDERS[shape].configs(splits)
    files = [{"split": split, "path": f"{shape}/{split}.parquet"} for split in splits]
    columns = trained_columns(shape, common.n)
    return [
        {"config_name": shape, "data_files": files, "columns": columns},
        {"config_name": f"{shape}-full", "data_files": deepcopy(files)},
    ]


def _counts(shapes: Sequence[Shape], kept: Kept, common: Common) -> dict[Shape, ShapeContent]:
    """Count what each shape holds, and what of the exported queries and negatives it does not."""
    rows = {shape: dict.fromkeys(SPLITS.values(), 0) for shape in shapes}
    queries, negatives = dict.fromkeys(shapes, 0), dict.fromkeys(shapes, 0)
    for example, made in kept:
        found = len(example.negatives)
        for shape in shapes:
            rows[shape][SPLITS[example.split]] += made[shape]
            queries[shape] += not made[shape]
            held = found if made[shape] and shape != "pair" else 0
            cut = shape in ("n-tuple", "n-tuple-scores")
            negatives[shape] += found - (min(held, common.n) if cut else held)
    return {
        shape: ShapeContent(of["train"], of["validation"], queries[shape], negatives[shape])
        for shape, of in rows.items()
    }
