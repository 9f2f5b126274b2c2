"""The TSV files of MS MARCO: collection, and for each split queries, qrels and triples of ids.

They have no header, no quotes and no titles: a tab or a line's end within a text becomes a blank.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, product
from pathlib import Path

from synthneg.corpus.raw import bad, id_of
from synthneg.corpus.tables import lines_of
from synthneg.dataset.formats.parts import NEGATIVE, POSITIVE, Asked, Label, Parts, Text
from synthneg.dataset.formats.rows import split_named
from synthneg.dataset.held import Examples
from synthneg.dataset.shapes import Common
from synthneg.dataset.write import by_split
from synthneg.records import WRITTEN, Example, Passage

_SPLITS = {"train": "train", "validation": "dev"}  # of a dataset -> as MS MARCO names it
_BREAKS = str.maketrans("\t\n\r", "   ")


def count(example: Example, common: Common) -> int:
    """Return how many triples the query makes; without a negative, how many passages answer it."""
    return len(example.positives) * max(1, len(example.negatives))


def write(folder: Path, passages: Iterable[Passage], examples: Examples, common: Common) -> None:
    """Write the collection and for each split queries, qrels and triples; no configuration reads them."""
    folder.mkdir(parents=True)
    _write(folder / "collection.tsv", _collection(passages, examples))
    for split, of_split in by_split(examples).items():
        name = _SPLITS[split]
        _write(folder / f"queries.{name}.tsv", ((e.query_id, e.query) for e in of_split))
        _write(
            folder / f"qrels.{name}.tsv",
            ((e.query_id, "0", d.id, "1") for e in of_split for d in e.positives),
        )
        _write(
            folder / f"qidpidtriples.{name}.tsv",
            (
                (e.query_id, positive.id, negative.id)
                for e in of_split
                for positive, negative in product(e.positives, e.negatives)
            ),
        )


def _collection(passages: Iterable[Passage], examples: Iterable[Example]) -> Iterator[list[str]]:
    yield from ([passage.id, passage.full_text] for passage in passages)
    for document in chain.from_iterable(example.negatives for example in examples):
        if document.source in WRITTEN:
            yield [document.id, document.full_text]


def _write(file: Path, rows: Iterable[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        for row in rows:
            stream.write("\t".join(value.translate(_BREAKS) for value in row) + "\n")


def is_msmarco(folder: Path) -> bool:
    """Whether the folder has a collection and queries as MS MARCO names them."""
    return bool(_files(folder, "collection") and _files(folder, "queries"))


def _files(folder: Path, kind: str) -> list[Path]:
    return sorted(f for end in ("tsv", "tsv.gz") for f in folder.glob(f"*{kind}*.{end}"))


def read(path: str) -> Parts:
    """Yield what such a folder holds. Positives come from the qrels or, where there are none, from the triples.

    Raises:
        CorpusError: a file is missing or a line is broken.
    """
    folder = Path(path)
    qrels, triples = _files(folder, "qrels"), _files(folder, "triples")
    if not (is_msmarco(folder) and (qrels or triples)):
        raise bad(
            path,
            "expected a folder with collection.tsv, queries.*.tsv, and qrels.*.tsv or *triples*.tsv; name another, or"
            " --format",
        )
    for file in _files(folder, "collection"):
        for where, (id, text) in _rows(file, 2):
            yield Text(where, id_of(id, where, "id of a passage"), "", text, True)
    for file in _files(folder, "queries"):
        for where, (id, text) in _rows(file, 2):
            split = split_named(file.name)
            yield Asked(where, id_of(id, where, "id of a query"), text, split, True)
    for file in qrels:
        yield from _judged(file)
    for file in triples:
        yield from _triples(file, with_positives=not qrels)


def _judged(file: Path) -> Parts:
    split = split_named(file.name)
    for where, (query, _, passage, value) in _rows(file, 4):
        if not value.lstrip("-").isdecimal():
            raise bad(where, f"expected a whole number as the label, got {value!r}; correct it")
        yield Label(where, query, passage, int(value), raw=True, split=split, stated=True)


def _triples(file: Path, with_positives: bool) -> Parts:
    split = split_named(file.name)
    for where, (query, positive, negative) in _rows(file, 3):
        if with_positives:
            yield Label(where, query, positive, POSITIVE, split=split)
        yield Label(where, query, negative, NEGATIVE, split=split)


def _rows(file: Path, count: int) -> Iterator[tuple[str, list[str]]]:
    for number, line in lines_of(file):
        values = line.rstrip("\r\n").split("\t")
        if values == [""]:
            continue
        where = f"{file}, line {number}"
        if len(values) != count:
            raise bad(
                where,
                f"expected {count} values between tabs, got {len(values)}; replace tabs within a text by blanks",
            )
        yield where, values
