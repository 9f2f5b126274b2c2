"""The shapes of a dataset, as pure functions from examples to rows.

The positives of a query are the passages it was written from, or that were written for it, and mined ones that were
found to answer it; each makes rows of its own. Its negatives are its documents of grade 1 and 0; what was written as
grade 2 or 3 stands only in the shapes that carry grades. Each row begins with the columns that a trainer of
sentence-transformers takes as they are, in an order that counts; the columns after them say where the texts come from.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from synthneg.dataset.names import model_name
from synthneg.records import GIVEN, Example, Judged, Origin, Row

# Types by column; "scores" stands for a struct with a number per scorer of the run, absent ones null.
Columns = dict[str, str]

TABLES = (
    "pair",
    "triplet",
    "n-tuple",
    "n-tuple-scores",
    "margin-mse",
    "labeled-pair",
    "labeled-list",
)
_SCORERS = ("rerank", GIVEN, "cosine")  # who teaches, the best first

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


class Common(NamedTuple):
    """What all rows of a dataset have in common."""

    n: int  # negatives of an n-tuple; 0 where no query has any
    scorer: (
        str | None
    )  # whose scores stand in the shapes that carry some; None where no scorer knows enough


def common_of(examples: Iterable[Example]) -> Common:
    """Return what keeps most of these examples, which are gone through twice."""
    return Common(tuple_length(examples), scorer_of(examples))


def trained_columns(shape: str, n: int) -> list[str]:
    """Return the columns that a trainer takes, in its order; `n` is the number of negatives of an n-tuple.

    >>> trained_columns("n-tuple", 2)
    ['query', 'positive', 'negative_1', 'negative_2']
    """
    negatives = [f"negative_{i}" for i in range(1, n + 1)]
    return {
        "pair": ["query", "positive"],
        "triplet": ["query", "positive", "negative"],
        "n-tuple": ["query", "positive", *negatives],
        "n-tuple-scores": ["query", "positive", *negatives, "scores"],
        "margin-mse": ["query", "positive", "negative", "scores"],
        "labeled-pair": ["query", "document", "label"],
        "labeled-list": ["query", "docs", "labels"],
    }[shape]


def columns(shape: str, n: int) -> Columns:
    """Return the type of each column of `shape`, in the order of a row."""
    types = {
        "label": "int64",
        "docs": "list:string",
        "labels": "list:int64",
        "scores": "list:float64",
    }
    texts = {name: types.get(name, "string") for name in trained_columns(shape, n)}
    if shape == "labeled-list":
        about = {"scores": "list:float64", **_ABOUT_QUERY, **_plural("document")}
        del about["document_grades"]  # these are the labels
    elif shape == "labeled-pair":
        about = _ABOUT_QUERY | _single("document")
    else:
        about = _ABOUT_QUERY | _single("positive")
        if shape in ("triplet", "margin-mse"):
            about |= _single("negative")
        elif shape != "pair":
            about |= _plural("negative")
    return texts | about


def rows_of(shape: str, example: Example, common: Common) -> list[Row]:
    """Return the rows that an example makes in one of `TABLES`; none where the shape cannot hold it."""
    if shape == "pair":
        return pairs(example)
    if shape == "triplet":
        return triplets(example)
    if shape == "n-tuple":
        return n_tuples(example, common.n)
    if shape == "n-tuple-scores":
        return [r for r in n_tuples(example, common.n, common.scorer) if "scores" in r]
    if shape == "margin-mse":
        return [r for r in triplets(example, common.scorer) if "scores" in r]
    return labeled_pairs(example) if shape == "labeled-pair" else labeled_lists(example)


def _single(of: str) -> Columns:
    return {f"{of}_{name}": kind for name, kind in _ABOUT_DOCUMENT.items()}


def _plural(of: str) -> Columns:
    return {
        f"{of}_{name.removesuffix('s')}s": f"list:{kind}" for name, kind in _ABOUT_DOCUMENT.items()
    }


def pairs(example: Example) -> list[Row]:
    """Return a row for each positive."""
    return [
        {
            "query": example.query,
            "positive": positive.full_text,
            **about_query(example),
            **_about_one("positive", positive),
        }
        for positive in example.positives
    ]


def triplets(example: Example, scorer: str | None = None) -> list[Row]:
    """Return a row for each positive and negative; with a scorer that knows both, its scores of the two."""
    return [
        {
            "query": example.query,
            "positive": positive.full_text,
            "negative": negative.full_text,
            **_scores(scorer, (positive, negative)),
            **about_query(example),
            **_about_one("positive", positive),
            **_about_one("negative", negative),
        }
        for positive, negative in product(example.positives, example.negatives)
    ]


def n_tuples(example: Example, n: int, scorer: str | None = None) -> list[Row]:
    """Return a row for each positive, with the first `n` negatives, and with the scores of a scorer that knows all.

    None where the example has fewer, or where `n` is 0.
    """
    negatives = example.negatives[:n]
    if not n or len(negatives) < n:
        return []
    return [
        {
            "query": example.query,
            "positive": positive.full_text,
            **{f"negative_{i}": d.full_text for i, d in enumerate(negatives, start=1)},
            **_scores(scorer, (positive, *negatives)),
            **about_query(example),
            **_about_one("positive", positive),
            **_about_all("negative", negatives),
        }
        for positive in example.positives
    ]


def _scores(scorer: str | None, documents: Sequence[Judged]) -> Row:
    known = scorer is not None and all(scorer in d.scores for d in documents)
    return {"scores": [d.scores[str(scorer)] for d in documents]} if known else {}


def labeled_pairs(example: Example) -> list[Row]:
    """Return a row for each document that answers (label 1) or does not (0); what answers in part stands in none."""
    answers = {d.id for d in example.positives}
    return [
        {
            "query": example.query,
            "document": document.full_text,
            "label": int(document.id in answers or document.grade == 3),
            **about_query(example),
            **_about_one("document", document),
        }
        for document in example.documents
        if document.grade != 2 or document.id in answers
    ]


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
    return [row | about_query(example) | about]


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


def scorer_of(examples: Iterable[Example]) -> str | None:
    """Return the scorer that knows positives and negatives of most examples; of equal ones the better teacher."""
    known = Counter(
        scorer
        for example in examples
        for scorer in _SCORERS
        if all(scorer in d.scores for d in (*example.positives, *example.negatives))
    )
    return max(known, key=lambda s: (known[s], -_SCORERS.index(s)), default=None)


def _origin(origin: Origin | None) -> Row:
    return {
        "prompt": origin and origin.prompt,
        "model": origin and model_name(origin.model),
        "seed": origin and origin.seed,
    }


def about_query(example: Example) -> Row:
    """Return where the query comes from, under the names of columns."""
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


def _about_one(of: str, document: Judged) -> Row:
    return {f"{of}_{name}": value for name, value in _about(document).items()}


def _about_all(of: str, documents: Iterable[Judged]) -> Row:
    abouts = [_about(d) for d in documents]
    return {
        f"{of}_{name.removesuffix('s')}s": [about[name] for about in abouts]
        for name in _ABOUT_DOCUMENT
    }
