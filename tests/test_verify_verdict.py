"""Verdicts as pure functions, and the reading of records by a field that feeds them."""

from dataclasses import replace

import pytest

from synthneg.config import DocumentChecks, QueryChecks
from synthneg.errors import RunError
from synthneg.grouped import Grouped
from synthneg.records import Document, Score, to_line
from synthneg.verify.verdict import (
    DocumentScores,
    QueryFacts,
    in_order,
    judge_documents,
    judge_query,
)

COPY = "what the passage says of green tea that is steeped in very hot water"


def test_a_query_gets_the_first_reason_in_the_documented_order():
    """With every fault at once the reason is the first of the order; as each is put right, the next one shows."""
    checks = QueryChecks(min_words=1000, max_words=1)
    facts = QueryFacts(
        f"{COPY} according to the text",
        f"{COPY}.",
        ranks={"p": 21},
        same_as="q0",
        earlier={"q0": 1.0},
    )
    steps = [
        ("too_short", lambda f, c: (f, c.model_copy(update={"min_words": 1}))),
        ("too_long", lambda f, c: (f, c.model_copy(update={"max_words": 40}))),
        ("speaks_of_passage", lambda f, c: (replace(f, text=COPY), c)),
        ("copied", lambda f, c: (replace(f, passage=""), c)),
        ("duplicate", lambda f, c: (replace(f, same_as=None), c)),
        ("near_duplicate", lambda f, c: (replace(f, earlier={"q0": 0.2}), c)),
        ("round_trip", lambda f, c: (replace(f, ranks={"p": 20}), c)),
    ]
    for reason, put_right in steps:
        assert judge_query(facts, checks).reason == reason
        facts, checks = put_right(facts, checks)
    assert judge_query(facts, checks) is None


def documents(*texts):
    """Return the positive and then a negative for each further text."""
    first, *others = (
        Document(f"d{i}", "q", text, "", 1, "negative") for i, text in enumerate(texts)
    )
    return [replace(first, source="corpus", grade=3), *others]


def test_a_refused_document_takes_no_near_duplicate_with_it():
    """Two texts with nine of ten words in common: when the first is refused for its score, the second stays."""
    common = "one two three four five six seven eight nine"
    group = documents("the positive", f"{common} ten", f"{common} eleven")
    checks = DocumentChecks(min_words=1, near_duplicate_jaccard=0.5)
    scores = {"d0": DocumentScores(0.8, 1.0), "d2": DocumentScores(0.1, 0.1)}

    def reasons(first):
        verdicts = judge_documents(group, scores | {"d1": DocumentScores(first, 0.1)}, checks)
        return [v and v.reason for v in verdicts]

    assert reasons(0.1) == [None, None, "near_duplicate"]
    assert reasons(0.9) == [None, "answers", None]


def test_the_positive_passage_always_passes():
    """No check applies to the user's own passage, be it short or a long way from its query."""
    group = documents("tea")
    assert judge_documents(group, {"d0": DocumentScores(-0.5, 1.0)}, DocumentChecks()) == [None]


@pytest.mark.parametrize(
    ("positive", "cosine", "reason"),
    [
        (-0.2, -0.19, "answers"),
        (-0.2, -0.24, "answers"),
        (-0.2, -0.26, None),
        (0.0, -0.04, "answers"),
        (0.0, -0.06, None),
        (0.3, -0.3, None),
    ],
)
def test_a_negative_cosine_neither_passes_nor_fails_by_its_sign(positive, cosine, reason):
    """Around and below 0 a negative passes exactly when it lies the margin below the positive."""
    group = documents("the positive", "some other text")
    scores = {"d0": DocumentScores(positive, 1.0), "d1": DocumentScores(cosine, 0.0)}
    _, verdict = judge_documents(group, scores, DocumentChecks(min_words=1))
    assert (verdict and verdict.reason) == reason


def test_the_order_of_an_example_does_not_depend_on_the_file():
    """Positive, graded from 3 to 0, negatives; within one of these the file's order."""
    sources = [("negative", 1), ("graded", 0), ("corpus", 3), ("graded", 3), ("negative", 1)]
    group = [Document(f"d{i}", "q", "", "", grade, s) for i, (s, grade) in enumerate(sources)]
    assert [d.id for d in in_order(group)] == ["d2", "d3", "d1", "d0", "d4"]


def test_records_are_found_by_their_field(tmp_path):
    """Scattered and neighbouring records of a key come back in the file's order, line breaks within a text included."""
    ids = ["a", "a", "b", "a", "c\u2028", "b", "b"]
    rows = [Score(id, f"d\u2028\x85{i}\n", "cosine", i) for i, id in enumerate(ids)]
    file = tmp_path / "scores.jsonl"
    file.write_bytes(b"".join(map(to_line, rows)))
    with Grouped(file, Score, "query_id") as grouped:
        assert list(grouped.keys()) == ["a", "b", "c\u2028"]
        assert len(grouped) == 7
        for id in reversed(list(grouped.keys())):
            assert grouped[id] == [row for row in rows if row.query_id == id]
        assert grouped["unknown"] == []


def test_a_missing_file_is_told(tmp_path):
    """Where no stage has written the file the error names it."""
    with pytest.raises(RunError, match=r"scores\.jsonl: not written yet"):
        Grouped(tmp_path / "scores.jsonl", Score, "query_id")
