"""Verdicts as pure functions, and the reading of records by a field that feeds them."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.config import DocumentChecks, QueryChecks
from synthneg.errors import RunError
from synthneg.grouped import Grouped
from synthneg.records import Document, Score, to_line, value_places
from synthneg.verify.facts import document_facts, query_facts
from synthneg.verify.ruling import judge_documents
from synthneg.verify.verdict import in_order, judge_query

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-9, 9) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=9,
)
COPY = "what the passage says of green tea that is steeped in very hot water"


def test_a_query_gets_the_first_reason_in_the_documented_order():
    """With every fault at once the reason is the first of the order; as each is put right, the next one shows."""
    checks = QueryChecks(rerank_depth=9, min_logprob=-1)
    # Settings refuse bounds that let nothing through; together they put both faults on one text.
    checks = checks.model_copy(update={"min_words": 1000, "max_words": 1})
    text = f"{COPY} according to the text"
    facts = query_facts("q1", "p", text, f"{COPY}.", -2.0, "q0", {"p": 21}, {"p": 2}, {"q0": 1.0})
    same_as, earlier = "q0", {"q0": 1.0}
    steps = [
        ("too_short", lambda f, c, s, e: (f, c.model_copy(update={"min_words": 1}), s, e)),
        ("too_long", lambda f, c, s, e: (f, c.model_copy(update={"max_words": 40}), s, e)),
        ("speaks_of_passage", lambda f, c, s, e: (f._replace(speaks=None), c, s, e)),
        ("copied", lambda f, c, s, e: (f._replace(copied=12), c, s, e)),
        ("improbable", lambda f, c, s, e: (f._replace(logprob=-1.0), c, s, e)),
        ("duplicate", lambda f, c, s, e: (f, c, None, e)),
        ("near_duplicate", lambda f, c, s, e: (f, c, s, {"q0": 0.2})),
        ("round_trip", lambda f, c, s, e: (f._replace(ranks={"p": 20}), c, s, e)),
        ("not_first", lambda f, c, s, e: (f, c.model_copy(update={"rerank_depth": 0}), s, e)),
    ]
    for reason, put_right in steps:
        assert judge_query(facts, same_as, earlier, checks).reason == reason
        facts, checks, same_as, earlier = put_right(facts, checks, same_as, earlier)
    assert judge_query(facts, same_as, earlier, checks) is None


def measured(scores, *texts):
    """Return the facts of a positive and of a negative for each further text, with both cosines of each."""
    group = [Document(f"d{i}", "q", text, "", 1, "negative") for i, text in enumerate(texts)]
    group[0] = replace(group[0], source="corpus", grade=3)
    found = [dict(zip(("cosine", "cosine_to_positive"), pair, strict=True)) for pair in scores]
    return document_facts(group, [(0, 0)] * len(group), found)


def reasons(facts, **checks):
    """Return why each document is refused."""
    rulings = judge_documents(facts, DocumentChecks(min_words=1, **checks))
    return [ruling.refusal and ruling.refusal.reason for ruling in rulings]


def test_a_refused_document_takes_no_near_duplicate_with_it():
    """Two texts with nine of ten words in common: when the first is refused for its score, the second stays."""
    common = "one two three four five six seven eight nine"
    texts = ("the positive", f"{common} ten", f"{common} eleven")
    for first, expected in [(0.1, "near_duplicate"), (0.9, None)]:
        facts = measured([(0.8, 1.0), (first, 0.1), (0.1, 0.1)], *texts)
        assert reasons(facts, near_duplicate_jaccard=0.5)[2] == expected


def test_a_refused_document_takes_no_duplicate_with_it():
    """Of three equal texts the first that passes is kept, and named by those that repeat it."""
    facts = measured([(0.8, 1.0), (0.9, 0.1), (0.1, 0.1), (0.1, 0.1)], "tea", "a b", "A b!", "a, b")
    assert reasons(facts) == [None, "answers", None, "duplicate"]
    last = judge_documents(facts, DocumentChecks(min_words=1))[-1]
    assert last.refusal.detail == "the same words as d2"


def test_the_positive_passage_always_passes():
    """No check applies to the user's own passage, be it short or a long way from its query."""
    assert reasons(measured([(-0.5, 1.0)], "tea")) == [None]


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
    facts = measured([(positive, 1.0), (cosine, 0.0)], "the positive", "some other text")
    assert reasons(facts)[1] == reason


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
            own = [row for row in rows if row.query_id == id]
            assert grouped[id] == own
            lines = list(grouped.lines(id))
            assert [line + b"\n" for _, line in lines] == list(map(to_line, own))
            assert all(file.read_bytes()[start:].startswith(line) for start, line in lines)
        assert grouped["unknown"] == []


@given(
    st.dictionaries(st.text(), JSON),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "\r : ")]),
    st.booleans(),
)
def test_values_stand_where_they_are_said_to(row, separators, escaped):
    """The bytes at each place are the value, however the line was written: blanks, escapes, letters of many bytes."""
    line = json.dumps(row, separators=separators, ensure_ascii=escaped).encode()
    places = value_places(line)
    assert {key: json.loads(line[start:end]) for key, (start, end) in places.items()} == row
    assert all(line[start:end].strip() == line[start:end] for start, end in places.values())


def test_a_missing_file_is_told(tmp_path):
    """Where no stage has written the file the error names it."""
    with pytest.raises(RunError, match=r"scores\.jsonl: not written yet"):
        Grouped(tmp_path / "scores.jsonl", Score, "query_id")
