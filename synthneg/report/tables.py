"""What a page says in sentences and tables of the run as a whole."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from synthneg.report.overview import (
    BASE,
    BM25,
    Overview,
    of_people,
    overlap_table,
    probe_table,
    sentence,
    tuned_against,
)
from synthneg.report.records import Shown
from synthneg.report.tally import LENGTH_STEP, Tally, middle_of, quantile
from synthneg.report.walk import KEPT
from synthneg.scoring.language import NAMES, Language

_DUPLICATES = ("duplicate", "near_duplicate", "repeated")
_UNSURE = "not sure"


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first `words` columns are words, the others numbers."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    words: int = 1
    note: str = ""


def lead(found: Overview, tally: Tally) -> list[str]:
    """Return the answer to the first question, in a few sentences."""
    told = []
    if tally.queries:
        every = tally.queries.total()
        told.append(
            f"{tally.queries[KEPT]:,} of {every:,} queries and {tally.documents[KEPT]:,} of"
            f" {tally.documents.total():,} documents passed their checks."
            if tally.documents
            else f"{every:,} queries were written; {tally.queries[KEPT]:,} have passed their checks so far."
        )
    told.extend(_of_review(found))
    real = of_people(found.evaluations)
    for evaluation in real or found.evaluations[:1]:
        kind = "" if real else " synthetic"
        for other in (BASE, BM25):
            d = tuned_against(evaluation, other)
            if d is not None:
                gap = f"{d.mean:+.3f} [{d.low:+.3f}, {d.high:+.3f}]".replace("-", "\u2212")
                told.append(
                    f"On {evaluation.collection} ({evaluation.queries:,}{kind} queries) {sentence(d)}: {d.measure}"
                    f" {gap}, p = {d.p_holm:.4f}."
                )
    if not found.evaluations:
        told.append("What the data is worth has not been measured yet.")
    return told


def _of_review(found: Overview) -> Iterator[str]:
    """Yield what people say of the dataset as a whole, if anybody was asked about what it holds."""
    rows = [row for row in found.people.headline if row.found.answers] if found.people else []
    if found.people and rows:
        shares = "; ".join(
            f"{row.name} {row.found.share:.2f} [{row.found.low:.2f}, {row.found.high:.2f}]"
            for row in rows
        )
        yield f"By what people say of {found.people.answered:,} records: {shares}."


def sample(shown: Shown, tally: Tally) -> str:
    """Return of how many records the page shows how many."""
    queries, documents = tally.queries.total(), tally.documents.total()
    if not queries:
        return "No queries have been written yet."
    if shown.queries >= queries:
        return f"All {queries:,} queries with their {documents:,} documents, and what was dropped before."
    return (
        f"{shown.queries:,} of {queries:,} queries with all of their documents, of {documents:,} in all: some of every"
        " prompt, source, grade, verdict and reason, drawn by the run's seed."
    )


def tables(found: Overview, tally: Tally, shown: Shown) -> list[Table]:
    """Return the tables of the limits; those without rows are left out by whoever shows them."""
    return [
        Table(
            "Overlap with evaluation sets",
            ("set", "what", "found by", "found", "left to train on"),
            tuple(
                (name, what, by, count, left)
                for name, what, count, by, left in overlap_table(found.checked)
            ),
            3,
        ),
        Table(
            "What is told without the query",
            ("question", "from", "AUC (95% interval)", "documents", "passages"),
            tuple(probe_table(found.checked)),
            2,
            "A classifier that never sees the query: .5 is nothing, 1 everything. What it can tell, a student can"
            " learn instead of relevance.",
        ),
        Table(
            "Scores and grades",
            ("prompt", "sets", "with an inversion", "pairs", "in order", "share"),
            tuple(_orders(found)),
            1,
            "Pairs of graded documents whose scores fall as their grades do; half of them by chance.",
        ),
        Table(
            "Sources",
            ("source", "grade wanted", "documents", "kept", "cosine, median", "words, median"),
            tuple(_sources(tally)),
        ),
        Table("Prompts", ("prompt", "records", "kept", "share kept"), tuple(_prompts(tally))),
        Table("Duplicates", ("stage", "in", "duplicates dropped"), tuple(_duplicates(found))),
        Table(
            "Languages",
            ("language", "queries", "passages"),
            tuple(_languages(shown)),
            1,
            "Of the queries shown here and the passages they were written from.",
        ),
        Table(
            "Thresholds found",
            ("threshold", "as set", "as used"),
            tuple(_thresholds(found)),
            1,
            "verify.calibrate takes them from how this encoder scores this corpus.",
        ),
    ]


def _orders(found: Overview) -> Iterator[tuple[object, ...]]:
    for prompt, row in found.orders.items():
        share = "–" if row["accuracy"] is None else f"{row['accuracy']:.2f}"
        counts = (f"{row[name]:,}" for name in ("sets", "sets_inverted", "pairs", "in_order"))
        yield prompt or "graded documents", *counts, share


def _sources(tally: Tally) -> Iterator[tuple[object, ...]]:
    for kind in tally.kinds():
        source, grade = kind
        counts = tally.scores[kind]
        words = (quantile(tally.lengths[source], 0.5) + 0.5) * LENGTH_STEP
        median = f"{middle_of(quantile(counts, 0.5)):.2f}"
        yield source, grade, f"{counts.total():,}", f"{tally.kept[kind]:,}", median, f"{words:.0f}"


def _prompts(tally: Tally) -> Iterator[tuple[object, ...]]:
    for tag, counts in sorted(tally.prompts.items()):
        every, kept = counts.total(), counts[KEPT]
        yield tag, f"{every:,}", f"{kept:,}", f"{kept / every:.0%}"


def _duplicates(found: Overview) -> Iterator[tuple[object, ...]]:
    for row in found.funnel:
        count = sum(row.rejected.get(reason, 0) for reason in _DUPLICATES)
        if count:
            yield row.stage, f"{row.taken:,}", f"{count:,}"


def _languages(shown: Shown) -> Iterator[tuple[object, ...]]:
    told, language = {"query": Counter[str](), "passage": Counter[str]()}, Language()
    seen: set[str] = set()
    for record in shown.records:
        if record["kind"] != "query":
            continue
        told["query"][_named(language, shown.strings[record["text"]])] += 1
        for id, text in record["passages"]:
            if id not in seen:
                seen.add(id)
                told["passage"][_named(language, shown.strings[text])] += 1
    every = told["query"] + told["passage"]
    for name in sorted(every, key=lambda name: (name == _UNSURE, -every[name], name)):
        yield name, f"{told['query'][name]:,}", f"{told['passage'][name]:,}"


def _named(language: Language, text: str) -> str:
    found = language.of(text)
    return NAMES[found.code] if found.sure else _UNSURE


def _thresholds(found: Overview) -> Iterator[tuple[object, ...]]:
    for name, bounds in ((found.calibration or {}).get("thresholds", {})).items():
        yield name, f"{bounds['set']:g}", f"{bounds['found']:g}"
