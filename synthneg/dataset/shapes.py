"""The shapes of a dataset, as pure functions from examples to rows.

The positive of a query is the passage it was written from, or that was written for it. Its negatives are its documents
of grade 1 and 0; what was written as grade 2 or 3 stands only in the shapes that carry grades. Each row begins with the
columns that a trainer of sentence-transformers takes as they are (`TRAINED`); the columns after them say where the
texts come from.
"""

from collections import Counter
from collections.abc import Iterable

from synthneg.dataset.names import model_name
from synthneg.records import Example, Judged, Origin, Passage, Row, Source

# Types by column; "scores" stands for a struct with a number per scorer of the run, absent ones null.
Columns = dict[str, str]

_ABOUT_QUERY: Columns = {
    "query_id": "string",
    "passage_id": "string",
    "query_prompt": "string",
    "query_model": "string",
    "query_seed": "int64",
}
_ABOUT_DOCUMENT: Columns = {
    "id": "string",
    "source": "string",
    "grade": "int64",
    "wanted_grade": "int64",
    "verdict": "string",
    "prompt": "string",
    "model": "string",
    "seed": "int64",
    "scores": "scores",
}


def trained_columns(shape: str, n: int) -> list[str]:
    """Return the columns that a trainer takes, in its order; `n` is the number of negatives of an n-tuple.

    >>> trained_columns("n-tuple", 2)
    ['query', 'positive', 'negative_1', 'negative_2']
    """
    return {
        "triplet": ["query", "positive", "negative"],
        "n-tuple": ["query", "positive", *(f"negative_{i}" for i in range(1, n + 1))],
        "labeled-list": ["query", "docs", "labels"],
    }[shape]


def columns(shape: str, n: int) -> Columns:
    """Return the type of each column of `shape`, in the order of a row."""
    trained = trained_columns(shape, n)
    if shape == "labeled-list":
        texts = {"query": "string", "docs": "list:string", "labels": "list:int64"}
        about = {"scores": "list:float64", **_ABOUT_QUERY, **_plural("document")}
        del about["document_grades"]  # these are the labels
    else:
        texts = dict.fromkeys(trained, "string")
        about = _ABOUT_QUERY | {"positive_scores": "scores"}
        about |= _single("negative") if shape == "triplet" else _plural("negative")
    return texts | about


def _single(of: str) -> Columns:
    return {f"{of}_{name}": kind for name, kind in _ABOUT_DOCUMENT.items()}


def _plural(of: str) -> Columns:
    return {
        f"{of}_{name.removesuffix('s')}s": f"list:{kind}" for name, kind in _ABOUT_DOCUMENT.items()
    }


def triplets(example: Example) -> list[Row]:
    """Return a row for each negative; none where the example has no negative."""
    return [
        {
            "query": example.query,
            "positive": example.positive.full_text,
            "negative": negative.full_text,
            **_about_query(example),
            "positive_scores": example.positive.scores,
            **{f"negative_{name}": value for name, value in _about(negative).items()},
        }
        for negative in example.negatives
    ]


def n_tuples(example: Example, n: int) -> list[Row]:
    """Return one row with the first `n` negatives; none where the example has fewer, or where `n` is 0."""
    negatives = example.negatives[:n]
    if not n or len(negatives) < n:
        return []
    row = {
        "query": example.query,
        "positive": example.positive.full_text,
        **{f"negative_{i}": d.full_text for i, d in enumerate(negatives, start=1)},
        **_about_query(example),
        "positive_scores": example.positive.scores,
    }
    return [row | _about_all("negative", negatives)]


def labeled_lists(example: Example) -> list[Row]:
    """Return one row with all documents, their grades as labels and their cosines to the query as scores.

    None where all documents have one grade: a list-wise loss learns nothing from it.
    """
    documents = example.documents
    if len({d.grade for d in documents}) < 2:
        return []
    about = _about_all("document", documents)
    row = {
        "query": example.query,
        "docs": [d.full_text for d in documents],
        "labels": about.pop("document_grades"),
        "scores": [d.scores.get("cosine") for d in documents],
    }
    return [row | _about_query(example) | about]


def tuple_length(examples: Iterable[Example]) -> int:
    """Return how many negatives an n-tuple holds: the number that keeps most negatives of all queries.

    With n negatives a row, a query that has fewer is left out and one that has more loses the rest, so n times the
    number of queries with at least n is what is kept. Of equal ones the smaller keeps more queries. 0 where no
    query has a negative.
    """
    counts = Counter(len(example.negatives) for example in examples)
    kept = {
        n: n * sum(queries for count, queries in counts.items() if count >= n)
        for n in range(1, max(counts, default=0) + 1)
    }
    return max(kept, key=lambda n: (kept[n], -n), default=0)


def beir_passage(passage: Passage) -> Row:
    """Return a passage as a line of a BEIR corpus."""
    return _beir(passage, passage.source)


def beir_document(document: Judged) -> Row:
    """Return a written document as a line of a BEIR corpus."""
    return _beir(document, document.source)


def _beir(document: Passage | Judged, source: Source) -> Row:
    return {
        "_id": document.id,
        "title": document.title,
        "text": document.text,
        "source": source,
    }


def beir_query(example: Example) -> Row:
    """Return the query as a line of BEIR's queries."""
    about = _about_query(example)
    return {"_id": about.pop("query_id"), "text": example.query, **about}


def _origin(origin: Origin | None) -> Row:
    return {
        "prompt": origin and origin.prompt,
        "model": origin and model_name(origin.model),
        "seed": origin and origin.seed,
    }


def _about_query(example: Example) -> Row:
    about = {f"query_{name}": value for name, value in _origin(example.origin).items()}
    return {"query_id": example.query_id, "passage_id": example.passage_id, **about}


def _about(document: Judged) -> Row:
    return {
        "id": document.id,
        "source": document.source,
        "grade": document.grade,
        "wanted_grade": document.grade if document.wanted_grade is None else document.wanted_grade,
        "verdict": ", ".join(document.verdicts),
        **_origin(document.origin),
        "scores": document.scores,
    }


def _about_all(of: str, documents: Iterable[Judged]) -> Row:
    abouts = [_about(d) for d in documents]
    return {
        f"{of}_{name.removesuffix('s')}s": [about[name] for about in abouts]
        for name in _ABOUT_DOCUMENT
    }
