"""What stands in a training list, and with which label."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from examples import TOPICS, example, run_of, written
from hypothesis import given
from hypothesis import strategies as st

from synthneg.config import ListsConfig, TrainConfig
from synthneg.config.losses import Loss
from synthneg.errors import SettingsError
from synthneg.records import Example, Passage
from synthneg.scoring.corpus import CorpusVectors
from synthneg.scoring.ids import Ids
from synthneg.settings import resolve
from synthneg.testing import HashingEncoder
from synthneg.train.data import training_pairs
from synthneg.train.lists import (
    FILLING,
    Ranked,
    as_pairs,
    graded_lists,
    in_turn,
    stored_lists,
)
from synthneg.train.losses import LOSSES
from synthneg.train.rows import training_examples, training_rows
from synthneg.train.teacher import rescaled, scale_of, scored_lists

PASSAGES = [Passage(topic, text, topic.title()) for topic, text in TOPICS.items()]
WHOLE = {p.full_text: p.id for p in PASSAGES}


def listed(examples: list[Example], most: int, seed: int = 7) -> list[dict[str, object]]:
    """Return the graded lists of the examples as texts and labels."""
    ranked, length = graded_lists(examples, most, len(PASSAGES), seed)
    pairs = as_pairs(ranked, length, PASSAGES)
    assert {len(p.negatives) for p in pairs} == {length - 1}
    assert {len(p.labels) for p in pairs} == {length}
    return [{"texts": (p.positive, *p.negatives), "labels": p.labels} for p in pairs]


def test_lists_are_as_long_as_that_of_the_query_with_most():
    """Of six and of one documents, lists of six; the short one is filled with other passages of grade 0."""
    rich, poor = listed([example("tea"), example("moon", negatives=0)], most=16)
    assert rich["labels"] == (3, 3, 2, 1, 0, 1)
    assert poor["labels"] == (3, 0, 0, 0, 0, 0)
    filled = [WHOLE[text] for text in poor["texts"]]
    assert filled[0] == "moon"
    assert len(set(filled)) == 6


def test_a_longer_list_takes_each_grade_in_turn():
    """Of grades 3, 3 2 1 0, 1 four documents are the positive and grades 3, 2 and 1."""
    (short,) = listed([example("tea")], most=4)
    assert short["labels"] == (3, 3, 2, 1)
    every = in_turn(example("tea").documents)
    assert [d.grade for d in every] == [3, 3, 2, 1, 0, 1]
    assert Counter(d.id for d in every) == Counter(d.id for d in example("tea").documents)


def test_what_fills_a_list_depends_on_seed_and_query_alone():
    """The same seed gives the same lists whatever other queries there are; another seed gives others."""
    poor = [example(topic, negatives=0) for topic in ("moon", "tea")]
    rich = example("bread")
    both, alone = listed([rich, *poor], 16), listed([rich, poor[1]], 16)
    assert both[2] == alone[1]
    assert listed([rich, *poor], 16, seed=8)[1:] != both[1:]


def test_where_the_corpus_is_too_small_the_rest_is_filling():
    """With two passages in all, a list of six has the other one and four times its positive, marked as filling."""
    ranked, length = graded_lists([example("tea"), example("moon", negatives=0)], 16, 2, seed=7)
    corpus = [p for p in PASSAGES if p.id in ("moon", "iron")]
    pair = as_pairs(ranked, length, corpus)[1]
    assert sorted(pair.labels) == [FILLING] * 4 + [0, 3]
    assert set(pair.negatives[1:]) == {pair.positive}


def test_stored_scores_are_the_labels():
    """Documents with a score by the scorer stand in the list with it; a query whose positive has none is left out."""
    ranked, length = stored_lists([example("tea"), example("moon", negatives=0)], "cosine", 4)
    (pair, alone) = as_pairs(ranked, length, [])
    assert length == 4
    assert pair.labels == (0.75, 0.375, 0.25, 0.125)
    assert alone.labels == (0.75, FILLING, FILLING, FILLING)
    assert stored_lists([example("tea")], "reranker", 4) == ([], 0)


@given(st.integers(0, 50))
def test_windows_and_random_passages_make_a_list(seed: int):
    """A list has its positive, two of the three nearest, one of the next two, one at random; cosines are its labels."""
    encoder = HashingEncoder()
    vectors = encoder.encode([p.full_text for p in PASSAGES], "document")
    corpus = CorpusVectors(Ids(p.id for p in PASSAGES), vectors)
    settings = ListsConfig(length=5, near=2, near_depth=3, further=1, further_depth=5)
    examples = [example("tea"), example("moon", 1)]
    found = scored_lists(examples, encoder, corpus, settings, seed)
    for one, pair in zip(found, as_pairs(found, 5, PASSAGES), strict=True):
        query = encoder.encode([one.example.query], "query")[0]
        nearest = np.argsort(-(vectors @ query), kind="stable")
        others = [i for i in nearest if PASSAGES[i].id != one.example.passage_id]
        ids = [WHOLE[text] for text in (pair.positive, *pair.negatives)]
        rows = [corpus.ids.row(id) for id in ids]
        assert ids[0] == one.example.passage_id
        assert len(set(ids)) == 5
        assert set(rows[1:3]) <= set(others[:3])
        assert rows[3] in others[3:5]
        np.testing.assert_allclose(pair.labels, vectors[rows] @ query, atol=1e-6)


def test_documents_of_the_example_come_before_passages():
    """With room for two of its own, the hard negative and the best graded one follow the positive."""
    encoder = HashingEncoder()
    vectors = encoder.encode([p.full_text for p in PASSAGES], "document")
    corpus = CorpusVectors(Ids(p.id for p in PASSAGES), vectors)
    settings = ListsConfig(length=4, own=2, near=0, further=0)
    (pair,) = as_pairs(scored_lists([example("tea")], encoder, corpus, settings, 7), 4, PASSAGES)
    assert pair.negatives[:2] == ("tea 0, near miss 0", "tea 0, of grade 3")
    assert pair.negatives[2] in WHOLE


def test_rescaling_brings_percentiles_to_nought_and_one():
    """Of 0 to 100, 1 becomes 0 and 99 becomes 1; order stays, nothing is cut off."""
    ranked = [Ranked(example("tea"), (), tuple(map(float, range(101))), (), ())]
    (scaled,) = rescaled(ranked, scale_of(ranked))
    assert scaled.labels[1] == pytest.approx(0)
    assert scaled.labels[99] == pytest.approx(1)
    assert scaled.labels[0] == pytest.approx(-1 / 98)
    assert list(scaled.labels) == sorted(scaled.labels)


def test_written_negatives_are_labelled_as_such():
    """Labels of a pair are 0 for the corpus's passage and 1 for what a model wrote."""
    (pair,) = training_pairs([example("tea", negatives=2)], 3)
    assert pair.labels == (0, 1, 1, 1)


def test_a_run_s_rows_are_those_of_its_loss(tmp_path: Path):
    """A held-out query is in none; graded lists hold grades, pairs as many negatives as the settings say."""
    examples = [example("tea"), example("moon"), example("iron", split="held_out")]
    for loss, labels in (("infonce", (0, 1)), ("ws2", (3, 3, 2, 1, 0, 1))):
        run = run_of(examples, tmp_path / loss, train={"loss": loss})
        rows = training_rows(run, training_examples(run))
        run.close()
        assert len(rows) == 2
        assert rows[0].labels == labels


def test_lists_that_cannot_hold_what_is_wanted_are_refused():
    """More documents than the length, and windows with fewer ranks than documents, are errors of the settings."""
    for lists, said in (
        ({"length": 4}, "1 . own . near . further = 13"),
        ({"near": 8, "near_depth": 7}, "within near_depth"),
    ):
        values = {"run": "a", "corpus": {"path": "b"}, "train": {"lists": lists}}
        with pytest.raises(SettingsError, match=said):
            resolve(values, "test")


def test_mined_passages_may_be_drawn_and_further_answers_not():
    """Near the query stand passages that were mined for it as well, but no passage that it was written from."""
    encoder = HashingEncoder()
    vectors = encoder.encode([p.full_text for p in PASSAGES], "document")
    corpus = CorpusVectors(Ids(p.id for p in PASSAGES), vectors)
    tea = example("tea", negatives=0)
    bread, moon = (
        replace(tea.positive, id=p.id, text=p.text, title=p.title) for p in PASSAGES[1:3]
    )
    several = replace(tea, documents=(tea.positive, bread, replace(moon, source="dense", grade=1)))
    settings = ListsConfig(length=8, near=6, near_depth=6, further=0)
    (pair,) = as_pairs(scored_lists([several], encoder, corpus, settings, 7), 8, PASSAGES)
    assert [pair.positive, pair.negatives[0]] == [PASSAGES[0].full_text, PASSAGES[1].full_text]
    assert set(pair.negatives[1:]) == {p.full_text for p in PASSAGES[2:]}


def test_a_document_s_copy_in_the_corpus_is_listed_once():
    """A passage drawn to fill a list that says what a document of the list says is passed over."""
    tea, moon = example("tea"), PASSAGES[2]
    copy = written("tea.q0", "n9", moon.full_text, 1, "negative")
    ranked = [Ranked(tea, (tea.positive, copy), (3.0, 1.0), (2, 3), (0.0, 0.0))]
    (pair,) = as_pairs(ranked, 3, PASSAGES)
    assert pair.negatives == (moon.full_text, PASSAGES[3].full_text)


@pytest.mark.parametrize(
    ("settings", "models"),
    [
        ({"loss": "kl", "lists": {"teacher": "a"}, "guide": {"model": "b"}}, ("base", "a")),
        ({"loss": "kl", "lists": {"teacher": "score:cosine"}}, ("base",)),
        ({"loss": "gist", "lists": {"teacher": "a"}, "guide": {"model": "b"}}, ("base", "b")),
        ({"loss": "infonce", "guide": {"model": "b"}}, ("base",)),
    ],
)
def test_models_are_those_that_the_loss_takes(settings: dict[str, object], models: tuple[str, ...]):
    """A teacher counts for losses over scored lists alone, and where it is a model; a guide for gist alone."""
    assert TrainConfig(base_model="base", **settings).models == models


def test_every_loss_has_its_row_in_the_reference():
    """The table of docs/reference/losses.md has one row for each loss of the settings, and no other."""
    page = Path(__file__).parent.parent / "docs/reference/losses.md"
    table = page.read_text(encoding="utf-8").partition("\n## ")[0]
    rows = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert rows[0] == "train.loss"
    assert tuple(rows[1:]) == tuple(LOSSES) == get_args(Loss)
