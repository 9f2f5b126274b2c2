"""The columns that trainers of sentence-transformers take, read back: with the ids and grades beside them, or without.

Columns count by their order there, so where a name is not one of ours, its place decides.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from synthneg.corpus.raw import bad
from synthneg.dataset.formats.parts import (
    NEGATIVE,
    POSITIVE,
    Asked,
    Label,
    Parts,
    Text,
    id_of_text,
)
from synthneg.dataset.formats.rows import Found, id_under, list_of, number_of, read_rows, text_of
from synthneg.records import GIVEN, MINED, WRITTEN

_NUMBERED = re.compile(r"negative_\d+")
_LABELS = ("label", "labels", "score", "scores")
_QUERIES = ("query", "anchor", "question")
_POSITIVES = ("positive", "answer")
_KNOWN = {*WRITTEN, *MINED}  # sources that a negative may have had


class Judged(NamedTuple):
    """A document of a row. `of` and `place` lead to what the columns beside say of it; -1: it stands there alone."""

    text: str
    value: int
    raw: bool
    of: str  # positive, negative or document
    place: int = -1
    score: float | None = None


Reader = Callable[[Found, Sequence[str]], Iterator[Judged]]


def read(shape: str, path: str) -> Parts:
    """Yield what rows of one shape hold, from any kind of file.

    Raises:
        CorpusError: a file is missing, or a row is broken or of another shape.
    """
    reader = _READERS[shape]
    texts: list[str] = []
    for found in read_rows(path):
        if not texts:
            texts = _texts(found.values)
            _check(shape, texts, found)
        yield from _parts(found, texts[0], reader(found, texts))


def _texts(row: Mapping[str, Any]) -> list[str]:
    """Return the columns of texts in the order in which a trainer takes them, without what `-full` has beside them."""
    about = re.compile(r"(query|passage|positive|negative|document)_[a-z_]+")
    return [name for name in row if name not in _LABELS and not about.fullmatch(name)]


def _check(shape: str, texts: Sequence[str], found: Found) -> None:
    wanted = {"pair": 2, "triplet": 3, "margin-mse": 3, "labeled-pair": 2, "labeled-list": 2}
    least = wanted.get(shape, 3)
    if len(texts) < least or (shape in wanted and len(texts) > least):
        raise bad(
            found.where,
            f"expected {least} columns of texts for {shape}, found {', '.join(map(repr, texts)) or 'none'}; name"
            " another --format or remove the others",
        )


def _parts(found: Found, query_column: str, documents: Iterator[Judged]) -> Parts:
    where, split, row = found
    query = text_of(row, query_column, where)
    query_id = id_under(row, "query_id", where) or id_of_text("q", query)
    yield Asked(where, query_id, query, split)
    for one in documents:
        about = _about(row, one)
        id = str(about.get("id") or id_of_text("d", one.text))
        source = about.get("source")
        grade = about.get("grade")
        told = isinstance(
            grade, int
        )  # where ours stands beside the text, the column's own says less
        yield Text(where, id, "", one.text)
        yield Label(
            where,
            query_id,
            id,
            int(grade) if told and grade is not None else one.value,
            raw=one.raw and not told,
            source=str(source) if source in _KNOWN else "",
            scores=_scores(about.get("scores"), one.score),
            split=split,
        )


def _about(row: Mapping[str, Any], one: Judged) -> dict[str, Any]:
    """Return id, source, grade and scores of a document, as far as the row has them."""
    if one.place < 0:
        return {name: row.get(f"{one.of}_{name}") for name in ("id", "source", "grade", "scores")}
    found = {}
    for name in ("id", "source", "grade", "scores"):
        values = row.get(f"{one.of}_{name.removesuffix('s')}s")
        found[name] = values[one.place] if isinstance(values, list) else None
    return found


def _scores(beside: object, score: float | None) -> dict[str, float]:
    scores = dict(beside) if isinstance(beside, Mapping) else {}
    known = {str(name): value for name, value in scores.items() if value is not None}
    return known if known or score is None else {GIVEN: score}


def _of_columns(found: Found, texts: Sequence[str]) -> Iterator[Judged]:
    """Yield the positive and the negatives of a row, each in a column, and their scores where there are some."""
    where, _, row = found
    scores = _scores_of(found, len(texts) - 1)
    numbered = len(texts) > 3 or any(map(_NUMBERED.fullmatch, texts))
    for place, name in enumerate(texts[1:]):
        text = text_of(row, name, where)
        score = scores[place] if scores else None
        if place:
            yield Judged(text, NEGATIVE, False, "negative", place - 1 if numbered else -1, score)
        else:
            yield Judged(text, POSITIVE, False, "positive", score=score)


def _scores_of(found: Found, documents: int) -> list[float]:
    """Return a score for each document; of differences to the positive, the positive's counts as 0."""
    where, _, row = found
    name = next((name for name in _LABELS if row.get(name) is not None), None)
    if name is None:
        return []
    value = row[name]
    numbers = [number_of(v, name, where) for v in (value if isinstance(value, list) else [value])]
    if len(numbers) == documents - 1:
        numbers = [0.0, *(-number for number in numbers)]
    if len(numbers) != documents:
        raise bad(where, f"expected {documents} numbers under {name!r}, got {len(numbers)}")
    return numbers


def _of_pair(found: Found, texts: Sequence[str]) -> Iterator[Judged]:
    where, _, row = found
    name = next((name for name in _LABELS if name in row), "label")
    yield Judged(
        text_of(row, texts[1], where), _whole(row.get(name), name, where), True, "document"
    )


def _of_list(found: Found, texts: Sequence[str]) -> Iterator[Judged]:
    where, _, row = found
    documents, labels = list_of(row, texts[1], where), list_of(row, "labels", where)
    if len(documents) != len(labels):
        raise bad(
            where,
            f"expected as many labels as documents, got {len(labels)} and {len(documents)}",
        )
    for place, (text, label) in enumerate(zip(documents, labels, strict=True)):
        if not isinstance(text, str):
            raise bad(where, f"expected strings under {texts[1]!r}, got {ascii(text)[:80]}")
        yield Judged(text, _whole(label, "labels", where), True, "document", place)


def _whole(value: object, name: str, where: str) -> int:
    """Return a label; CSV gives it as a string."""
    try:
        number = float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        number = None
    if number is None or number != int(number):
        raise bad(where, f"expected a whole number under {name!r}, got {ascii(value)[:80]}")
    return int(number)


_READERS: dict[str, Reader] = {
    **dict.fromkeys(("pair", "triplet", "n-tuple", "n-tuple-scores", "margin-mse"), _of_columns),
    "labeled-pair": _of_pair,
    "labeled-list": _of_list,
}


def shape_of(row: Mapping[str, Any]) -> str | None:
    """Return the shape whose columns a row has, by their names; None where they tell no shape."""
    texts = _texts(row)
    if len(texts) < 2 or texts[0] not in _QUERIES:
        return None
    scored = any(name in row for name in _LABELS)
    if isinstance(row[texts[1]], list):
        return "labeled-list" if "labels" in row else None
    if len(texts) == 2:
        return "labeled-pair" if scored else "pair" if texts[1] in _POSITIVES else None
    if texts[2] == "negative":
        return "margin-mse" if scored else "triplet"
    if _NUMBERED.fullmatch(texts[2]):
        return "n-tuple-scores" if scored else "n-tuple"
    return None
