"""Verification given again: what was measured stands, and comes out as if it had been measured anew."""

import json
from dataclasses import replace

import orjson
import pytest
from test_verify_stages import ORIGIN, PASSAGES, QUERIES, SOUND, plant, positives, written

from synthneg.records import Document, Example, Reject, Score, to_line
from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.testing import HashingEncoder, OverlapReranker
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries

FILES = ("scores.jsonl", "verified_queries.jsonl", "examples.jsonl", "rejects.jsonl", "books.json")
FACTS = ("query_facts.jsonl", "document_facts.jsonl")
LONG = "Black pepper grows on vines and green leaves hang low over the old garden wall"
DOCUMENTS = [
    *positives(),
    *SOUND,
    written("near", 0, 1, "how long is green tea steeped is asked", "negative"),
    written("twin", 0, 1, LONG, "negative"),
    written("twin2", 0, 1, LONG.upper(), "negative"),
    written("almost", 0, 1, f"{LONG} again", "negative"),
    written(
        "sep\u2028arated",
        1,
        1,
        "why\u2028rails of steel hum \x85 in the heat of summer",
        "negative",
    ),
    Document(
        "gone:n", "gone", "a document of a query that is not there", "", 1, "negative", ORIGIN
    ),
]
CHECKS = [
    {"min_words": 5},
    {"min_words": 5, "max_words": 9},
    {"min_words": 5, "near_duplicate_jaccard": 0.3},
    {"min_words": 5, "min_negative_margin": 0.6, "easy_margin": 0.1},
    {"min_words": 5, "on_inversion": "regrade", "on_answers": "keep"},
    {"min_words": 5, "on_inversion": "drop", "max_answering": 0},
]


class Refuses(HashingEncoder):
    """An encoder that must not be asked."""

    def encode(self, texts, role):
        """Fail."""
        raise AssertionError(f"{len(texts)} texts of role {role} were to be encoded again")


def settings(**checks):
    """Return settings with these checks of documents."""
    verify = {"queries": {"round_trip_k": 1, "max_copied_words": 5}, "documents": checks}
    return resolve({"run": "r", "corpus": {"path": "x"}, "verify": verify}, "test")


@pytest.fixture
def run(tmp_path):
    """Give a run that has been verified once."""
    opened = Run(tmp_path, settings(min_words=5))
    plant(opened, "corpus", "passages.jsonl", PASSAGES)
    plant(opened, "generate.queries", "queries.jsonl", QUERIES)
    verify_queries(opened, HashingEncoder())
    plant(opened, "generate.documents", "documents.jsonl", DOCUMENTS)
    verify_documents(opened, HashingEncoder())
    yield opened
    opened.close()


def content(run):
    """Return the bytes of all that verification writes."""
    return {name: run.file(name).read_bytes() for name in FILES}


@pytest.mark.parametrize("checks", CHECKS)
def test_other_thresholds_encode_nothing_and_change_no_more_than_from_scratch(run, checks):
    """The files are byte for byte those of a verification that measures all texts anew."""
    run.config = settings(**checks)
    verify_queries(run, Refuses())
    verify_documents(run, Refuses())
    quick = content(run)
    for name in FACTS:
        run.file(name).unlink()
    verify_queries(run, HashingEncoder())
    verify_documents(run, HashingEncoder())
    assert content(run) == quick


def test_what_is_written_is_what_the_records_say(run):
    """Each line of examples.jsonl is that of the record it reads as: no field is missing, none in another place."""
    lines = run.file("examples.jsonl").read_bytes().splitlines(keepends=True)
    assert [to_line(example) for example in run.read("examples.jsonl", Example)] == lines


def test_lines_that_were_written_by_other_hands_are_copied_as_they_read(run):
    """Blanks and escapes in documents.jsonl change where texts stand in it, and no example."""
    before = list(run.read("examples.jsonl", Example))
    file = run.file("documents.jsonl")
    rows = map(orjson.loads, file.read_bytes().splitlines())
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    verify_documents(run, HashingEncoder())
    assert list(run.read("examples.jsonl", Example)) == before


@pytest.mark.parametrize("file", ["documents.jsonl", "verified_queries.jsonl"])
def test_other_inputs_are_measured_anew(run, file):
    """Where a document or query has changed, its scores are those of the new text."""
    if file == "documents.jsonl":
        texts = {"q1:n": "Tea leaves are green and so is the steep hill behind"}
        changed = [replace(d, text=texts.get(d.id, d.text)) for d in DOCUMENTS]
        plant(run, "generate.documents", "documents.jsonl", changed)
    else:
        plant(
            run,
            "generate.queries",
            "queries.jsonl",
            [replace(QUERIES[0], text="green tea, how long")],
        )
        verify_queries(run, HashingEncoder())
        plant(run, "generate.documents", "documents.jsonl", DOCUMENTS)
    before = run.file("scores.jsonl").read_bytes()
    verify_documents(run, HashingEncoder())
    assert run.file("scores.jsonl").read_bytes() != before
    example = next(iter(run.read("examples.jsonl", Example)))
    encode = HashingEncoder().encode
    for document in example.documents:
        expected = float(
            (encode([example.query], "query") @ encode([document.full_text], "document").T)[0, 0]
        )
        assert document.scores["cosine"] == pytest.approx(expected, abs=1e-6)


def test_another_model_measures_anew(run):
    """An encoder or a reranker of another name is asked, and its scores replace the others."""
    with pytest.raises(AssertionError, match="encoded again"):
        verify_documents(run, HashingEncoderOf("other"))
    verify_documents(run, HashingEncoder(), OverlapReranker())
    first = next(iter(run.read("examples.jsonl", Example)))
    assert {d.id: d.scores["rerank"] for d in first.documents}["tea"] == pytest.approx(
        -4 + 8 * 4 / 6
    )
    verify_documents(run, Refuses(), OverlapReranker())
    verify_documents(run, HashingEncoder())
    assert b'"rerank"' not in run.file("scores.jsonl").read_bytes()


class HashingEncoderOf(Refuses):
    """A model of another name."""

    def __init__(self, name):
        super().__init__()
        self.name = name


def test_the_reranker_must_put_the_passage_first(run):
    """Of swapped passages both are found by their rank after reranking; a copy of the own passage is no better."""
    copy = replace(PASSAGES[0], id="copy")
    queries = [replace(QUERIES[0], passage_id="steel"), QUERIES[1], replace(QUERIES[0], id="own")]
    plant(run, "corpus", "passages.jsonl", [*PASSAGES, copy])
    plant(run, "generate.queries", "queries.jsonl", queries)
    checks = {"round_trip_k": 4, "max_copied_words": 5, "rerank_depth": 4}
    verify = {"queries": checks, "documents": {"min_words": 5}, "reranker": "overlap"}
    run.config = resolve({"run": "r", "corpus": {"path": "x"}, "verify": verify}, "test")
    verify_queries(run, HashingEncoder(), OverlapReranker())
    stored = {(s.query_id, s.scorer): s.value for s in run.read("scores.jsonl", Score)}
    assert stored["own", "rerank_rank"] == 1
    assert (
        stored["q1", "rerank_rank"] == 3
    )  # the passage and its copy have more of the query's words
    refused = {
        r.id: r.reason for r in run.read("rejects.jsonl", Reject) if r.stage == "verify.queries"
    }
    assert refused == {"q1": "not_first"}
    before = run.file("verified_queries.jsonl").read_bytes()
    verify_queries(run, Refuses(), OverlapReranker())
    assert run.file("verified_queries.jsonl").read_bytes() == before


def test_deleted_scores_are_made_again(run):
    """Facts without the scores that they were made of do not count."""
    before = content(run)
    for part in (run.file("parts") / "scores.jsonl").iterdir():
        part.unlink()
    verify_queries(run, HashingEncoder())
    plant(run, "generate.documents", "documents.jsonl", DOCUMENTS)
    verify_documents(run, HashingEncoder())
    assert content(run) == before


def test_the_order_of_graded_documents_is_counted_per_prompt(run):
    """By hand: grades 3 and 0 of the planted set are in order, 2 lies below 0; two of three pairs, one set inverted."""
    scores = {
        d.id: d.scores["cosine"] for e in run.read("examples.jsonl", Example) for d in e.documents
    }
    grades = {"q1:g3": 3, "q1:g2": 2, "q1:g0": 0}
    pairs = [("q1:g3", "q1:g2"), ("q1:g3", "q1:g0"), ("q1:g2", "q1:g0")]
    right = sum(scores[a] > scores[b] for a, b in pairs if grades[a] > grades[b])
    written_down = orjson.loads(run.file("graded_order.json").read_bytes())
    assert written_down == {
        ORIGIN.prompt: {
            "sets": 1,
            "sets_inverted": int(right < 3),
            "pairs": 3,
            "in_order": right,
            "accuracy": round(right / 3, 4),
        }
    }
