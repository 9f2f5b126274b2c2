"""Texts that are nearly the same: MinHash candidates against a comparison of all pairs, and how wide its net is."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.verify.duplicate import jaccard
from synthneg.verify.minhash import BANDS, FEW_BANDS, Sketches
from synthneg.verify.near import (
    LEAST,
    MOST_EARLIER,
    letters,
    near_matches,
    near_pairs,
    phrases,
)
from synthneg.words import normalized

WORDS = [f"{a}{b}{c}" for a in "bdfgklm" for b in ("ara", "eti", "olu") for c in ("n", "rst", "x")]


def sentence(draw, size):
    """Return `size` words drawn by `draw`."""
    return " ".join(draw.choice(WORDS) for _ in range(size))


def edited(draw, text):
    """Return the text with one of its words exchanged."""
    words = text.split()
    words[draw.randrange(len(words))] = draw.choice(WORDS)
    return " ".join(words)


def test_shares_are_those_of_a_hand_count():
    """'tea pot' and 'tea cup' share 3 of 11 3-grams; seven words with the last one exchanged share 2 of 4 5-grams."""
    assert jaccard(letters("Tea pot!"), letters("tea cup")) == 3 / 11
    assert jaccard(phrases("a b c d e f g"), phrases("a b c d e f h")) == 2 / 4
    assert jaccard(phrases(""), phrases("")) == 0.0


@given(st.text(), st.text())
def test_the_share_lies_between_zero_and_one_and_does_not_depend_on_the_side(one, other):
    """Any two texts share the same amount seen from either, all of it where they are equal when normalized."""
    for shingled in (letters, phrases):
        share = jaccard(shingled(one), shingled(other))
        assert share == jaccard(shingled(other), shingled(one))
        assert 0 <= share <= 1
        if normalized(one) == normalized(other) and shingled(one):
            assert share == 1


@pytest.mark.parametrize(("bands", "least"), [(BANDS, 0.7), (FEW_BANDS, 0.8)])
def test_pairs_are_those_of_comparing_all(bands, least):
    """Among 400 texts, half of them edits of others, every pair that a full comparison finds from there on is told."""
    draw = random.Random(3)
    texts = [sentence(draw, 12) for _ in range(200)]
    texts += [edited(draw, draw.choice(texts)) for _ in range(200)]
    for shingled in (letters, phrases):
        sets = [shingled(text) for text in texts]
        wanted = {
            (j, i, jaccard(sets[j], sets[i]))
            for j in range(len(texts))
            for i in range(j)
            if jaccard(sets[j], sets[i]) >= least
        }
        assert len(wanted) > (50 if shingled is letters else 5) * (least == 0.7)
        found = near_pairs(texts, shingled, LEAST, bands)
        assert {pair for pair in found if pair[2] >= least} == wanted


def test_fewer_bands_have_fewer_candidates_by_chance():
    """Of texts that share a frame and no more, less than a fifth of the candidates is left."""
    draw = random.Random(5)
    own = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=40)) for _ in range(600)]
    texts = [f"how does the {text} go with it" for text in own]
    counts = []
    for bands in (BANDS, FEW_BANDS):
        sketches = Sketches(iter([[sorted(letters(text)) for text in texts]]), 600, bands)
        counts.append(sum(len(found) for _, found in sketches.candidates(0.0, 600)))
    assert counts[0] > 1000
    assert counts[1] < counts[0] / 5


def test_matches_are_the_nearest_of_the_others():
    """Each of 150 edited texts is told with the one of 300 others that it shares most with, and no other text is."""
    draw = random.Random(4)
    others = [sentence(draw, 14) for _ in range(300)]
    texts = [edited(draw, draw.choice(others)) for _ in range(150)] + ["quite another thing"]
    found = {m.text: (m.other, m.jaccard) for m in near_matches(texts, others, letters, 0.7)}
    for place, text in enumerate(texts):
        share, other = max((jaccard(letters(text), letters(o)), -i) for i, o in enumerate(others))
        assert found.get(place) == ((-other, share) if share >= 0.7 else None)
    assert 120 < len(found) < 151


def test_a_text_repeated_endlessly_costs_a_bounded_number_of_pairs():
    """A thousand equal texts give each of them its 64 first ones, not half a million pairs."""
    pairs = list(near_pairs(["green tea is hot!", "Green  tea is hot"] * 500, letters, LEAST))
    assert {p.earlier for p in pairs if p.later == 999} == set(range(MOST_EARLIER))
    assert len(pairs) <= 1000 * MOST_EARLIER


@pytest.mark.parametrize("texts", [[], ["", "!?", "..."], ["a"], ["茶", "茶が", ""]])
def test_texts_with_nothing_in_them_are_compared_all_the_same(texts):
    """Empty texts, marks alone and single characters break nothing."""
    for shingled in (letters, phrases):
        for later, earlier, share in near_pairs(texts, shingled, LEAST):
            assert later > earlier
            assert share >= LEAST
        assert len(list(near_matches(texts, texts, shingled, LEAST))) <= len(texts)
