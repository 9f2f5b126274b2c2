"""BM25: the scores of the library, in an order that is one and the same each time."""

import bm25s
import numpy as np
import Stemmer
from hypothesis import given
from hypothesis import strategies as st

from synthneg.scoring.lexical import Bm25

WORDS = (
    "tea",
    "Tea-pot",
    "the",
    "of",
    "running",
    "runs",
    "ran",
    "x",
    "xy",
    "été",
    "naïve",
    "42",
    "\0",
)
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join), max_size=9)


def reference(documents: list[str], query: str) -> np.ndarray:
    """The library's score of each document; all 0 where it cannot index or knows no word."""
    options = {"stopwords": "en", "stemmer": Stemmer.Stemmer("english"), "show_progress": False}
    tokens, [asked] = (
        bm25s.tokenize(texts, return_ids=False, **options) for texts in (documents, [query])
    )
    if not any(tokens):
        return np.zeros(len(documents), np.float32)
    index = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    index.index(tokens, show_progress=False)
    known = [word for word in asked if word in index.vocab_dict]
    return index.get_scores(known) if known else np.zeros(len(documents), np.float32)


@given(TEXTS, TEXTS, st.integers(0, 10))
def test_the_result_is_that_of_sorting_the_librarys_scores(documents, queries, k):
    """For any texts and k, places and scores are the first k by (-score, place), to the bit; none has score 0."""
    found = Bm25(documents).search(queries, k)
    assert len(found) == len(queries)
    for query, (places, scores) in zip(queries, found, strict=True):
        right = reference(documents, query)
        order = [i for i in np.argsort(-right, kind="stable") if right[i] > 0][:k]
        assert (places.dtype, scores.dtype) == (np.int64, np.float32)
        assert places.tolist() == order
        assert scores.tolist() == right[order].tolist()


@given(TEXTS, TEXTS)
def test_pairs_have_the_scores_of_the_search(documents, queries):
    """Of a corpus's own texts, in any order, the scores of pairs are the library's, up to the order of sums."""
    index = Bm25(documents)
    pairs = index.pairs(queries, documents[::-1])
    found = pairs(range(len(queries)), range(len(documents)))
    assert found.shape == (len(queries), len(documents))
    for query, scores in zip(queries, found, strict=True):
        np.testing.assert_allclose(scores[::-1], reference(documents, query), rtol=1e-5, atol=1e-6)


def test_a_text_from_elsewhere_is_weighed_by_the_corpus():
    """Three texts of 1, 1 and 2 words, one with the word asked for; a fourth, of 4 words, has it twice."""
    pairs = Bm25(["tea", "pot", "rock sand"]).pairs(
        ["tea", "tea tea"], ["pot", "tea tea rock sand"]
    )
    rarity = np.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    room = 0.9 * ((1 - 0.4) + 0.4 * 4 / (4 / 3))
    score = rarity * 2 / (room + 2)
    np.testing.assert_allclose(pairs([0, 1], [1, 0]), [[score, 0], [2 * score, 0]], rtol=1e-6)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=60), st.integers(1, 12))
def test_of_equal_documents_the_first_are_kept(repeats, k):
    """Whatever comes when, of many documents with few different scores the first k by (-score, place) are found."""
    documents = [" ".join(["tea"] * n + ["pot"] * (6 - n)) for n in repeats]
    [(places, _)] = Bm25(documents).search(["tea"], k)
    right = reference(documents, "tea")
    assert places.tolist() == np.argsort(-right, kind="stable")[:k].tolist()


def test_equal_documents_stand_in_their_order():
    """Of equal documents those that come first are found, whatever k."""
    index = Bm25(["green tea", "tea", "tea", "rock", "tea"])
    [(places, scores)] = index.search(["tea"], 2)
    assert places.tolist() == [1, 2]
    assert scores[0] == scores[1] > 0
    assert index.search(["tea"], 9)[0][0].tolist() == [1, 2, 4, 0]


def test_without_a_word_in_common_nothing_is_found():
    """Stopwords, unknown words and no words find nothing, and a query teaches the index no words."""
    index = Bm25(["green tea", "", "the of"])
    assert [len(places) for places, _ in index.search(["the", "rock", "", "rock tea"], 5)] == [
        0,
        0,
        0,
        1,
    ]
    assert [len(places) for places, _ in index.search(["rock"], 5)] == [0]
    assert len(Bm25(["", "the"]).search(["tea"], 5)[0][0]) == 0
    assert len(Bm25([]).search(["tea"], 5)[0][0]) == 0
