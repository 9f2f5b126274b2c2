"""The rules that plant faults, and the arithmetic of recall and alarms (benchmarks/verification)."""

import json
import random
from itertools import pairwise

import numpy as np
import pytest
from curves import Scored, as_alarms, auc, chosen_elsewhere, curve, recall_at, threshold_for
from false_negatives import at_default, by_two
from hypothesis import assume, given
from hypothesis import strategies as st
from material import OTHER, Pair
from plant import (
    SYNONYMS,
    buried,
    copied_from,
    one_word_changed,
    paraphrases,
    reordered,
    same_words,
    sentences,
    shortened,
    shuffled,
    swapped,
    with_synonyms,
)
from witnesses import judge_witness, scores_of

from synthneg.words import words

TEXT = (
    "Green tea is common. It is steeped, at times, for two minutes! Does heat increase bitterness?"
    " Patients with high blood pressure were studied (n = 40). We found no effect."
)
plain_words = st.lists(st.sampled_from("tea leaf water steep hot cup".split()), min_size=1)
prose = st.lists(plain_words.map(lambda some: " ".join(some).capitalize() + "."), min_size=1)
seeds = st.integers(0, 999).map(random.Random)
scores = st.lists(st.integers(-9, 9), min_size=1, max_size=30).map(lambda x: np.array(x, float))


@given(prose, seeds)
def test_an_exact_copy_has_the_same_words(some, chance):
    """Case, marks and blanks change, the words do not, and the text does."""
    text = " ".join(some)
    made = same_words(text, chance)
    assert words(made) == words(text)


@given(prose, seeds)
def test_one_word_changed_is_one_word(some, chance):
    """As many words as before, of which exactly one is another."""
    text = " ".join(some)
    before, after = words(text), words(one_word_changed(text, chance, ["kettle", "pot"]))
    assert len(before) == len(after)
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


@given(prose, seeds)
def test_reordering_loses_no_word(some, chance):
    """The same words as often as before; two different sentences never stand as they stood."""
    text = " ".join(some)
    made = reordered(text, chance)
    assert sorted(words(made)) == sorted(words(text))
    if len(set(sentences(text))) > 1:
        assert sentences(made) != sentences(text)


@given(prose, seeds)
def test_shortening_leaves_out_whole_sentences(some, chance):
    """What is left are sentences of the text in their order, a third fewer, at least one fewer."""
    text = " ".join(some)
    before, after = sentences(text), sentences(shortened(text, chance))
    rest = iter(before)
    assert all(sentence in rest for sentence in after)
    gone = 0 if len(before) == 1 else max(1, len(before) // 3)
    assert len(after) == len(before) - gone


def test_synonyms_are_other_words():
    """No entry says what it replaces, and a text of entries keeps none of them but those that others bring in."""
    assert all(words(key) != words(value) for key, value in SYNONYMS.items())
    assert with_synonyms("However, patients SHOWED it") == "Yet, sufferers Revealed it"


def test_paraphrases_are_of_four_kinds_and_differ():
    """A text of several sentences with known words is said again in four ways, none of which has its words in order."""
    made = paraphrases(TEXT, random.Random(1))
    assert list(made) == ["reordered", "shortened", "synonyms", "all three"]
    assert all(words(text) != words(TEXT) for text in made.values())
    assert "intake" in with_synonyms("The consumption rose.")


@given(prose, prose, seeds)
def test_a_buried_answer_holds_half_of_the_positive(mine, theirs, chance):
    """All sentences of the other document are there, and half of the positive's, rounded down but at least one."""
    positive, other = " ".join(f"Aa {s.lower()}" for s in mine), " ".join(theirs)
    found = sentences(buried(positive, other, chance))
    assert sum(s.startswith("Aa") for s in found) == max(1, len(sentences(positive)) // 2)
    assert [s for s in found if not s.startswith("Aa")] == sentences(other)


@given(st.integers(1, 40), seeds)
def test_a_copy_stands_in_the_passage(count, chance):
    """The words of a copy stand in a row in the passage, as many as were asked for or all."""
    copy = copied_from(TEXT, count, chance)
    assert copy in TEXT
    assert len(copy.split()) == min(count, len(TEXT.split()))


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("uvwxyz"), min_size=3), seeds)
def test_a_swapped_pair_is_of_a_passage_that_nobody_judged_relevant(own, chance):
    """Every query gets a passage of another query, never its own and none that is judged for it."""
    judged = {query: {own[query]: 1, "w": 1} for query in own}
    assume(all(set(own.values()) - judged[query].keys() for query in own))
    made = swapped(own, judged, chance)
    assert made.keys() == own.keys()
    assert all(made[q] not in judged[q] and made[q] in own.values() for q in own)


@given(st.lists(st.integers(0, 3)), seeds)
def test_shuffled_grades_are_the_same_grades(grades, chance):
    """No grade is lost and none is new."""
    assert sorted(shuffled(grades, chance)) == sorted(grades)


@given(scores, scores)
def test_a_curve_goes_from_nothing_to_all(faults, clean):
    """Alarms and recall never fall as the threshold does; they begin at 0 and end at 1; the area below is the AUC."""
    alarms, recall, thresholds = curve(faults, clean)
    assert (alarms[0], recall[0], alarms[-1], recall[-1]) == (0, 0, 1, 1)
    assert all(b >= a for a, b in pairwise(alarms))
    assert all(b >= a for a, b in pairwise(recall))
    assert all(b < a for a, b in pairwise(thresholds))
    assert np.trapezoid(recall, alarms) == pytest.approx(auc(faults, clean))


@given(scores, st.sampled_from([0.0, 0.1, 0.25, 0.5]), st.data())
def test_a_threshold_keeps_its_promise(clean, most, data):
    """At most the share wished for is refused, and a bound at the next lower score would refuse more."""
    counts = st.lists(st.integers(1, 3), min_size=len(clean), max_size=len(clean))
    weights = np.array(data.draw(counts), float)
    bound = threshold_for(clean, most, weights)
    assert weights[clean >= bound].sum() <= most * weights.sum() + 1e-9
    below = clean[clean < bound]
    if len(below):
        assert weights[clean >= below.max()].sum() > most * weights.sum()


def test_recall_at_ten_per_cent_by_hand():
    """Of ten clean scores the highest may be refused: three of four faults lie above the second."""
    clean = np.arange(10.0)
    faults = np.array([9.5, 9.0, 8.5, 3.0])
    of = Scored(faults, np.arange(4), clean, np.arange(10))
    found = recall_at(of, 0.1, 7, 200)
    assert (found.n, found.share) == (4, 0.75)
    assert found.low < 0.75 < found.high
    assert chosen_elsewhere(Scored(faults, np.arange(4), faults, np.arange(4)), 0.0) != (0.0, 0.0)


@given(scores, scores)
def test_witnesses_on_one_scale_keep_their_order(some, clean):
    """The common scale lies in [0, 1], never turns two scores round, and a score above all clean ones gets 1."""
    scaled = as_alarms(some, clean)
    order = np.argsort(some, kind="stable")
    assert all(b >= a for a, b in pairwise(scaled[order]))
    assert ((scaled >= 0) & (scaled <= 1)).all()
    assert (scaled[some > clean.max()] == 1).all()


def test_a_judge_speaks_of_the_pairs_in_its_file(tmp_path):
    """A pair is judged where the file scores both its document and the query's own passage."""
    rows = [("q", "own", 3), ("q", "near", 1), ("r", "far", 2)]
    keys = ("query_id", "document_id", "score")
    file = tmp_path / "scores.jsonl"
    file.write_text("".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows))
    pairs = [
        Pair("q", "own", "near", OTHER),
        Pair("q", "own", "far", "deep"),
        Pair("r", "own", "far", "deep"),
    ]
    spoken, documents, positives = scores_of(judge_witness(file), pairs)
    assert (spoken, documents.tolist(), positives.tolist()) == (pairs[:1], [1.0], [3.0])


def test_a_second_witness_decides_what_is_in_doubt():
    """What the encoder alone calls an answer passes where the second witness does not, and the other way round."""
    encoder = {("q", "own"): 0.6, ("q", "a"): 0.58, ("q", "b"): 0.52}
    second = {("q", "own"): 1.0, ("q", "a"): 0.0, ("q", "b"): 2.0}
    witnesses = {
        name: lambda pairs, scores=scores: {pair: scores[pair] for pair in pairs}
        for name, scores in (("encoder", encoder), ("second", second))
    }
    pairs = [Pair("q", "own", "a", OTHER), Pair("q", "own", "b", "deep")]
    alone = at_default("tea", witnesses["encoder"], pairs)
    both = by_two("tea", witnesses, "second", pairs)
    of_deep = [
        (row.found.share, row.alarms.share) for row in (*alone, *both) if row.clean == "deep"
    ]
    assert of_deep == [(1.0, 0.0), (0.0, 1.0)]
