"""What goes out in a format and comes in again loses nothing that the format holds, whatever the texts."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from judged import examples, examples_of, taken_in

from synthneg.corpus.tables import parquet_rows
from synthneg.dataset.formats.out import FOLDERS
from synthneg.dataset.held import Examples
from synthneg.dataset.shapes import TABLES, common_of, rows_of, trained_columns
from synthneg.records import Example, Passage
from synthneg.run import Run

Drawn = tuple[list[Passage], list[Example]]
few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def written(shape: str, folder: Path, drawn: Drawn) -> dict[str, Counter[str]]:
    """Write the examples that a format can hold; return the lines or rows of each file, whatever their order."""
    passages, found = drawn
    common = common_of([e for e in found if e.split == "train"])
    held = [e for e in found if FOLDERS[shape].rows(e, common)]
    if held:
        FOLDERS[shape].write(folder, passages, Examples(lambda: iter(held)), common)
    return {
        f.relative_to(folder).as_posix(): Counter(lines(f))
        for f in folder.rglob("*")
        if f.is_file()
    }


def lines(file: Path) -> list[str]:
    """Return what stands on the lines or in the rows of a file, without who wrote a query."""
    if file.suffix == ".parquet":
        rows = [dict(row) for _, row in parquet_rows(file)]
    elif file.suffix == ".jsonl":
        rows = [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]
    else:
        return file.read_bytes().decode().split("\n")
    for row in rows:
        for name in ("query_prompt", "query_model", "query_seed", "subset"):
            row.pop(name, None)
    return [json.dumps(row, sort_keys=True) for row in rows]


def again(shape: str, folder: Path, outputs: Path, look: Callable[[Run], Drawn]) -> Drawn:
    """Take a dataset in and return its passages and examples."""
    run = taken_in(shape, folder, outputs)
    try:
        balanced(run)
        return look(run)
    finally:
        run.close()


def all_of(run: Run) -> Drawn:
    """Return what the run holds."""
    return list(run.read("passages.jsonl", Passage)), examples_of(run)


def balanced(run: Run) -> None:
    """Nothing was dropped on the way in."""
    assert not any(c["rejected"] or c["failed"] for c in run.books().values()), run.books()


@pytest.mark.parametrize("shape", FOLDERS)
@few
@given(drawn=examples())
def test_a_folder_comes_back_as_it_went_out(shape: str, drawn: Drawn) -> None:
    """What a format has written, taken in and written again, is the same lines: ids, titles, grades, scores, splits."""
    with TemporaryDirectory() as name:
        place = Path(name)
        first = written(shape, place / "first" / shape, drawn)
        common = common_of([e for e in drawn[1] if e.split == "train"])
        if not any(FOLDERS[shape].rows(e, common) for e in drawn[1] if e.split == "train"):
            return  # an export leaves it out
        back = again(shape, place / "first" / shape, place / "outputs", all_of)

        second = written(shape, place / "second" / shape, back)

        assert first == second


@pytest.mark.parametrize("full", [True, False], ids=["full", "trained"])
@pytest.mark.parametrize("shape", TABLES)
@few
@given(drawn=examples())
def test_a_table_comes_back_as_it_went_out(shape: str, full: bool, drawn: Drawn) -> None:
    """Rows that are taken in make the same rows; with the columns beside them, ids, sources, grades and scores too."""
    common = common_of([e for e in drawn[1] if e.split == "train"])
    trained = trained_columns(shape, common.n)
    first = {
        split: [row for e in drawn[1] if e.split == split for row in rows_of(shape, e, common)]
        for split in ("train", "held_out")
    }
    if not first["train"]:
        return
    with TemporaryDirectory() as name:
        folder = Path(name) / "table"
        folder.mkdir()
        for split, rows in first.items():
            kept = rows if full else [{c: row[c] for c in trained} for row in rows]
            file = "train.jsonl" if split == "train" else "validation.jsonl"
            (folder / file).write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in kept))
        _, back = again(shape, folder, Path(name) / "outputs", all_of)
    common = common_of([e for e in back if e.split == "train"])

    wanted = [*trained, *(held_beside(first["train"][0]) if full else ())]
    for split, rows in first.items():
        second = [row for e in back if e.split == split for row in rows_of(shape, e, common)]
        assert Counter(cut(r, wanted) for r in rows) == Counter(cut(r, wanted) for r in second)


def held_beside(row: dict[str, object]) -> list[str]:
    """Return the columns beside the trained ones that say something of texts and not of who wrote them."""
    ends = ("_id", "_ids", "_grade", "_grades", "_scores")
    return [c for c in row if c.endswith(ends) and "wanted" not in c and c != "passage_id"]


def cut(row: dict[str, object], names: list[str]) -> str:
    """Return some columns of a row as text; what a labelled list says of its documents in the order of their texts."""
    kept = {name: row[name] for name in names}
    if "docs" in kept:
        lists = [name for name, value in kept.items() if isinstance(value, list)]
        rows = sorted(zip(*(kept[name] for name in lists), strict=True), key=repr)
        kept |= dict(zip(lists, zip(*rows, strict=True), strict=True))
    return json.dumps(kept, sort_keys=True)
