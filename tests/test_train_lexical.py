"""A teacher that goes by words beside its vectors: its scores, what it finds near, and what is refused."""

import numpy as np
import pytest
from examples import TOPICS, example

from synthneg.config import ListsConfig
from synthneg.errors import SettingsError
from synthneg.records import Passage
from synthneg.scoring.corpus import CorpusVectors
from synthneg.scoring.ids import Ids
from synthneg.scoring.lexical import Bm25
from synthneg.settings import resolve
from synthneg.testing import HashingEncoder
from synthneg.train.data import Pair
from synthneg.train.lexical import Lexical
from synthneg.train.lists import as_pairs
from synthneg.train.sampling.among import BatchScores
from synthneg.train.teacher import Scale, scored_lists

PASSAGES = [Passage(topic, text, topic) for topic, text in TOPICS.items()]
TEXTS = [passage.full_text for passage in PASSAGES]


def worked(query: str, texts: list[str], weight: float) -> np.ndarray:
    """Cosine plus the weight's share: BM25 over the best passage's, 0 where the corpus has no word of the query."""
    encoder = HashingEncoder()
    cosines = encoder.encode(texts, "document") @ encoder.encode([query], "query")[0]
    index = Bm25(TEXTS)
    ((_, best),) = index.search([query], 1)
    return cosines + weight * index.pairs([query], texts)([0], range(len(texts)))[0] / best[0]


def test_labels_are_cosines_and_a_share_of_the_best():
    """Every passage of a list, its own included, has the sum that was worked out; the order is by that sum."""
    encoder = HashingEncoder()
    vectors = encoder.encode(TEXTS, "document")
    corpus = CorpusVectors(Ids(p.id for p in PASSAGES), vectors)
    settings = ListsConfig(length=4, near=2, near_depth=2, further=1, further_depth=3)
    one = example("tea")
    lexical = Lexical(PASSAGES, 2.0)
    found = scored_lists([one], encoder, corpus, settings, 7, lexical)
    (pair,) = as_pairs(found, 4, PASSAGES)
    texts = [pair.positive, *pair.negatives]

    np.testing.assert_allclose(pair.labels, worked(one.query, texts, 2.0), rtol=1e-5, atol=1e-6)
    others = [i for i, p in enumerate(PASSAGES) if p.id != one.passage_id]
    sums = worked(one.query, TEXTS, 2.0)
    assert {TEXTS.index(text) for text in texts[1:3]} == set(
        sorted(others, key=lambda i: -sums[i])[:2]
    )


def test_what_words_alone_find_is_near():
    """A passage far from the query by its vector, which alone has the words, comes first; without them, last."""

    class Blind(HashingEncoder):
        def encode(self, texts, role):
            """Return for documents how early they stand, and for queries that."""
            places = [TEXTS.index(text) if text in TEXTS else 0 for text in texts]
            angles = np.array(places, np.float32) / len(TEXTS)
            return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    one = example(PASSAGES[0].id)
    last = PASSAGES[-1]
    asked = type(one)(one.query_id, last.text, one.passage_id, "train", one.origin, one.documents)
    corpus = CorpusVectors(Ids(p.id for p in PASSAGES), Blind().encode(TEXTS, "document"))
    settings = ListsConfig(length=2, near=1, near_depth=1, further=0, further_depth=1)
    first = [
        as_pairs(scored_lists([asked], Blind(), corpus, settings, 7, lexical), 2, PASSAGES)[0]
        for lexical in (None, Lexical(PASSAGES, 5.0))
    ]
    assert first[0].negatives != (last.full_text,)
    assert first[1].negatives == (last.full_text,)


def test_a_batch_is_scored_with_words_too():
    """Each query with every document of the batch, texts from outside the corpus too, on the labels' scale."""
    pairs = [
        Pair(TOPICS["tea"], TEXTS[0], ("a text of no corpus about tea",), labels=(1, 0)),
        Pair("wholly unknown", TEXTS[1], (TEXTS[2],), labels=(1, 0)),
    ]
    scores = BatchScores(pairs, HashingEncoder(), Scale(0.1, 0.5), Lexical(PASSAGES, 0.4))([0, 1])
    columns = [TEXTS[0], TEXTS[1], "a text of no corpus about tea", TEXTS[2]]
    np.testing.assert_allclose(
        scores[0], (worked(TOPICS["tea"], columns, 0.4) - 0.1) / 0.5, rtol=1e-5, atol=1e-5
    )
    encoder = HashingEncoder()
    cosines = encoder.encode(columns, "document") @ encoder.encode(["wholly unknown"], "query")[0]
    np.testing.assert_allclose(scores[1], (cosines - 0.1) / 0.5, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lists": {"lexical": 0.4, "teacher": "score:x"}}, "got lists.teacher score:x; set it"),
        ({"lists": {"lexical": 0.4}, "sampling": {"negatives": "star"}}, "got star; set one"),
    ],
)
def test_what_has_no_words_is_refused(settings: dict[str, object], said: str):
    """Scores that somebody has stored, and negatives drawn while training goes on, cannot have BM25 added."""
    given = {"run": "r", "corpus": {"path": "docs"}, "train": {"loss": "kl", **settings}}
    with pytest.raises(SettingsError, match=said):
        resolve(given, "test")
