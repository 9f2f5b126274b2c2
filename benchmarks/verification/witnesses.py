"""Witnesses: whoever says how well a document answers a query. Their scores, and what checks make of them.

A witness is a function of (query, document) pairs. `scores_of` asks it about the pairs of a material, about each query
with its own passage, and nothing twice.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from curves import Floats
from material import Material, Pair
from plant import sentences

from synthneg.scoring.base import Encoder, Reranker
from synthneg.scoring.lexical import Bm25

Witness = Callable[[Sequence[tuple[str, str]]], "dict[tuple[str, str], float]"]  # by ids


def encoder_witness(material: Material, encoder: Encoder) -> Witness:
    """Return cosines of queries and documents."""

    def scores(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], float]:
        queries = encoder.encode([material.queries[q] for q, _ in pairs], "query")
        documents = encoder.encode([material.texts[d] for _, d in pairs], "document")
        return dict(zip(pairs, (queries * documents).sum(axis=1).tolist(), strict=True))

    return scores


def sentence_witness(material: Material, encoder: Encoder) -> Witness:
    """Return the cosine of the query and that sentence of the document which is nearest to it."""

    def scores(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], float]:
        parts = {id: sentences(material.texts[id]) for id in dict.fromkeys(d for _, d in pairs)}
        flat = list(dict.fromkeys(sentence for some in parts.values() for sentence in some))
        vectors = dict(zip(flat, encoder.encode(flat, "document"), strict=True))
        asked = encoder.encode([material.queries[q] for q, _ in pairs], "query")
        return {
            (q, d): float(max(query @ vectors[sentence] for sentence in parts[d]))
            for (q, d), query in zip(pairs, asked, strict=True)
        }

    return scores


def to_positive_witness(material: Material, encoder: Encoder) -> Witness:
    """Return cosines of documents and the query's own passage."""

    def scores(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], float]:
        own = encoder.encode([material.texts[material.own[q]] for q, _ in pairs], "document")
        documents = encoder.encode([material.texts[d] for _, d in pairs], "document")
        return dict(zip(pairs, (own * documents).sum(axis=1).tolist(), strict=True))

    return scores


def bm25_witness(material: Material) -> Witness:
    """Return BM25 scores; 0 where query and document share no word."""
    ids = list(material.texts)
    index = Bm25(list(material.texts.values()))

    def scores(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], float]:
        queries = sorted({q for q, _ in pairs})
        found = index.search([material.queries[q] for q in queries], len(ids))
        by_query = {
            query: {ids[place]: float(value) for place, value in zip(*ranked, strict=True)}
            for query, ranked in zip(queries, found, strict=True)
        }
        return {(q, d): by_query[q].get(d, 0.0) for q, d in pairs}

    return scores


def reranker_witness(material: Material, reranker: Reranker) -> Witness:
    """Return a reranker's scores."""

    def scores(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], float]:
        values = reranker.score([(material.queries[q], material.texts[d]) for q, d in pairs])
        return dict(zip(pairs, values.tolist(), strict=True))

    return scores


def judge_witness(file: Path) -> Witness:
    """Return the scores of a file, as a judge gave them, for the pairs that it holds."""
    known = read_scores(file)
    return lambda pairs: {pair: known[pair] for pair in pairs if pair in known}


def read_scores(file: Path) -> dict[tuple[str, str], float]:
    """Return the scores in a file of JSON lines with query_id, document_id and score, by both ids."""
    rows = map(json.loads, file.read_text().splitlines())
    return {(row["query_id"], row["document_id"]): float(row["score"]) for row in rows}


def scores_of(witness: Witness, pairs: Sequence[Pair]) -> "tuple[list[Pair], Floats, Floats]":
    """Return the pairs that the witness speaks of, its scores of the documents, and those of the own passages."""
    asked = dict.fromkeys((p.query, id) for p in pairs for id in (p.document, p.positive))
    found = witness(list(asked))
    spoken = [p for p in pairs if {(p.query, p.document), (p.query, p.positive)} <= found.keys()]
    documents = np.array([found[p.query, p.document] for p in spoken])
    return spoken, documents, np.array([found[p.query, p.positive] for p in spoken])


def margins(documents: Floats, positives: Floats) -> Floats:
    """Return how far each document lies above its query's own passage; most are below 0."""
    return documents - positives


SCORES: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "margin": margins,
    "score": lambda documents, _: documents,
}
