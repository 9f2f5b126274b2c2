"""Measures: hand-worked numbers, trec_eval's own, and BM25's published level on real collections."""

import math
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from synthneg.errors import SettingsError
from synthneg.evaluate.collection import Collection, read_collection
from synthneg.evaluate.measure import bm25_rank, dense_rank, depth_for, measure
from synthneg.testing import HashingEncoder

COLLECTIONS = Path(__file__).parents[1].parent / "shared" / "collections"
NAMES = ("nDCG@10", "P@10", "R@100")


def collection(documents, queries, qrels) -> Collection:
    """A collection in memory."""
    return Collection("small", "test", tuple(documents), tuple(documents.values()), queries, qrels)


def ranking(of: Collection, found: dict[str, dict[str, float]]):
    """Rankings of document ids and scores as the measuring code takes them."""
    for query, scores in found.items():
        indices = [of.document_ids.index(id) for id in scores]
        yield (
            query,
            np.array(indices, dtype=np.int64),
            np.array([*scores.values()], dtype=np.float32),
        )


def test_hand_worked_numbers():
    """Grades 2 at rank 2 and 1 at rank 4 of judged 2, 1 and 1: each measure by hand."""
    small = collection(
        {f"d{i}": "" for i in range(5)}, {"q": ""}, {"q": {"d1": 2, "d3": 1, "x": 1}}
    )
    found = {"q": {"d0": 0.9, "d1": 0.8, "d2": 0.7, "d3": 0.6}}
    values = measure(small, ranking(small, found), ("nDCG@10", "P@10", "R@100", "RR@10", "MRR@10"))
    dcg = 2 / math.log2(3) + 1 / math.log2(5)
    ideal = 2 + 1 / math.log2(3) + 1 / math.log2(4)
    assert values["nDCG@10"]["q"] == pytest.approx(dcg / ideal, abs=1e-9)
    assert values["P@10"]["q"] == pytest.approx(0.2)
    assert values["R@100"]["q"] == pytest.approx(2 / 3)
    assert values["RR@10"]["q"] == values["MRR@10"]["q"] == pytest.approx(0.5)


IDS = [f"d{i}" for i in range(30)]
SCORES = st.dictionaries(st.sampled_from(IDS), st.integers(-9, 9).map(float), min_size=1)
GRADES = st.dictionaries(st.sampled_from([*IDS, "absent"]), st.integers(0, 3), min_size=1)


@settings(deadline=None)  # the first example imports the measuring libraries
@given(st.dictionaries(st.sampled_from("abc"), st.tuples(SCORES, GRADES), min_size=1))
def test_equal_to_trec_eval(drawn):
    """For any rankings, with ties, and any graded judgements: what pytrec_eval says, to 1e-6."""
    qrels = {query: grades for query, (_, grades) in drawn.items()}
    run = {query: scores for query, (scores, _) in drawn.items()}
    of = collection(dict.fromkeys(IDS, ""), dict.fromkeys(drawn, ""), qrels)
    values = measure(of, ranking(of, run), NAMES)
    wanted = {"ndcg_cut.10", "P.10", "recall.100"}
    for query, row in pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run).items():
        for name, theirs in zip(NAMES, ("ndcg_cut_10", "P_10", "recall_100"), strict=True):
            assert values[name][query] == pytest.approx(row[theirs], abs=1e-6)


def test_more_queries_than_a_block_are_all_measured():
    """Each of 600 queries gets its own value, those for which nothing was found get 0."""
    queries = {f"q{i}": "" for i in range(600)}
    of = collection({"d0": "", "d1": ""}, queries, {query: {"d0": 1} for query in queries})
    found = {query: {"d0": 1.0} if i % 2 else {} for i, query in enumerate(queries)}
    values = measure(of, ranking(of, found), ("R@100",))["R@100"]
    assert list(values.values()) == [float(i % 2) for i in range(600)]


def test_a_query_that_is_a_document_does_not_find_itself():
    """With the id of a document, the query's own text is taken out; a judged one stays, as the ids merely coincide."""
    texts = {"a": "green tea", "b": "green tea leaves", "c": "rock"}
    qrels = {"a": {"b": 1}, "c": {"c": 1}}
    of = collection(texts, {"a": "green tea", "c": "rock"}, qrels)
    for ranked in (dense_rank(of, HashingEncoder(), 10), bm25_rank(of, 10)):
        assert measure(of, ranked, ("P@1",))["P@1"] == {"a": 1.0, "c": 1.0}


def test_odd_ids_do_not_disturb_a_measure():
    """Ids with blanks, minus signs and lone surrogates give what plain ids give."""
    for one, other, query in (("a", "b", "q"), ("a b", "a\tc", "q-2"), ("\ud800", "\udfff", "q 1")):
        of = collection({one: "", other: ""}, {query: ""}, {query: {other: 1}})
        found = ranking(of, {query: {one: 2.0, other: 1.0}})
        assert measure(of, found, ("RR@10", "nDCG@10")) == {
            "RR@10": {query: 0.5},
            "nDCG@10": {query: pytest.approx(1 / math.log2(3))},
        }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ndcg@10", r"did you mean nDCG@10\?"),
        ("precison@10", r"did you mean P@10\?"),
        ("nDCG@0", "'nDCG@0'; expected a name of ir-measures"),
        ("P@-1", "'P@-1'"),
        ("P", "'P'"),
        ("", "''"),
        ("P@10; R@10", "'P@10; R@10'"),
        ("__import__('os')", "__import__"),
    ],
)
def test_an_unknown_measure_is_one_line(name, words):
    """A misspelt name, a cutoff that no ranking has, and things that are no names are SettingsErrors."""
    with pytest.raises(SettingsError, match=words) as error:
        depth_for(("R@100", name))
    assert "\n" not in str(error.value)


def test_enough_is_ranked_for_the_largest_cutoff():
    """1000 documents, or as many as the largest cutoff asks for, and one for the query itself."""
    assert depth_for(("nDCG@10", "R@100")) == 1001
    assert depth_for(("nDCG@10", "R@2500")) == 2501


def test_a_dense_ranking_is_by_similarity():
    """The hashing encoder ranks the document that shares most words first; depth bounds the list."""
    of = collection(
        {"a": "rock", "b": "green tea", "c": "tea"}, {"q": "green tea"}, {"q": {"b": 1}}
    )
    ((query, indices, scores),) = dense_rank(of, HashingEncoder(), 2)
    assert query == "q"
    assert indices.tolist() == [1, 2]
    assert scores[0] == pytest.approx(1.0)


def test_bm25_by_hand():
    """One word in one of two documents of equal length: idf ln(1 + 1.5/1.5), tf 1/(1 + 0.9); stems and stopwords."""
    of = collection(
        {"a": "making teas", "b": "grey rocks"}, {"q": "the tea", "r": "the"}, {"q": {"a": 1}}
    )
    (q, indices, scores), (r, none, _) = bm25_rank(of, 10)
    assert (q, r) == ("q", "r")
    assert indices.tolist() == [0]
    assert scores[0] == pytest.approx(math.log(2) / 1.9, abs=1e-6)
    assert none.tolist() == []


def test_bm25_with_nothing_to_index():
    """Documents and queries without a word are ranked: nothing is found."""
    of = collection({"a": "\0", "b": ""}, {"q": "the", "r": "tea"}, {"q": {"a": 1}, "r": {"b": 1}})
    assert [indices.tolist() for _, indices, _ in bm25_rank(of, 10)] == [[], []]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "published"), [("scifact", 0.676), ("nfcorpus", 0.320)])
def test_bm25_reaches_its_published_level(name, published):
    """BM25's nDCG@10 on the test splits of real collections: SciFact .676, NFCorpus .320, within .005."""
    if not (COLLECTIONS / name).is_dir():
        pytest.skip(f"the test collection {name} is not at {COLLECTIONS}")
    real = read_collection(COLLECTIONS / name, "test")
    values = measure(real, bm25_rank(real, depth_for(NAMES)), NAMES)["nDCG@10"]
    assert np.mean([*values.values()]) == pytest.approx(published, abs=0.005)
