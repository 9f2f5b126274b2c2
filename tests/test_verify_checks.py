"""The pure checks: words, length, copying, duplicates, round trip, nearness."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synthneg.config import DocumentChecks
from synthneg.scoring.bound import negative_bound
from synthneg.verify.copied import copied, longest_shared_run
from synthneg.verify.duplicate import jaccard, near_document, near_query, shingles
from synthneg.verify.length import length
from synthneg.verify.nearness import near_positive
from synthneg.verify.round_trip import round_trip
from synthneg.verify.witnesses import bound_of, finding
from synthneg.words import normalized, words

few_words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=14)
cosines = st.floats(-1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Green TEA, steeped.", ["green", "tea", "steeped"]),
        ("don't do; don’t", ["don't", "do", "don't"]),
        ("caf\u00e9 cafe\u0301", ["café", "café"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("绿茶 tea", ["绿", "茶", "tea"]),
        ("お茶", ["お", "茶"]),
        ("\u202eשלום\u202c עולם", ["שלום", "עולם"]),
        ("a\0b", ["a", "b"]),
        ("ﬁsh x²", ["fish", "x2"]),
        ("... !? \n", []),
        ("", []),
    ],
)
def test_words_are_what_people_call_words(text, expected):
    """Case, punctuation, accents in two code points and invisible marks do not change the words."""
    assert words(text) == expected


@given(st.text())
def test_normalizing_twice_changes_nothing(text):
    """A normalised text is its own normal form, whatever the characters."""
    assert normalized(normalized(text)) == normalized(text)


@pytest.mark.parametrize(
    ("count", "reason"), [(1, "too_short"), (2, None), (40, None), (41, "too_long")]
)
def test_both_bounds_of_the_length_are_allowed(count, reason):
    """As many words as a bound pass; one fewer or one more do not, and the detail holds both numbers."""
    refusal = length(count, 2, 40)
    assert (refusal and refusal.reason) == reason
    if refusal:
        assert str(count) in refusal.detail


def runs(query, passage):
    """Return every run of words of the query that the passage holds, the slow way."""
    found = [()]
    for start in range(len(query)):
        for end in range(start + 1, len(query) + 1):
            run = query[start:end]
            if any(passage[i : i + len(run)] == run for i in range(len(passage))):
                found.append(tuple(run))
    return found


@given(few_words, few_words)
@example(["a"] * 9, ["a"] * 12)
def test_the_longest_shared_run_is_the_longest_of_all(query, passage):
    """The fast search finds a run as long as comparing every run with every place does, at the place it names."""
    run, start = longest_shared_run(query, passage)
    found = runs(query, passage)
    assert run == max(map(len, found))
    assert tuple(query[start : start + run]) in found


def test_a_copy_is_seen_through_case_and_punctuation():
    """Thirteen words in a row from the passage are refused, twelve are not, whatever stands between the words."""
    passage = "Tea is steeped, slowly, in Hot water for five long minutes -- then: poured."
    query = "TEA is steeped slowly in hot water for five long minutes then poured"
    run, _ = longest_shared_run(words(query), words(passage))
    refusal = copied(run, "tea is steeped", 12)
    assert refusal is not None
    assert refusal.reason == "copied"
    assert refusal.detail.startswith("13 words in a row")
    assert copied(run - 1, "is steeped", 12) is None


def test_five_grams_in_common_are_counted_by_hand():
    """Eight words and eight words with the last changed share three of five 5-grams; short texts are one shingle."""
    one = "we steep green tea for two long minutes".split()
    other = [*one[:-1], "hours"]
    assert jaccard(shingles(one), shingles(other)) == pytest.approx(3 / 5)
    assert jaccard(shingles(["tea"]), shingles(["tea"])) == 1
    assert jaccard(shingles([]), shingles([])) == 0


@given(few_words, few_words)
def test_jaccard_is_a_share_and_symmetric(one, other):
    """The share lies in [0, 1], does not depend on the order, and is 1 for equal texts that have words."""
    a, b = shingles(one), shingles(other)
    assert 0 <= jaccard(a, b) == jaccard(b, a) <= 1
    assert jaccard(a, a) == (1 if one else 0)


def test_the_first_near_duplicate_is_named():
    """A text at the bound is a duplicate of the earlier one that is named; below the bound it is not."""
    assert near_query({"q1": 0.2, "q2": 0.95}, 0.95).detail == (
        "cosine 0.950 to q2, must be below 0.95"
    )
    assert near_query({"q1": 0.949}, 0.95) is None
    assert near_query({}, 0.0) is None
    assert near_document([(0, 0.3), (2, 0.8)], {0: "d0", 2: "d2"}, 0.8).detail == (
        "0.80 of 5-grams shared with d2, must be below 0.8"
    )
    assert near_document([(0, 0.79)], {0: "d0"}, 0.8) is None
    assert (
        near_document([(1, 1.0)], {0: "d0"}, 0.8) is None
    )  # of a document that was itself refused


def test_the_passage_may_stand_at_rank_k():
    """Rank k passes the round trip, rank k + 1 does not."""
    assert round_trip({"p": 20}, 20) is None
    assert round_trip({"p": 21}, 20).reason == "round_trip"
    assert round_trip({"p": 1, "also": 21}, 20).reason == "round_trip"


def test_a_near_copy_of_the_positive_is_refused_from_the_bound_on():
    """The bound itself is refused."""
    assert near_positive(0.95, 0.95).reason == "near_positive"
    assert near_positive(0.949, 0.95) is None
    assert near_positive(-1.0, 0.95) is None


@pytest.mark.parametrize(
    ("positive", "bound"),
    [
        (0.8, 0.75),  # the margin decides: .95 x .8 = .76
        (1.0, 0.95),  # both say the same
        (1.2, 1.14),  # a share of a score above 1 decides
        (0.02, -0.03),
        (0.0, -0.05),
        (-0.2, -0.25),  # not -.19, which the share alone would give
    ],
)
def test_the_bound_of_a_negative_by_hand(positive, bound):
    """Share and margin are both demanded above 0; from 0 downwards the margin alone."""
    assert negative_bound(positive, 0.95, 0.05) == pytest.approx(bound)


def test_a_share_above_one_means_nothing_below_zero():
    """A share of 2 leaves the margin to decide for either sign: it must not turn strict where the positive is -0.2."""
    assert negative_bound(0.2, 2.0, 0.05) == pytest.approx(0.15)
    assert negative_bound(-0.2, 2.0, 0.05) == pytest.approx(-0.25)


def answers(cosine, positive, share, margin):
    """Return what the encoder alone finds in a negative."""
    checks = DocumentChecks(max_negative_share=share, min_negative_margin=margin)
    own = {"cosine": positive}
    return finding({"cosine": cosine}, own, bound_of(own, checks), checks)


@given(cosines, cosines, st.floats(0.01, 1), st.floats(0, 2))
@example(-0.19, -0.2, 0.95, 0.0)
@example(0.0, 0.0, 0.95, 0.0)
def test_no_sign_lets_a_negative_pass_that_beats_the_positive(cosine, positive, share, margin):
    """Whatever the signs, a negative that scores as high as the positive is refused."""
    if cosine >= positive:
        assert answers(cosine, positive, share, margin) is not None


@given(cosines, cosines, st.floats(0.01, 1), st.floats(0, 2))
def test_a_farther_negative_never_fares_worse(one, other, share, margin):
    """If a negative passes, every lower score passes, and with a nearer positive it passes too."""
    low, high = sorted((one, other))
    if answers(high, 0.3, share, margin) is None:
        assert answers(low, 0.3, share, margin) is None
    if answers(0.1, low, share, margin) is None:
        assert answers(0.1, high, share, margin) is None
