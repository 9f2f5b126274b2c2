"""What every dataset is taken apart into: documents, queries, and labels of one for the other."""

import hashlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from synthneg.records import Split

POSITIVE, NEGATIVE = 3, 1  # grades of what a format calls so
NO_SCORES: Mapping[str, float] = MappingProxyType({})


class Text(NamedTuple):
    """A document. `stated`: it stands on a line of its own, so a second such line repeats it."""

    where: str
    id: str
    title: str
    text: str
    stated: bool = False


class Asked(NamedTuple):
    """A query; likewise."""

    where: str
    id: str
    text: str
    split: Split
    stated: bool = False


class Label(NamedTuple):
    """How a document answers a query.

    `value` is a grade of ours where `raw` is false; else it is on the dataset's own scale, which its highest label
    tells. `source` is "" where the format does not say it. `split` is that of the query.
    """

    where: str
    query_id: str
    document_id: str
    value: int
    raw: bool = False
    source: str = ""
    scores: Mapping[str, float] = NO_SCORES
    split: Split = "train"
    stated: bool = False


Part = Text | Asked | Label
Parts = Iterator[Part]


def id_of_text(kind: str, text: str) -> str:
    """Return the id of a query or document that its dataset gives none: the same text is the same one.

    >>> id_of_text("q", "what is tea?") == id_of_text("q", "what is tea?") != id_of_text("d", "what is tea?")
    True
    """
    return f"{kind}-{hashlib.blake2b(text.encode(errors='replace'), digest_size=8).hexdigest()}"
