"""Arms on disk: a folder per arm that `load_dataset` and a trainer read as it is, and what they have in common."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
import yaml

from synthneg.dataset.shapes import columns, n_tuples, trained_columns
from synthneg.dataset.write import SPLITS, write_parquet
from synthneg.errors import RunError
from synthneg.files import disk_errors, recover_folder, replace_folder, write_whole
from synthneg.records import Example, Row

_FACTS = "arms.json"
_SHAPE = "n-tuple"


def check_place(folder: Path) -> None:
    """Raise RunError where `folder` is no place for arms: they replace what is there."""
    if folder.exists() and not (folder.is_dir() and _is_ours(folder)):
        raise RunError(
            f"{folder}: expected no such folder, an empty one, or one with arms that were written before; name another"
            " with --to"
        )


def _is_ours(folder: Path) -> bool:
    return (folder / _FACTS).is_file() or not any(folder.iterdir())


def write(folder: Path, arms: Mapping[str, Sequence[Example]], n: int, about: Row) -> None:
    """Write `folder/<arm>/` for each arm and `folder/arms.json`, whole or not at all.

    Args:
        folder: as `check_place` lets pass; what is in it is replaced.
        arms: examples with `n` negatives each, by the arm's name; a colon in it becomes a hyphen in the folder's.
        n: negatives per query.
        about: goes into arms.json.
    """
    recover_folder(folder)
    part = folder.with_name(folder.name + ".part")
    scorers = sorted(
        {s for arm in arms.values() for e in arm for d in e.documents for s in d.scores}
    )
    with disk_errors(folder):
        try:
            for name, examples in arms.items():
                _write_arm(part / folder_name(name), name, examples, n, scorers)
            facts = about | {"arms": {name: folder_name(name) for name in arms}}
            write_whole(part / _FACTS, orjson.dumps(facts, option=orjson.OPT_INDENT_2))
            replace_folder(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def folder_name(arm: str) -> str:
    """Return the name of an arm's folder.

    >>> folder_name("bm25:2+dense:2")
    'bm25-2+dense-2'
    """
    return arm.replace(":", "-")


def _write_arm(
    folder: Path, name: str, examples: Sequence[Example], n: int, scorers: Sequence[str]
) -> None:
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS.values()}
    for example in examples:
        rows[SPLITS[example.split]] += n_tuples(example, n)
    write_parquet(folder, rows, columns(_SHAPE, n), scorers)
    files = [
        {"split": split, "path": f"{split}.parquet"} for split, of_split in rows.items() if of_split
    ]
    trained: Row = {
        "config_name": _SHAPE,
        "data_files": files,
        "columns": trained_columns(_SHAPE, n),
        "default": True,
    }
    configs = [trained, {"config_name": f"{_SHAPE}-full", "data_files": [dict(f) for f in files]}]
    head = yaml.safe_dump({"configs": configs}, sort_keys=False)
    text = (
        f"One arm of several: the negatives are {name}, {n} a query. Queries and positives are the same in all arms"
        f" beside this one. `{_SHAPE}` is what a trainer takes, `{_SHAPE}-full` has ids, sources and scores as well."
    )
    (folder / "README.md").write_text(f"---\n{head}---\n\n# {name}\n\n{text}\n", encoding="utf-8")
