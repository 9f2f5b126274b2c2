"""Which format a dataset has, and its parts in a stream, whatever it has."""

from itertools import islice
from pathlib import Path

from synthneg.config import Shape
from synthneg.config.shapes import SHAPES
from synthneg.corpus.raw import bad
from synthneg.dataset.formats import beir, flagembedding, msmarco, pylate, sentence, tevatron
from synthneg.dataset.formats.parts import Parts
from synthneg.dataset.formats.rows import read_rows

_READ = {
    "beir": beir.read,
    "tevatron": tevatron.read,
    "rlhn": tevatron.read,
    "flagembedding": flagembedding.read,
    "pylate": pylate.read,
    "msmarco": msmarco.read,
}


def read(shape: Shape, path: str) -> Parts:
    """Yield what a dataset of this format holds.

    Raises:
        CorpusError: it is not there, or not as the format has it; the message names file and line.
    """
    return _READ[shape](path) if shape in _READ else sentence.read(shape, path)


def guess(path: str) -> Shape:
    """Return the format of a dataset: that of a folder by its files, else that of its first row by its columns.

    Raises:
        CorpusError: nothing is there, or it cannot be told; the message names the formats.
    """
    place = Path(path)
    if place.is_dir():
        inside = [shape for shape in SHAPES if (place / shape).is_dir()]
        if inside:
            raise bad(
                path,
                f"expected one dataset, found {len(inside)}; name one of {', '.join(str(place / s) for s in inside)}",
            )
        if beir.is_beir(place):
            return "beir"
        if msmarco.is_msmarco(place):
            return "msmarco"
        if pylate.is_pylate(place):
            return "pylate"
    rows = list(islice(read_rows(path), 1))
    if not rows:
        raise bad(path, "expected rows, found none")
    row = rows[0].values
    if "positive_passages" in row:
        return "rlhn" if "subset" in row else "tevatron"
    if "pos" in row and "neg" in row:
        return "flagembedding"
    found = sentence.shape_of(row)
    shape = next((shape for shape in SHAPES if shape == found), None)
    if shape is None:
        raise bad(
            rows[0].where,
            f"expected the columns of a known format, found {', '.join(map(repr, row)) or 'none'}; name it with"
            f" --format: {', '.join(SHAPES)}",
        )
    return shape
