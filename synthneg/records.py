"""The records that travel between stages: frozen dataclasses, and their way to and from a line of JSON.

A record holds data and no behaviour. Stages meet in files of these records, one JSON object a line.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import orjson

Row = dict[str, Any]
Split = Literal["train", "held_out"]
MinedSource = Literal["bm25", "dense", "reranked", "random"]
Source = Literal["corpus", "written", "graded", "negative", "given"] | MinedSource
POSITIVE_SOURCES: tuple[Source, ...] = ("corpus", "written")  # of a query's own passages
WRITTEN: tuple[Source, ...] = ("graded", "negative")  # beside a passage; all others are passages
MINED: tuple[MinedSource, ...] = ("bm25", "dense", "reranked", "random")
GIVEN = (
    "given"  # stands as the prompt of a query, and the scorer of a score, that are the user's own
)
TITLE = "title"  # stands as the prompt of a query that is its passage's own title
R = TypeVar("R")

_DECODER = json.JSONDecoder()
_KEY = re.compile(r'[\s,{]*("(?:[^"\\]|\\.)*")\s*:\s*')  # and all up to its value


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of the user's corpus.

    `split` is drawn from the id before anything is generated: queries of held-out passages are never trained on.
    """

    id: str
    text: str
    title: str = ""
    split: Split = "train"
    made: "Made | None" = None  # None: it was there

    @property
    def source(self) -> Source:
        """What it is as the positive of a query."""
        return "corpus" if self.made is None else "written"

    @property
    def full_text(self) -> str:
        """Title and text as an encoder reads them: joined by a blank, as BEIR's evaluators do."""
        return f"{self.title} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Chosen:
    """A passage that gets queries, and the cluster that it stands for."""

    id: str
    cluster: int


@dataclass(frozen=True, slots=True)
class Related:
    """Another passage that a query over two passages is asked about."""

    passage_id: str
    related_id: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Mined:
    """A passage that lies near a query and does not seem to answer it; to be made into a hard negative."""

    query_id: str
    passage_id: str
    rank: int  # in the whole corpus, seen from the query; 1 is the nearest
    cosine: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A verified query that the tuned model fails, and what the next round makes of it."""

    query_id: str
    passage_id: str
    rank: int  # of its own passage in the whole corpus, by the tuned model; 1 is the nearest
    margin: float  # cosine to its own passage less that to the nearest other one
    exemplar: bool  # shown to its prompt as what is wanted
    ask: tuple[str, ...]  # ids of the passages that get further queries because of it


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a generated record comes from; enough to ask for it again."""

    prompt: str  # name@hash8 of the prompt file
    model: str
    sampling: Row
    seed: int
    key: str  # of the reply in the ledger
    draws: Row = field(
        default_factory=dict
    )  # attributes drawn for this record, such as its length in words
    said: Row = field(
        default_factory=dict
    )  # what the model said beside the text: its choices, plans, reasons


@dataclass(frozen=True, slots=True)
class Query:
    """A query written from a passage."""

    id: str
    text: str
    passage_id: str
    split: Split
    origin: Origin
    also: tuple[str, ...] = ()  # ids of further passages without which it has no whole answer


@dataclass(frozen=True, slots=True)
class Document:
    """A document to be ranked for one query; (query_id, id) is its key.

    `grade` is what was wanted: 3 answers fully, 2 partly or buried, 1 on topic but no answer, 0 unrelated.
    A passage of the corpus keeps its own id, a written document gets one that starts with its query's.
    Of source "corpus" is the passage that the query was written from, of source "written" the one that the model wrote
    for it where there is no corpus; "graded" and "negative" are what was written beside it. The sources of `MINED` say
    who found a passage of the corpus as a negative: BM25, the encoder, the reranker, or chance; "given" is one that an
    imported dataset labels as such.
    """

    id: str
    query_id: str
    text: str
    title: str
    grade: int
    source: Source
    origin: Origin | None = None

    @property
    def full_text(self) -> str:
        """Title and text as an encoder reads them."""
        return f"{self.title} {self.text}".strip()

    @property
    def is_passage(self) -> bool:
        """Whether this is the query's own passage, its positive."""
        return self.source in ("corpus", "written")

    @property
    def is_mined(self) -> bool:
        """Whether this is a passage that was mined as a negative."""
        return self.source in MINED


@dataclass(frozen=True, slots=True)
class Made:
    """What belongs to a passage that the model wrote because there was none: its query, at times a hard negative."""

    query: Query
    origin: Origin  # of the passage
    negative: Document | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """What one scorer says of a query and a document; computed once, judged as often as thresholds change."""

    query_id: str
    document_id: str
    scorer: str  # such as "cosine", "rank", "cosine_to_positive"
    value: float
    key: str = ""  # of the reply in the ledger that says so; "" where no language model was asked


@dataclass(frozen=True, slots=True)
class Judged:
    """A document of an example, with the grade that it was given and all its scores."""

    id: str
    text: str
    title: str
    grade: int
    source: Source
    scores: dict[str, float]
    origin: Origin | None
    wanted_grade: int | None = None  # where another one was asked for than was given
    verdicts: tuple[str, ...] = ()  # what checks have found and kept, such as "too_easy"

    @property
    def full_text(self) -> str:
        """Title and text as an encoder reads them."""
        return f"{self.title} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Example:
    """A verified query and its judged documents, the positive passage first."""

    query_id: str
    query: str
    passage_id: str
    split: Split
    origin: Origin
    documents: tuple[Judged, ...]

    @property
    def positive(self) -> Judged:
        """The passage that the query was written from, or that was written for it."""
        return self.documents[0]

    @property
    def positives(self) -> tuple[Judged, ...]:
        """All passages that answer: those that the query was written from, and mined ones that were found to answer."""
        return tuple(
            d
            for d in self.documents
            if d.source in POSITIVE_SOURCES or (d.grade == 3 and d.source not in WRITTEN)
        )

    @property
    def negatives(self) -> tuple[Judged, ...]:
        """The documents of grade 1 and 0: those written as hard negatives first, then by falling grade."""
        graded = (d for d in self.documents[1:] if d.grade <= 1)
        return tuple(sorted(graded, key=lambda d: (d.source != "negative", -d.grade)))


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that was dropped: `reason` is a code to count by, `detail` the seen value and the bound."""

    stage: str
    id: str
    reason: str
    detail: str


def to_line(record: object) -> bytes:
    """Return the record as one line of JSON, fields in their order, with the line's end."""
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def value_places(line: bytes) -> dict[str, tuple[int, int]]:
    """Return where in a line of JSON, an object, the value of each of its keys begins and ends.

    >>> value_places(b'{"id":"a", "grade": 3}')
    {'id': (6, 9), 'grade': (20, 21)}
    """
    text = line.decode("latin-1")  # a character for each byte, so places are the same in both
    places = {}
    end = 0
    while found := _KEY.match(text, end):
        end = _DECODER.raw_decode(text, found.end())[1]
        places[orjson.loads(line[slice(*found.span(1))])] = (found.end(), end)
    return places


def _origin(row: Row | None) -> Origin | None:
    return None if row is None else Origin(**row)


def from_row(kind: type[R], row: Row) -> R:
    """Return the record of class `kind` that `to_line` wrote as `row`.

    >>> from_row(Passage, {"id": "a", "text": "tea", "title": "", "split": "train"})
    Passage(id='a', text='tea', title='', split='train', made=None)
    """
    values = dict(row)
    if "origin" in values:
        values["origin"] = _origin(values["origin"])
    if values.get("made"):
        made = values["made"]
        negative = made["negative"] and from_row(Document, made["negative"])
        values["made"] = Made(from_row(Query, made["query"]), Origin(**made["origin"]), negative)
    if kind is Query:
        values["also"] = tuple(values.get("also", ()))
    if kind is Judged:
        values["verdicts"] = tuple(values.get("verdicts", ()))
    if kind is Example:
        values["documents"] = tuple(from_row(Judged, d) for d in values["documents"])
    return kind(**values)
