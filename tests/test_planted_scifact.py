"""Faults planted into a part of SciFact's train split, and what the checks find with the real all-MiniLM-L6-v2.

The same plantings as `benchmarks/verification/planted.py`, whose figures are those of the whole collection.
"""

import os
import random
from pathlib import Path

import document_faults
import false_negatives
import grades
import pytest
import query_faults
from curves import recall_at
from material import draw_material
from witnesses import encoder_witness, to_positive_witness

from synthneg.evaluate.collection import read_collection
from synthneg.scoring.encoder import load_encoder

BESIDE = Path(__file__).parents[1] / ".." / "shared" / "collections"
SCIFACT = Path(os.environ.get("SYNTHNEG_COLLECTIONS", BESIDE)) / "scifact"
SEED, RESAMPLES = 7, 200
QUERIES, DOCUMENTS = 40, 150
# The default, 20, is for a whole corpus: here every seventh passage would pass.
DEEPEST_RANK = 3

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SCIFACT.is_dir(),
        reason="SciFact is not beside the repository; SYNTHNEG_COLLECTIONS may name its folder",
    ),
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The model, with a cache of vectors that all tests here share."""
    vectors = tmp_path_factory.mktemp("vectors")
    return load_encoder("all-MiniLM-L6-v2", batch_size=16, vectors=vectors)


@pytest.fixture(scope="module")
def material(encoder):
    """Claims with several judged passages, among these passages and others."""
    collection = read_collection(SCIFACT, "train")
    several = [id for id, judged in sorted(collection.qrels.items()) if len(judged) > 1]
    return draw_material(collection, several[:QUERIES], encoder, DOCUMENTS, random.Random(SEED))


def test_swapped_pairs_are_found(material, encoder):
    """Of claims with another claim's passage the round trip finds 95 in 100, and refuses few of the right ones."""
    _, scored, _ = query_faults.swapped_pairs(material, encoder, SEED)
    assert (scored.faults > DEEPEST_RANK).mean() >= 0.95
    assert (scored.clean > DEEPEST_RANK).mean() <= 0.25


def test_queries_said_again_are_found(material, encoder):
    """Of claims that stand there again, in other case or with a word that says nothing, 99 in 100 are found."""
    rows, _ = query_faults.duplicates(material, encoder, SEED, QUERIES)
    found = {row.fault.removeprefix("query again: "): row.found.share for row in rows}
    assert found["case and marks"] == 1
    assert found["filler added"] >= 0.95


def test_other_judged_positives_are_found_by_their_nearness(material, encoder):
    """At a tenth of alarms on deep unjudged passages, the cosine to the claim or its passage finds 60 in 100."""
    witnesses = {
        "encoder": encoder_witness(material, encoder),
        "to positive": to_positive_witness(material, encoder),
    }
    queries = {id: n for n, id in enumerate(material.queries)}
    for said in false_negatives.testimonies(witnesses, material.pairs):
        if said.name.endswith("score"):
            of = false_negatives.scored(said, "deep", queries)
            assert len(of.faults) >= QUERIES
            assert recall_at(of, 0.1, SEED, RESAMPLES).share >= 0.6, said.name


def test_the_check_answers_finds_other_positives_at_its_default(material, encoder):
    """Of the other judged passages 55 in 100 are refused as answers, of deep ones and random ones one in 20 at most."""
    rows = false_negatives.at_default("", encoder_witness(material, encoder), material.pairs)
    alarms = {row.clean: row.alarms.share for row in rows}
    assert rows[0].found.share >= 0.55
    assert max(alarms["random"], alarms["deep"]) <= 0.05
    assert alarms["middle"] <= alarms["top"]


def test_documents_said_again_are_found(material):
    """Every copy with other marks or a word changed is found, and at half of the 5-grams every one in another order."""
    rows, reach = document_faults.copies(material, SEED)
    found = {row.fault.removeprefix("document again: "): row.found.share for row in rows}
    assert found["case and marks"] == found["one word replaced"] == 1
    assert reach["reordered"][document_faults.BOUNDS.index(0.5)] == 1
    assert not any(reach["two documents"])


def test_paraphrases_of_the_positive_are_refused(material, encoder):
    """A positive in another order, shortened or in other words is refused four times of five; random passages pass."""
    rows, _ = document_faults.stage_rows(material, encoder, SEED, 12)
    found = {r.fault: r.found for r in rows if (r.check, r.clean) == ("verify.documents", "random")}
    for kind in ("reordered", "shortened", "synonyms"):
        share = found[f"positive as negative: paraphrase, {kind}"]
        assert share.n >= 5
        assert share.share >= 0.8
    assert all(r.alarms.share <= 0.05 for r in rows if r.clean == "random")


def test_shuffled_grades_are_told_from_clean_ones(material, encoder):
    """Scores put 85 in 100 pairs of built graded sets in order, and about half of the pairs of shuffled ones."""
    sets = grades.built_sets(material, material.queries, SEED, 30)
    found = grades.measured(sets, grades.by_encoder(encoder), SEED, RESAMPLES)
    assert found["clean"][0] >= 0.85
    assert 0.35 <= found["shuffled"][0] <= 0.65
    assert found["apart"] >= 0.9
