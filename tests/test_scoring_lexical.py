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
