"""Calibration: thresholds worked out by hand from planted spreads, and their way through a run."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_verify_stages import PASSAGES, QUERIES, plant, positives, written

from synthneg.config import DocumentChecks, QueryChecks
from synthneg.errors import RunError
from synthneg.records import Score
from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.testing import HashingEncoder
from synthneg.verify import distribution
from synthneg.verify.calibrate import calibrated_documents, calibrated_queries, refused
from synthneg.verify.distribution import STEPS, Spread
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries

cosines = st.lists(st.floats(-1, 1), min_size=STEPS + 1, max_size=STEPS + 1).map(sorted)


def even(of, low, high):
    """Return a spread that is even from `low` to `high`."""
    return Spread(of, 2000, [low + (high - low) * i / STEPS for i in range(STEPS + 1)])


def spreads(**found):
    """Return spreads by hand; what is not given is that of unrelated texts at 0."""
    usual = {"own": (0.5, 0.9), "near": (0.2, 0.6)}
    limits = {of: (0.0, 0.0) for of in ("random", "queries", "passages")} | usual | found
    return {of: even(of, *pair) for of, pair in limits.items()}


@given(st.integers(0, 2**32), st.integers(2, 30))
def test_the_nearest_passage_is_another_one(seed, count):
    """Of copies the first that is not the passage itself, else the one with the largest product."""
    random = np.random.default_rng(seed)
    vectors = random.integers(-2, 3, (count, 3)).astype(np.float32)
    own = random.integers(0, count, 5)
    found = distribution._nearest(vectors, own)
    for row, other in zip(own.tolist(), found.tolist(), strict=True):
        scores = vectors @ vectors[row]
        others = [i for i in range(count) if i != row]
        assert other == max(others, key=lambda i: (scores[i], -i))


def test_the_margin_catches_the_wanted_share():
    """Of own cosines even over a width of .4, one is at most d short of another in 1 - (1 - d / .4)² / 2 of cases."""
    for catch, margin in [(0.6, 0.4 * (1 - 0.8**0.5)), (0.75, 0.4 * (1 - 0.5**0.5))]:
        found = calibrated_documents(DocumentChecks(), catch, spreads())
        assert found.min_negative_margin == pytest.approx(margin, abs=0.005)
        assert found.max_negative_share == 2


def test_thresholds_lie_where_they_did_between_unrelated_and_equal():
    """With unrelated texts at .7 a near duplicate begins at .985, a near copy at .955; at 0 both are as set."""
    shifted = spreads(queries=(0.6, 0.8), passages=(0.7, 0.7))
    assert calibrated_queries(QueryChecks(), shifted).near_duplicate == pytest.approx(0.985)
    found = calibrated_documents(DocumentChecks(), 0.6, shifted)
    assert found.max_similarity_to_positive == pytest.approx(0.955)
    assert calibrated_queries(QueryChecks(), spreads()).near_duplicate == pytest.approx(0.95)


def test_too_easy_is_as_far_as_random_passages_are():
    """From the median own cosine of .7 to the .19 that 95 of 100 random passages stay below."""
    found = calibrated_documents(DocumentChecks(), 0.6, spreads(random=(0.0, 0.2)))
    assert found.easy_margin == pytest.approx(0.7 - 0.19)


def test_where_own_passages_are_no_nearer_nothing_is_too_easy():
    """Of an encoder that puts random passages above own ones no margin is taken: that of the settings stays."""
    found = calibrated_documents(DocumentChecks(), 0.6, spreads(random=(0.7, 0.9)))
    assert found.easy_margin == 0.5


def test_what_a_margin_costs_is_told():
    """Near passages that all lie below every own cosine are refused by no margin of 0, and all by one of 1."""
    own, near = even("own", 0.5, 0.9), even("near", 0.1, 0.3)
    assert refused(0.0, own, near) == 0
    assert refused(1.0, own, near) == 1
    assert refused(0.4, own, near) == pytest.approx(
        0.25, abs=0.02
    )  # half of the own ones, half of the pairs


@given(cosines, cosines, st.floats(0, 1))
def test_thresholds_stay_within_their_bounds(own, random, catch):
    """Whatever the cosines, the thresholds are ones that the settings allow."""
    found = spreads() | {"own": Spread("own", 9, own), "random": Spread("random", 9, random)}
    found["passages"] = Spread("passages", 9, random)
    checks = calibrated_documents(DocumentChecks(), catch, found)
    assert DocumentChecks(**checks.model_dump()) == checks


@given(cosines, st.floats(0, 1), st.floats(0, 1))
def test_to_catch_more_takes_a_wider_margin(own, one, other):
    """The margin grows with the share that is to be caught."""
    low, high = sorted((one, other))
    found = spreads() | {"own": Spread("own", 9, own)}
    margins = [
        calibrated_documents(DocumentChecks(), c, found).min_negative_margin for c in (low, high)
    ]
    assert margins == sorted(margins)


def settings(calibrate, catch=0.9):
    """Return settings with or without calibration."""
    verify = {
        "calibrate": calibrate,
        "catch": catch,
        "queries": {"round_trip_k": 3},
        "documents": {"min_words": 5},
    }
    return resolve({"run": "r", "corpus": {"path": "x"}, "verify": verify}, "test")


def test_a_run_uses_what_it_finds_and_says_so(tmp_path):
    """Verdicts follow the margin in calibration.json; without calibration the file goes and the old verdicts return."""
    run = Run(tmp_path, settings(calibrate=False))
    plant(run, "corpus", "passages.jsonl", PASSAGES)
    plant(run, "generate.queries", "queries.jsonl", QUERIES)
    verify_queries(run, HashingEncoder())
    near = written("near", 0, 1, "green tea is grown in the hills", "negative")
    margins, kept = {}, {}
    for calibrate in (False, True, False):
        run.config = settings(calibrate)
        verify_queries(run, HashingEncoder())
        plant(run, "generate.documents", "documents.jsonl", [*positives(), near])
        verify_documents(run, HashingEncoder())
        kept[calibrate] = b'"near"' in run.file("examples.jsonl").read_bytes()
        assert run.has("calibration.json") == calibrate
        if calibrate:
            told = orjson.loads(run.file("calibration.json").read_bytes())
            margins = told["thresholds"]["documents.min_negative_margin"]
    scores = {
        s.document_id: s.value for s in run.read("scores.jsonl", Score) if s.scorer == "cosine"
    }
    assert margins["set"] == 0.05
    assert told["cosines"]["own"]["n"] == len(QUERIES)
    gap = scores["tea"] - scores["near"]
    assert 0.05 < gap < margins["found"]
    assert kept == {False: True, True: False}
    run.close()


def test_without_the_cosines_nothing_is_calibrated(tmp_path):
    """A run whose queries were verified without calibration must verify them again first, which is told."""
    run = Run(tmp_path, settings(calibrate=False))
    plant(run, "corpus", "passages.jsonl", PASSAGES)
    plant(run, "generate.queries", "queries.jsonl", QUERIES)
    verify_queries(run, HashingEncoder())
    plant(run, "generate.documents", "documents.jsonl", positives())
    run.config = settings(calibrate=True)
    with pytest.raises(RunError, match=r"distribution\.jsonl: not written yet"):
        verify_documents(run, HashingEncoder())
    run.close()


@pytest.mark.parametrize(("catch", "costs"), [(1.0, True), (0.0, False)])
def test_a_margin_that_refuses_many_random_passages_is_said(catch, costs, tmp_path, capsys):
    """The price of a margin that catches all that answers is told, with a remedy; one that catches none has none."""
    run = Run(tmp_path, settings(calibrate=True, catch=catch))
    plant(run, "corpus", "passages.jsonl", PASSAGES)
    plant(run, "generate.queries", "queries.jsonl", QUERIES)
    verify_queries(run, HashingEncoder())
    refused_of_random = orjson.loads(run.file("calibration.json").read_bytes())["refused"]["random"]
    said = capsys.readouterr().err

    assert (refused_of_random > 0.1) == costs
    assert ("of random passages" in said and "verify.reranker" in said) == costs
    run.close()
