"""Witnesses, actions and the order of graded documents: planted truth, and numbers worked out by hand."""

import random
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.config import DocumentChecks
from synthneg.errors import SettingsError
from synthneg.settings import resolve
from synthneg.verify.facts import DocumentFacts
from synthneg.verify.order import inversions, order_of, out_of_order, regraded
from synthneg.verify.ruling import judge_documents, orders
from synthneg.verify.witnesses import bound_of, finding, wants_judge

graded_sets = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([-0.5, 0.0, 0.1, 0.5, 0.9])), max_size=7
)
# The bound is .75 with the usual share and margin; so .6 lies outside a band of .1, and .7 within it.
POSITIVE = {"cosine": 0.8, "cosine_to_positive": 1.0}


def facts(id, grade, source="negative", **scores):
    """Return the facts of a document of twenty words like no other one."""
    number = int(id.removeprefix("d"))
    known = {"cosine_to_positive": 0.1} | scores
    return DocumentFacts(id, (0, 1), source, grade, "p@1", 20, number, [], known)


def group(*negatives, **positive):
    """Return the facts of a positive and of the negatives, given by their scores."""
    own = facts("d0", 3, "corpus", **(POSITIVE | positive))
    return [own, *(facts(f"d{i}", 1, **scores) for i, scores in enumerate(negatives, start=1))]


def said(rulings):
    """Return of each document its reason, or its grade with its flags."""
    return [r.refusal.reason if r.refusal else (r.grade, *r.flags) for r in rulings]


def test_each_action_on_a_negative_that_answers():
    """A judge's grade 2 at a doubtful cosine: kept and flagged, dropped, or given that grade; the others stay."""
    found = group({"cosine": 0.78, "judge_grade": 2.0}, {"cosine": 0.5})
    for action, expected in [
        ("keep", (1, "answers")),
        ("drop", "answers"),
        ("relabel", (2, "relabelled")),
    ]:
        assert said(judge_documents(found, DocumentChecks(on_answers=action))) == [
            (3,),
            expected,
            (1,),
        ]


def test_without_a_second_witness_nothing_is_relabelled():
    """The encoder alone drops what it finds, though relabelling be the action: a judge's reply may be missing."""
    found = group({"cosine": 0.9}, {"cosine": 0.9, "judge_grade": 3.0})
    checks = DocumentChecks(on_answers="relabel")
    assert said(judge_documents(found, checks)) == [(3,), "answers", (3, "relabelled")]
    with pytest.raises(SettingsError, match="needs a second witness"):
        resolve(
            {
                "run": "r",
                "corpus": {"path": "x"},
                "verify": {"documents": {"on_answers": "relabel"}},
            },
            "t",
        )


@pytest.mark.parametrize(
    ("scores", "positive", "grade"),
    [
        ({"cosine": 0.85, "judge_span": 1.0}, {}, 3),  # above the positive by cosine
        ({"cosine": 0.78, "judge_span": 1.0}, {}, None),  # below it
        ({"cosine": 0.78, "judge_yes": 0.5}, {}, None),
        (
            {"cosine": 0.70, "judge_span": 1.0, "rerank": 4.0},
            {"rerank": 3.0},
            3,
        ),  # the reranker decides
        ({"cosine": 0.90, "judge_span": 1.0, "rerank": 2.0}, {"rerank": 3.0}, None),
        (
            {"cosine": 0.70, "judge_list": 1.0, "judge_above": 1.0},
            {},
            3,
        ),  # the judge's own order decides
        ({"cosine": 0.90, "judge_list": 0.5, "judge_above": 0.0}, {}, None),
        ({"cosine": 0.70, "rerank": 3.5}, {"rerank": 3.0}, 3),
        ({"cosine": 0.70, "rerank": 3.0}, {"rerank": 3.0}, None),
    ],
)
def test_above_the_positive_is_relabelled_and_below_it_discarded(scores, positive, grade):
    """As in ARHN: what answers gets grade 3 where it stands above the positive, and goes where it stands below it."""
    expected = "answers" if grade is None else (grade, "relabelled")
    checks = DocumentChecks(on_answers="relabel")
    assert said(judge_documents(group(scores, **positive), checks))[1] == expected


@pytest.mark.parametrize(
    ("scores", "answers"),
    [
        ({"cosine": 0.76}, True),  # the encoder alone
        ({"cosine": 0.74}, False),
        ({"cosine": 0.76, "rerank": 1.0}, False),  # the reranker acquits
        ({"cosine": 0.66, "rerank": 3.0}, True),  # and convicts within the band
        ({"cosine": 0.60, "rerank": 3.0}, False),  # but not beyond it
        (
            {"cosine": 0.76, "rerank": 1.0, "judge_yes": 0.9},
            True,
        ),  # they disagree: the judge decides
        ({"cosine": 0.66, "rerank": 3.0, "judge_span": 0.0}, False),
        (
            {"cosine": 0.76, "rerank": 3.0, "judge_grade": 0.0},
            True,
        ),  # they agree: what a judge said is not used
        ({"cosine": 0.76, "judge_yes": 0.49}, False),
        ({"cosine": 0.76, "judge_grade": 1.0}, False),
        ({"cosine": 0.66, "judge_list": 0.5}, True),
        ({"cosine": 0.60, "judge_grade": 3.0}, False),  # beyond the band nobody else is heard
    ],
)
def test_the_strongest_witness_that_is_heard_decides(scores, answers):
    """Outside the band the encoder; within it the reranker, or the judge where those two disagree."""
    own = POSITIVE | {"rerank": 2.5}
    found = finding(scores, own, bound_of(own, DocumentChecks()), DocumentChecks())
    assert (found is not None) == answers


def test_a_judge_is_shown_what_is_doubtful_and_disputed():
    """From .1 below the bound of .75 upwards; with a reranker, only where it and the encoder disagree."""
    shown = [
        cosine
        for cosine in (0.6, 0.66, 0.74, 0.76, 0.99)
        if wants_judge({"cosine": cosine}, POSITIVE, DocumentChecks())
    ]
    assert shown == [0.66, 0.74, 0.76, 0.99]
    narrow = DocumentChecks(doubt_above=0.1)
    assert not wants_judge({"cosine": 0.99}, POSITIVE, narrow)
    both = POSITIVE | {"rerank": 2.5}
    disputed = [
        (cosine, score)
        for cosine, score in product((0.6, 0.7, 0.8), (2.0, 3.0))
        if wants_judge({"cosine": cosine, "rerank": score}, both, DocumentChecks())
    ]
    assert disputed == [(0.7, 3.0), (0.8, 2.0)]


def test_a_query_with_too_many_answers_is_dropped_with_all_its_documents():
    """Three negatives answer: with at most three the others stay, with at most two nothing does (RLHN)."""
    found = group(
        {"cosine": 0.9}, {"cosine": 0.9}, {"cosine": 0.9}, {"cosine": 0.1}, {"cosine": 0.4}
    )
    stays = said(judge_documents(found, DocumentChecks(max_answering=3)))
    assert stays == [(3,), *["answers"] * 3, (1, "too_easy"), (1,)]
    goes = judge_documents(found, DocumentChecks(max_answering=2))
    assert said(goes) == ["query_dropped", *["answers"] * 3, "query_dropped", "query_dropped"]
    assert goes[0].refusal.detail == "3 negatives of its query answer, at most 2"


def test_answers_that_are_kept_count_against_the_query_too():
    """Whatever becomes of each, a query with more negatives that answer than allowed goes."""
    found = group({"cosine": 0.9}, {"cosine": 0.9})
    checks = DocumentChecks(on_answers="keep", max_answering=1)
    assert said(judge_documents(found, checks)) == ["query_dropped"] * 3


def test_too_easy_is_flagged_and_kept():
    """From .5 below the positive on; a document meant to be unrelated, as one drawn at random is, is no failure."""
    own = group()[0]
    others = [
        facts("d1", 1, cosine=0.30),
        facts("d2", 1, cosine=0.31),
        facts("d3", 0, cosine=0.0),
        facts("d4", 0, "random", cosine=0.0),
        facts("d5", 2, cosine=0.0),
    ]
    assert said(judge_documents([own, *others], DocumentChecks())) == [
        (3,),
        (1, "too_easy"),
        (1,),
        (0,),
        (0,),
        (2,),
    ]


def graded(*pairs):
    """Return the facts of a positive, far above all, and of graded documents by (grade, cosine)."""
    own = facts("d0", 3, "corpus", cosine=0.99, cosine_to_positive=1.0)
    return [
        own,
        *(facts(f"d{i}", g, "graded", cosine=c) for i, (g, c) in enumerate(pairs, start=1)),
    ]


def test_each_action_on_an_inversion():
    """Grades 2 and 1 swapped: flagged, dealt out anew with the grade wanted still known, or the fewest dropped."""
    found = graded((3, 0.9), (2, 0.4), (1, 0.6), (0, 0.3))
    outcomes = {
        action: said(judge_documents(found, DocumentChecks(on_inversion=action)))[1:]
        for action in ("keep", "regrade", "drop")
    }
    assert outcomes == {
        "keep": [(3,), (2, "inverted"), (1, "inverted"), (0,)],
        "regrade": [(3,), (1, "regraded", "too_easy"), (2, "regraded"), (0,)],
        "drop": [(3,), (2,), "inverted", (0,)],
    }
    refusal = judge_documents(found, DocumentChecks(on_inversion="drop"))[3].refusal
    assert refusal.detail == "grade 1 scores 0.600, but d2 of grade 2 0.400"


def test_a_document_that_becomes_a_negative_must_not_answer():
    """Graded anew as 1, a document near the query is dropped as an answer; one that becomes a 3 is no negative."""
    found = graded((3, 0.95), (1, 0.96))
    assert said(judge_documents(found, DocumentChecks(on_inversion="regrade"))) == [
        (3,),
        "answers",
        (3, "regraded"),
    ]


def test_the_reranker_says_what_order_is_where_it_has_scored_all():
    """With its scores for the whole set they decide; with one missing the cosines do."""
    found = graded((3, 0.2), (0, 0.6))
    assert orders(found)["p@1"] == (1, 0)
    for document, score in zip(found[1:], (5.0, 1.0), strict=True):
        document.scores["rerank"] = score
    assert orders(found)["p@1"] == (1, 1)
    del found[1].scores["rerank"]
    assert orders(found)["p@1"] == (1, 0)


def test_shuffled_grades_are_told_from_clean_ones():
    """Clean sets with a little noise have more than .9 of their pairs in order, shuffled ones about half."""
    chance = random.Random(7)
    clean, shuffled = [0, 0], [0, 0]
    for _ in range(500):
        scores = [grade / 3 + chance.gauss(0, 0.1) for grade in (3, 2, 1, 0)]
        grades = chance.sample((3, 2, 1, 0), 4)
        for tally, order in (
            (clean, order_of((3, 2, 1, 0), scores)),
            (shuffled, order_of(grades, scores)),
        ):
            tally[0] += order.pairs
            tally[1] += order.in_order
    assert clean[1] / clean[0] > 0.9
    assert 0.45 < shuffled[1] / shuffled[0] < 0.55


@given(graded_sets)
def test_grades_dealt_anew_are_the_same_grades_without_inversion(pairs):
    """After dealing out, no pair is inverted but by equal scores, and the grades are those there were."""
    grades, scores = [g for g, _ in pairs], [s for _, s in pairs]
    dealt = regraded(grades, scores)
    assert sorted(dealt) == sorted(grades)
    assert all(scores[a] == scores[b] for a, b in inversions(dealt, scores))


@given(graded_sets)
def test_no_fewer_documents_could_be_dropped(pairs):
    """What is left has no inversion, and no larger choice of documents has none, by trying all."""
    grades, scores = [g for g, _ in pairs], [s for _, s in pairs]
    gone = out_of_order(grades, scores)

    def inverted(places):
        return inversions([grades[p] for p in places], [scores[p] for p in places])

    left = [p for p in range(len(pairs)) if p not in gone]
    assert not inverted(left)
    assert all(inverted(more) for more in combinations(range(len(pairs)), len(left) + 1))
