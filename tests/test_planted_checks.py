"""Faults planted into docstrings, which every machine has, and what the checks find with the hashing encoder."""

import random
from dataclasses import replace

import document_faults
import pytest
import query_faults
import text_faults
from material import Material, Pair

from synthneg.corpus.docstrings import read_docstrings
from synthneg.testing import HashingEncoder
from synthneg.words import words

SEED = 7
PACKAGES = ("argparse", "difflib", "email", "logging", "random", "statistics", "textwrap")
QUERY_WORDS = slice(6, 18)  # of a passage, less than what counts as copied


@pytest.fixture(scope="module")
def material():
    """Docstrings, each with twelve of its words as a query."""
    found = {raw.id: raw.text for raw in read_docstrings(PACKAGES) if len(words(raw.text)) > 60}
    # Several docstrings may begin alike; the query of each is to be its own.
    by_query = {" ".join(words(text)[QUERY_WORDS]): id for id, text in found.items()}
    texts = {id: found[id] for id in by_query.values()}
    queries = {f"q:{id}": text for text, id in by_query.items()}
    own = {query: query.removeprefix("q:") for query in queries}
    judged = {query: {id: 1} for query, id in own.items()}
    chance, ids = random.Random(SEED), sorted(texts)
    pairs = [
        Pair(query, id, chance.choice([other for other in ids if other != id]), "random")
        for query, id in own.items()
    ]
    return Material("docstrings", texts, queries, judged, own, pairs)


def shares(rows):
    """Return the share found and the share of alarms by fault."""
    return {row.fault: (row.found.share, row.alarms.share) for row in rows}


def test_swapped_pairs_are_told_by_rank(material):
    """A query stands at the head of the ranking for its own passage, and far down for another one."""
    rows, scored, verified = query_faults.swapped_pairs(material, HashingEncoder(2048), SEED)
    [(fault, (found, alarms))] = shares(rows).items()
    assert fault == "swapped pair"
    assert (scored.faults > 2).mean() >= 0.9
    assert (scored.clean > 2).mean() <= 0.1
    assert found == (scored.faults > 20).mean()
    assert alarms == (scored.clean > 20).mean()
    assert len(verified) >= 0.9 * len(material.queries)


def test_queries_said_again_are_duplicates(material):
    """The same words in other case, and in another order, are always found; no other query is called a duplicate.

    A bag of words cannot tell orders apart, and sees a changed word as a twelfth: below the bound of .95.
    """
    found = shares(query_faults.duplicates(material, HashingEncoder(2048), SEED, 20)[0])
    assert found["query again: case and marks"] == (1, 0)
    assert found["query again: reordered"] == (1, 0)
    assert found["query again: one word replaced"][0] < 0.5


def test_copies_and_words_about_the_passage_are_found(material):
    """Copies of 14 words and more are found, and eleven of twelve ways to speak of the passage."""
    found = shares(query_faults.wordings(material, HashingEncoder(), SEED))
    assert found["14 to 25 words copied"][0] >= 0.95  # some words of a docstring are signs
    assert found["14 to 25 words copied"][1] == 0
    assert found["speaks of its passage"][0] >= 0.9
    assert found["speaks of its passage"][1] == 0


def test_documents_said_again_are_duplicates(material):
    """Copies in other case, with one word changed and in another order are found; two docstrings are never copies."""
    found = shares(document_faults.copies(material, SEED)[0])
    assert found["document again: case and marks"] == (1, 0)
    assert found["document again: one word replaced"][0] >= 0.95
    assert all(alarms == 0 for _, alarms in found.values())


def test_refusals_are_found_wherever_they_stand(material):
    """Of refusals in all wordings and places many are found, most alone; no docstring or trap is taken for one."""
    rows = text_faults.refusals(material)
    assert {row.fault.removeprefix("refusal ") for row in rows} == text_faults.REFUSING.keys()
    assert all(row.found.share >= 0.4 for row in rows)
    assert rows[0].found.share >= 0.65
    assert all(row.alarms.share == 0 for row in rows)


def test_leaks_of_an_evaluation_set_are_found(material):
    """Its queries and documents are found in other case, with a word changed, reordered; one other query in 20 at most.

    The encoder knows words alone, so a query in another order is found as well.
    """
    rows = text_faults.leaks(material, HashingEncoder(2048), SEED, 10)
    assert len(rows) == 7
    assert all(
        row.found.share == 1 for row in rows if row.fault != "leaked query: one word replaced"
    )
    assert all(row.alarms.share <= 0.05 for row in rows)


def test_queries_in_other_languages_are_found(material):
    """Of sentences in other languages nine of ten are strange beside an English passage, of English ones none."""
    english = "Green tea is steeped in water below boiling, for its leaves turn bitter when they get too hot."
    found = shares(
        query_faults.languages(replace(material, texts=dict.fromkeys(material.texts, english)))
    )
    assert found["other language: everyday"][0] >= 0.95
    assert found["other language: medical"][0] >= 0.8
    assert found["other language: everyday"][1] == 0
