"""The formats that go out as folders of their own, beside the tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from synthneg.dataset.formats import beir, flagembedding, msmarco, pylate, tevatron
from synthneg.dataset.held import Examples
from synthneg.dataset.shapes import Common
from synthneg.records import Example, Passage, Row

Write = Callable[[Path, Iterable[Passage], Examples, Common], None]


class Folder(NamedTuple):
    """How a format is written.

    Attributes:
        rows: how many rows an example makes; 0 where the format cannot hold it.
        write: makes the folder of examples that it can hold.
        configs: what `load_dataset` reads of it, by the splits that have rows; nothing of another tool's own files.
    """

    rows: Callable[[Example, Common], int]
    write: Write
    configs: Callable[[Sequence[str]], list[Row]] = lambda _: []


FOLDERS: Mapping[str, Folder] = {
    "beir": Folder(beir.count, beir.write, beir.configs),
    "tevatron": Folder(tevatron.count, tevatron.write),
    "rlhn": Folder(tevatron.count, tevatron.write_rlhn, tevatron.rlhn_configs),
    "flagembedding": Folder(flagembedding.count, flagembedding.write),
    "pylate": Folder(pylate.count, pylate.write, pylate.configs),
    "msmarco": Folder(msmarco.count, msmarco.write),
}
