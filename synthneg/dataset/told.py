"""What a card says of the examples themselves, counted in one walk over them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from synthneg.dataset.languages import languages, step_of
from synthneg.dataset.ways import Came, Way, way_of
from synthneg.records import GIVEN, TITLE, Example, Origin, Source

_CAME: dict[str, Came] = {GIVEN: "given", TITLE: "title"}


class Maker(NamedTuple):
    """Who wrote a text."""

    prompt: str  # its tag
    model: str
    sampling: str  # as JSON


class Kind(NamedTuple):
    """Of a document: where it comes from and how it was graded."""

    source: Source
    grade: int


@dataclass(slots=True)
class Told:
    """Counts of some examples and their documents, and what follows from them."""

    examples: int = 0
    queries: Counter[Maker] = field(default_factory=Counter)
    generated: Counter[Maker] = field(default_factory=Counter)  # documents
    documents: Counter[Kind] = field(default_factory=Counter)
    verdicts: dict[Kind, Counter[str]] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)  # ISO 639-1, the most frequent first
    way: Way = field(init=False)

    @property
    def tags(self) -> set[str]:
        """The prompts behind the records, by tag."""
        return {maker.prompt for maker in (*self.queries, *self.generated)} - {GIVEN, TITLE}


def told_of(examples: Iterable[Example], count: int) -> Told:
    """Return what is to be said of `count` examples."""
    told, step = Told(count), step_of(count)
    kinds: set[tuple[Came, Source]] = set()
    sample: list[str] = []
    for place, example in enumerate(examples):
        kinds.add((_CAME.get(example.origin.prompt, "written"), example.positive.source))
        if place % step == 0:
            sample += (example.query, example.positive.full_text)
        told.queries[_maker(example.origin)] += 1
        for document in example.documents:
            kind = Kind(document.source, document.grade)
            told.documents[kind] += 1
            told.verdicts.setdefault(kind, Counter()).update(document.verdicts)
            if document.origin is not None:
                told.generated[_maker(document.origin)] += 1
    told.languages, told.way = languages(sample), way_of(kinds)
    return told


def _maker(origin: Origin) -> Maker:
    sampling = orjson.dumps(origin.sampling, option=orjson.OPT_SORT_KEYS).decode()
    return Maker(origin.prompt, origin.model, sampling)
