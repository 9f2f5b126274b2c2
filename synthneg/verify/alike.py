"""What is like what across the whole set: measured once, judged as often as thresholds change.

Views beside the records: `alike_queries.jsonl` and `alike_documents.jsonl` tell of queries with queries, of written
documents with those of other queries, and of queries, their passages and written documents with the evaluation sets.
Only what a setting can call alike is told: a Jaccard index of .5, a cosine of .7 (to an evaluation set) or .8 (within
the run). `said_queries.jsonl` and `said_documents.jsonl` tell in which of them a model speaks of itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

from synthneg.files import fingerprint
from synthneg.progress import Progress
from synthneg.records import GIVEN, TITLE, Document, Example, Passage, Query
from synthneg.run import Run
from synthneg.run.books import read_records
from synthneg.scoring.base import Encoder, Role, vectors_of
from synthneg.scoring.corpus import BLOCK_TEXTS
from synthneg.scoring.search import top_k
from synthneg.seen import Seen
from synthneg.verify.content import talks
from synthneg.verify.minhash import BANDS, FEW_BANDS
from synthneg.verify.near import LEAST, letters, near_matches, near_pairs, phrases
from synthneg.verify.nearby import QUERIES as TOLD
from synthneg.verify.nearby import exact_queries, nearby_queries, searches_nearby, state
from synthneg.verify.private import private
from synthneg.verify.texts import Texts
from synthneg.words import normalized

if TYPE_CHECKING:
    from synthneg.scoring.rows import Rows
    from synthneg.verify.nearby import Near

Kind = Literal["query", "document", "passage"]
Measure = Literal["exact", "jaccard", "cosine"]

QUERIES = "alike_queries.jsonl"
DOCUMENTS = "alike_documents.jsonl"
SAID_OF_QUERIES = "said_queries.jsonl"
SAID_OF_DOCUMENTS = "said_documents.jsonl"

_LEAST_LEAK_COSINE = 0.7
_LEAST_TWIN_COSINE = 0.8
_NEAREST = 16  # queries that a query's cosine is told to
_DECIMALS = 6  # float32 holds no more


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """What an evaluation set must keep for itself: its queries, and the documents that it judges relevant."""

    name: str  # folder/split
    queries: Mapping[str, str]  # id -> text
    documents: Mapping[str, str]  # id -> title and text


@dataclass(frozen=True, slots=True)
class Alike:
    """A text of the run, and another one that it is like."""

    id: str  # of a query, a written document, or a passage that queries were written from
    kind: Kind
    place: str  # name of the evaluation set that holds the other; "" for the run itself
    other: str  # id
    measure: Measure  # exact: equal but for case, punctuation and blanks
    value: float


@dataclass(frozen=True, slots=True)
class Said:
    """A text in which the model speaks of itself or its task, or tells of a person, as `content` and `private` find."""

    id: str  # of a query or a written document
    reason: str
    detail: str


def compare_queries(
    run: Run, encoder: Encoder, sets: Callable[[], Sequence[EvaluationSet]], inputs: str
) -> None:
    """Write alike_queries.jsonl, of all queries and of the passages they were written from, and said_queries.jsonl.

    What stands is left as it is.

    Args:
        run: its queries have been generated.
        encoder: gives the cosines.
        sets: reads the evaluation sets.
        inputs: a fingerprint of encoder and evaluation sets.
    """
    run.need("generate.queries")

    count = run.books()["generate.queries"]["kept"]

    def near(vectors: "Rows") -> "Near":
        bounds = _LEAST_TWIN_COSINE, _NEAREST + 1
        if searches_nearby(run, count):
            return nearby_queries(run, vectors, *bounds)
        run.file(TOLD).unlink(missing_ok=True)
        return exact_queries(vectors, *bounds)

    def found() -> Iterator[Alike]:
        before = earlier_queries(run)
        queries = ((query.id, query.text) for query in run.read("queries.jsonl", Query))
        with Texts(chain(before.items(), queries)) as compared:
            vectors = vectors_of(encoder, _in_blocks(compared), "query")
            bands = FEW_BANDS if searches_nearby(run, count) else BANDS
            yield from twins(compared, near(vectors), len(before), bands)
        if held := sets():
            queries = ((query.id, query.text) for query in run.read("queries.jsonl", Query))
            with Texts(queries) as texts, Texts(_written_from(run)) as passages:
                for one in held:
                    yield from to_set(texts, "query", one, encoder)
                    yield from to_set(passages, "passage", one, encoder)

    earlier = [] if run.earlier is None else [run.earlier / "examples.jsonl"]
    files = (run.file("queries.jsonl"), run.file("passages.jsonl"), *earlier)
    made_of = fingerprint(inputs, *files, *state(run, count))
    run.view(QUERIES, made_of, found)
    read = (q for q in run.read("queries.jsonl", Query) if q.origin.prompt not in (GIVEN, TITLE))
    written = ((query.id, query.text) for query in read)
    _write_said(run, SAID_OF_QUERIES, "queries.jsonl", written)


def _written_from(run: Run) -> Iterator[tuple[str, str]]:
    """Yield id and text of each passage that queries were written from."""
    with Seen() as used:
        for query in run.read("queries.jsonl", Query):
            for id in (query.passage_id, *query.also):
                used.add(id, "")
        for passage in run.read("passages.jsonl", Passage):
            if passage.id in used:
                yield passage.id, passage.full_text


def earlier_queries(run: Run) -> dict[str, str]:
    """Return the queries that earlier rounds have kept, each text by its id; a further round may not say them again."""
    if run.earlier is None:
        return {}
    read = read_records(run.earlier / "examples.jsonl", Example)
    return {example.query_id: example.query for example in read}


def compare_documents(
    run: Run, encoder: Encoder, sets: Callable[[], Sequence[EvaluationSet]], inputs: str
) -> None:
    """Write alike_documents.jsonl and said_documents.jsonl, of all written documents; as `compare_queries` does."""
    run.need("generate.documents")

    def found() -> Iterator[Alike]:
        of = ((document.id, document.query_id) for document in _written(run))
        read = ((document.id, document.full_text) for document in _written(run))
        with Texts(of) as queries, Texts(read) as texts:
            for later, earlier, share in near_pairs(texts, phrases, LEAST):
                if queries[later] != queries[earlier]:
                    ids = texts.id(later), texts.id(earlier)
                    yield _alike(ids[0], "document", "", ids[1], "jaccard", share)
            for held in sets():
                yield from to_set(texts, "document", held, encoder)

    run.view(DOCUMENTS, fingerprint(inputs, run.file("documents.jsonl")), found)
    texts = ((document.id, document.full_text) for document in _written(run))
    _write_said(run, SAID_OF_DOCUMENTS, "documents.jsonl", texts)


def _written(run: Run) -> Iterator[Document]:
    """Yield the documents that the model wrote beside passages."""
    read = run.read("documents.jsonl", Document)
    return (document for document in read if document.origin and not document.is_passage)


def _write_said(run: Run, file: str, of: str, texts: Iterable[tuple[str, str]]) -> None:
    checks = run.config.verify.content

    def found() -> Iterator[Said]:
        for id, text in texts:
            if refusal := talks(text) or private(text, checks):
                yield Said(id, *refusal)

    run.view(file, fingerprint(checks.model_dump(mode="json"), run.file(of)), found)


def twins(texts: Texts, nearest: "Near", begin: int = 0, bands: int = BANDS) -> Iterator[Alike]:
    """Yield the queries from place `begin` on that are like an earlier one: by letters, and by cosine.

    By cosine, each pair of which one is among the nearest that are given for the other.
    """
    for later, earlier, share in near_pairs(texts, letters, LEAST, bands):
        if later >= begin:
            yield _alike(texts.id(later), "query", "", texts.id(earlier), "jaccard", share)
    with Seen() as told, Progress("verify.queries", len(texts), "queries compared") as progress:
        for place, near, cosines in nearest:
            for other, cosine in zip(near.tolist(), cosines.tolist(), strict=True):
                later, earlier = max(place, other), min(place, other)
                if later > max(earlier, begin - 1) and not told.add(f"{later} {earlier}", ""):
                    ids = texts.id(later), texts.id(earlier)
                    yield _alike(ids[0], "query", "", ids[1], "cosine", cosine)
            progress.advance()


def to_set(texts: Texts, kind: Kind, held: EvaluationSet, encoder: Encoder) -> Iterator[Alike]:
    """Yield what each text is most like in an evaluation set: one row by its words, one by its cosine."""
    others = held.queries if kind == "query" else held.documents
    if not (texts and others):
        return
    other_ids, other_texts = list(others), list(others.values())
    places: dict[str, str] = {}
    for id, text in others.items():
        places.setdefault(normalized(text), id)
    for place, text in enumerate(texts):
        plain = normalized(text)
        if plain and plain in places:
            yield _alike(texts.id(place), kind, held.name, places[plain], "exact", 1.0)
    shingled = letters if kind == "query" else phrases
    for place, other, share in near_matches(texts, other_texts, shingled, LEAST):
        if normalized(texts[place]) not in places:
            yield _alike(texts.id(place), kind, held.name, other_ids[other], "jaccard", share)
    for place, other, cosine in _nearest(texts, other_texts, kind, encoder):
        if cosine >= _LEAST_LEAK_COSINE:
            yield _alike(texts.id(place), kind, held.name, other_ids[other], "cosine", cosine)


def _nearest(
    texts: Sequence[str], others: Sequence[str], kind: Kind, encoder: Encoder
) -> Iterator[tuple[int, int, float]]:
    """Yield the place of each text, of its nearest among the others, and their cosine."""
    role: Role = "query" if kind == "query" else "document"
    found = vectors_of(encoder, _in_blocks(others), role)
    place = 0
    for block in _in_blocks(texts):
        near, cosines = top_k(encoder.encode(block, role), found, 1)
        for row in range(len(block)):
            yield place + row, int(near[row, 0]), float(cosines[row, 0])
        place += len(block)


def _in_blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + BLOCK_TEXTS] for start in range(0, len(texts), BLOCK_TEXTS))


def _alike(id: str, kind: Kind, place: str, other: str, measure: Measure, value: float) -> Alike:
    return Alike(id, kind, place, other, measure, round(value, _DECIMALS))
