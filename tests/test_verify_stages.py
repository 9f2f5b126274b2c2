"""The stages verify.queries and verify.documents on a run's folder, with planted records and a hashing encoder."""

from contextlib import closing
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from synthneg.errors import RunError
from synthneg.records import Document, Example, Origin, Passage, Query, Reject, Score
from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.testing import HashingEncoder
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries

ORIGIN = Origin("query/question@00000000", "planted", {}, 1, "key")
PASSAGES = [
    Passage("tea", "Green tea is steeped for two minutes in water below boiling.", "Green tea"),
    Passage("steel", "Steel rails are welded so that trains run without noise.", "Rails"),
    Passage("bees", "Bees dance to show the direction of flowers to the hive.", "Bees"),
]
QUERIES = [
    Query("q1", "how long is green tea steeped", "tea", "train", ORIGIN),
    Query("q2", "why are steel rails welded", "steel", "train", ORIGIN),
    Query("q3", "what do bees show by their dance", "bees", "held_out", ORIGIN),
]
QUERY_CHECKS = {"round_trip_k": 1, "max_copied_words": 5}
DOCUMENT_CHECKS = {"min_words": 5, "max_words": 20}


@pytest.fixture
def make_run(tmp_path):
    """Return a function that makes a run with planted files; runs are closed at the end."""
    opened = []

    def make(queries=QUERIES, documents=None, passages=PASSAGES, **document_checks):
        verify = {"queries": QUERY_CHECKS, "documents": DOCUMENT_CHECKS | document_checks}
        settings = {"run": f"r{len(opened)}", "corpus": {"path": "x"}, "verify": verify}
        run = Run(tmp_path, resolve(settings, "test"))
        opened.append(run)
        plant(run, "corpus", "passages.jsonl", passages)
        plant(run, "generate.queries", "queries.jsonl", queries)
        if documents is not None:
            verify_queries(run, HashingEncoder())
            plant(run, "generate.documents", "documents.jsonl", documents)
        return run

    yield make
    for run in opened:
        run.close()


def plant(run, stage_name, file, records):
    """Write the records as what a stage kept."""
    with run.stage(stage_name, file) as stage:
        for record in records:
            stage.take()
            stage.keep(record)


def outcome(run, stage="verify.queries"):
    """Return the ids of the queries kept, and the reason of each id refused by `stage`."""
    kept = [q.id for q in run.read("verified_queries.jsonl", Query)]
    return kept, {r.id: r.reason for r in run.read("rejects.jsonl", Reject) if r.stage == stage}


def cosine(one, other):
    """Return the cosine of two texts, to compare with a stored one."""
    a, b = HashingEncoder().encode([one, other], "document")
    return pytest.approx(float(a @ b), abs=1e-6)


def test_each_planted_fault_gets_its_reason(make_run):
    """One query per fault, each refused with its own code; the sound ones go on in their order, the books balance."""
    faults = {
        "too_short": "tea?",
        "too_long": "tea " * 121,
        "speaks_of_passage": "how is green tea steeped according to the text",
        "copied": "is it steeped for two minutes in water below boiling",
        "duplicate": "How LONG is green tea steeped?!",
        "near_duplicate": "is green tea steeped how long",
        "round_trip": "why are rails of steel welded without noise",
    }
    planted = [replace(QUERIES[0], id=reason, text=text) for reason, text in faults.items()]
    run = make_run([*QUERIES, *planted])
    verify_queries(run, HashingEncoder())
    kept, refused = outcome(run)
    assert kept == ["q1", "q2", "q3"]
    assert refused == {reason: reason for reason in faults}
    assert run.books()["verify.queries"] == {
        "in": 10,
        "kept": 3,
        "rejected": dict.fromkeys(sorted(faults), 1),
        "failed": {},
    }


def test_an_improbable_query_is_refused_where_its_probability_is_known(make_run, tmp_path, capsys):
    """Below the bound a query goes, at it and untold it stays; of how many it is not known is said."""
    told = {"q1": -1.5, "q2": -1.0, "q3": None}
    planted = [
        q
        if told[q.id] is None
        else replace(q, origin=replace(ORIGIN, said={"logprob": told[q.id]}))
        for q in QUERIES
    ]
    made = make_run(planted)
    verify = {"queries": QUERY_CHECKS | {"min_logprob": -1.0}}
    asked = {"generate": {"queries": {"logprobs": True}}, "verify": verify}
    made.close()
    run = Run(tmp_path, resolve({"run": "r0", "corpus": {"path": "x"}} | asked, "test"))
    verify_queries(run, HashingEncoder())
    run.close()
    assert outcome(run) == (["q2", "q3"], {"q1": "improbable"})
    assert "nobody told their probability: 1" in capsys.readouterr().err


def test_a_round_trip_that_checks_nothing_is_said(make_run, tmp_path, capsys):
    """Where a large share of the corpus is near enough, the user is told, with a bound that would be a check."""
    passages = [replace(PASSAGES[0], id=f"p{i}", text=f"tea number {i}") for i in range(40)]
    run = make_run(QUERIES[:1], passages=[PASSAGES[0], *passages])
    verify_queries(run, HashingEncoder())
    assert "round_trip_k" not in capsys.readouterr().err
    run.close()
    with closing(Run(tmp_path, resolve({"run": "r0", "corpus": {"path": "x"}}, "test"))) as loose:
        verify_queries(loose, HashingEncoder())
    said = capsys.readouterr().err
    assert "round_trip_k 20 of 41 passages lets nearly any query pass; 4 would be a check" in said


def test_swapped_pairs_do_not_survive_the_round_trip(make_run):
    """Two queries whose passages were exchanged rank them below the right ones, and are dropped."""
    swapped = [replace(QUERIES[0], passage_id="steel"), replace(QUERIES[1], passage_id="tea")]
    run = make_run([*swapped, QUERIES[2]])
    verify_queries(run, HashingEncoder())
    assert outcome(run) == (["q3"], {"q1": "round_trip", "q2": "round_trip"})


def test_a_refused_query_takes_no_duplicate_with_it(make_run):
    """What repeats a query that was itself refused is judged on its own."""
    wrong = replace(QUERIES[0], id="q0", passage_id="steel")
    run = make_run([wrong, *QUERIES])
    verify_queries(run, HashingEncoder())
    assert outcome(run) == (["q1", "q2", "q3"], {"q0": "round_trip"})


def test_the_order_of_the_queries_matters_to_duplicates_alone(make_run):
    """Every order of the file gives the same verdicts, except for which of two equal queries is the first."""
    twins = [replace(QUERIES[0], id="twin", text="How long is green tea steeped?"), QUERIES[0]]
    others = [QUERIES[1], replace(QUERIES[2], passage_id="tea")]
    for order in permutations([*twins, *others]):
        run = make_run(list(order))
        verify_queries(run, HashingEncoder())
        first, second = (q.id for q in order if q in twins)
        kept, refused = outcome(run)
        assert kept == [q.id for q in order if q.id in (first, "q2")]
        assert refused == {second: "duplicate", "q3": "round_trip"}


def test_the_stored_rank_is_exact_however_deep(make_run):
    """Ranks equal a full sort of the similarities, far beyond k and over more than one block of the corpus."""
    draw = np.random.default_rng(5)
    vocabulary = [f"w{i}" for i in range(60)]
    passages = [Passage(f"p{i}", " ".join(draw.choice(vocabulary, 12))) for i in range(300)]
    queries = [
        Query(f"q{i}", " ".join(draw.choice(vocabulary, 5)), f"p{i}", "train", ORIGIN)
        for i in range(80)
    ]
    run = make_run(queries, passages=passages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("synthneg.scoring.search._DOCUMENTS", 64)
        patch.setattr("synthneg.verify.scores.BLOCK_TEXTS", 32)
        verify_queries(run, HashingEncoder())
    stored = {(s.query_id, s.scorer): s.value for s in run.read("scores.jsonl", Score)}
    encode = HashingEncoder().encode
    similar = encode([q.text for q in queries], "query").astype(np.float64) @ (
        encode([p.text for p in passages], "document").astype(np.float64).T
    )
    for i, query in enumerate(queries):
        nearer = (similar[i] > similar[i, i] + 1e-6).sum()
        assert stored[query.id, "rank"] == 1 + nearer
        assert stored[query.id, "cosine"] == pytest.approx(similar[i, i], abs=1e-6)
    assert max(stored[q.id, "rank"] for q in queries) > 20


def test_each_passage_of_a_query_must_be_found(make_run):
    """A query over two passages passes with both among its k nearest; else the detail names the one that is not."""
    over_both = "how long is green tea steeped and why are steel rails welded"
    two = [
        Query("both", over_both, "tea", "train", ORIGIN, ("steel",)),
        Query("one", "what do bees dance while trains run", "bees", "train", ORIGIN, ("tea",)),
    ]
    run = make_run(two)
    run.config = with_rank(2)
    verify_queries(run, HashingEncoder(4096))
    found = {(s.query_id, s.document_id): s.value for s in run.read("scores.jsonl", Score)}
    assert set(found) == {("both", "tea"), ("both", "steel"), ("one", "bees"), ("one", "tea")}
    assert outcome(run) == (["both"], {"one": "round_trip"})
    [refused] = run.read("rejects.jsonl", Reject)
    assert refused.detail == "of its passages, tea is at rank 3, at most 2"


def test_words_of_a_further_passage_are_copied_too(make_run):
    """A query that copies the second of its passages is refused as one that copies the first."""
    text = "why are steel rails welded so that trains run without noise"
    run = make_run([Query("q", text, "tea", "train", ORIGIN, ("steel",))])
    verify_queries(run, HashingEncoder())
    assert outcome(run) == ([], {"q": "copied"})


def test_a_threshold_changes_verdicts_and_no_score(make_run):
    """With another bound the verdicts differ and the scores are byte for byte the same."""
    swapped = replace(QUERIES[0], passage_id="steel")
    run = make_run([swapped, *QUERIES[1:]])
    verify_queries(run, HashingEncoder())
    strict, before = outcome(run), run.file("scores.jsonl").read_bytes()
    run.config = resolve(
        {"run": "r0", "corpus": {"path": "x"}, "verify": {"queries": {"round_trip_k": 3}}}, "test"
    )
    verify_queries(run, HashingEncoder())
    assert strict != outcome(run) == (["q1", "q2", "q3"], {})
    assert run.file("scores.jsonl").read_bytes() == before


def test_a_query_without_its_passage_is_told(make_run):
    """Queries of another corpus end in one line that says which passage is missing, and in no file."""
    run = make_run([replace(QUERIES[0], passage_id="coffee")])
    with pytest.raises(RunError, match=r"q1 was written from passage coffee.* generate the quer"):
        verify_queries(run, HashingEncoder())
    assert not run.has("verified_queries.jsonl")


def test_stages_out_of_order_are_told(make_run):
    """Verifying documents before queries is an error that names the stage to run."""
    with pytest.raises(RunError, match="verify.queries has not been run"):
        verify_documents(make_run(), HashingEncoder())


@pytest.mark.parametrize(
    "text", ["", "\0", "\u202e\u202c", "   ", "\u202eمرحبا\u202c", "\ud7ff\U0010ffff ?"]
)
def test_hostile_texts_get_a_verdict(make_run, text):
    """Empty, invisible and right-to-left texts as passage, query and document end in the books, not in a crash."""
    passages = [*PASSAGES, Passage("odd", text)]
    queries = [*QUERIES, Query("q4", text, "odd", "train", ORIGIN)]
    documents = [*positives(), written("d1", 0, 1, text)]
    run = make_run(queries, documents, passages)
    verify_documents(run, HashingEncoder())
    assert sum(run.books()["verify.queries"]["rejected"].values()) == 1
    assert run.books()["verify.documents"]["rejected"] == {"too_short": 1}


def test_a_copy_of_a_further_positive_is_no_negative(make_run):
    """The further positive is kept with grade 3 and both scores; what is written too near it is refused."""
    query = replace(QUERIES[0], also=("steel",))
    further = Document("steel", "q1", PASSAGES[1].text, PASSAGES[1].title, 3, "corpus")
    copy = written("copy", 0, 1, f"{PASSAGES[1].full_text} Rails", "negative")
    fine = written("fine", 0, 1, "Bees dance in the hive today", "negative")
    run = make_run([query])
    run.config = with_rank(3)
    verify_queries(run, HashingEncoder())
    plant(run, "generate.documents", "documents.jsonl", [positives()[0], further, copy, fine])
    verify_documents(run, HashingEncoder())
    [example] = run.read("examples.jsonl", Example)
    assert [d.id for d in example.documents] == ["tea", "steel", "fine"]
    assert example.documents[1].scores["cosine"] == cosine(query.text, PASSAGES[1].full_text)
    assert outcome(run, "verify.documents")[1] == {"copy": "near_positive"}


def with_rank(most):
    """Return settings under which a query's passages must be among its `most` nearest."""
    checks = {
        "queries": {"round_trip_k": most},
        "documents": {"min_words": 5, "near_duplicate_jaccard": 1.0},
    }
    return resolve({"run": "r0", "corpus": {"path": "x"}, "verify": checks}, "test")


def positives():
    """Return the positive passage of each query."""
    return [
        Document(p.id, q.id, p.text, p.title, 3, "corpus")
        for q, p in zip(QUERIES, PASSAGES, strict=True)
    ]


def written(id, query, grade, text, source="graded"):
    """Return a document written for the query at place `query`."""
    return Document(id, QUERIES[query].id, text, "", grade, source, ORIGIN)


SOUND = [
    written("q1:n", 0, 1, "Black pepper grows on vines and green leaves hang low", "negative"),
    written("q1:g0", 0, 0, "The parliament met on a Tuesday to vote again"),
    written("q1:g3", 0, 3, "Two minutes is how long green tea should be steeped"),
    written("q1:g2", 0, 2, "Tea comes in many kinds and green is one kind steeped often"),
]


def test_an_example_lists_its_documents_in_order(make_run):
    """The positive comes first, then graded documents by falling grade, then negatives, each with both scores."""
    run = make_run(documents=[*positives(), *SOUND])
    verify_documents(run, HashingEncoder())
    first, *others = run.read("examples.jsonl", Example)
    assert [d.id for d in first.documents] == ["tea", "q1:g3", "q1:g2", "q1:g0", "q1:n"]
    assert (first.query, first.passage_id, first.split, first.origin) == (
        QUERIES[0].text,
        "tea",
        "train",
        ORIGIN,
    )
    for document in first.documents:
        assert document.scores["cosine"] == cosine(first.query, document.full_text)
        assert document.scores["cosine_to_positive"] == cosine(
            PASSAGES[0].full_text, document.full_text
        )
    assert [(e.query_id, e.split, len(e.documents)) for e in others] == [
        ("q2", "train", 1),
        ("q3", "held_out", 1),
    ]
    assert run.books()["verify.documents"] == {"in": 7, "kept": 7, "rejected": {}, "failed": {}}


def test_each_fault_of_a_document_gets_its_reason(make_run):
    """One document per fault, each refused with its own code; the sound ones stay, and the books count documents."""
    positive = PASSAGES[0].full_text
    words = positive.split()
    faults = {
        "too_short": written("too_short", 0, 1, "no tea"),
        "too_long": written("too_long", 0, 1, "coal " * 21),
        "duplicate": written("duplicate", 0, 3, positive.upper()),
        "near_duplicate": written("near_duplicate", 0, 3, f"{positive} Enjoy"),
        "near_positive": written("near_positive", 0, 2, " ".join(reversed(words))),
        "answers": written("answers", 0, 1, "how long is green tea steeped is asked", "negative"),
    }
    assert cosine(positive, faults["near_positive"].text) == 1
    run = make_run(documents=[*positives(), *faults.values(), *SOUND])
    verify_documents(run, HashingEncoder())
    _, refused = outcome(run, "verify.documents")
    assert refused == {reason: reason for reason in faults}
    books = run.books()["verify.documents"]
    assert (books["in"], books["kept"]) == (13, 7)
    assert books["rejected"] == dict.fromkeys(sorted(faults), 1)
    assert sum(len(e.documents) for e in run.read("examples.jsonl", Example)) == 7


def test_grade_decides_which_nearness_counts(make_run):
    """The same text near the query is refused as grade 1 and 0, and stays as grade 2 and 3."""
    text = "how long is green tea steeped is asked"
    for grade in range(4):
        run = make_run(documents=[*positives(), written("d", 0, grade, text)])
        verify_documents(run, HashingEncoder())
        _, refused = outcome(run, "verify.documents")
        assert refused == ({"d": "answers"} if grade <= 1 else {})


def test_a_written_answer_may_be_near_the_positive(make_run):
    """A document of grade 3 says what the positive says, in other words; grades below must not."""
    text = " ".join(reversed(PASSAGES[0].full_text.split()))
    for grade in range(4):
        run = make_run(documents=[*positives(), written("d", 0, grade, text)])
        verify_documents(run, HashingEncoder())
        refused = outcome(run, "verify.documents")[1]
        assert refused == ({"d": "near_positive"} if grade < 3 else {})


def test_a_document_that_repeats_a_better_one_goes(make_run):
    """Of equal documents the higher grade stays, in whatever order they were written; other queries do not matter."""
    text = "Leaves may be steeped at length if they are green and whole"
    same = [written("low", 0, 2, text), written("high", 0, 3, text), written("else", 1, 2, text)]
    for order in permutations(same):
        run = make_run(documents=[*positives(), *order])
        verify_documents(run, HashingEncoder())
        assert outcome(run, "verify.documents")[1] == {"low": "duplicate"}


def test_documents_of_refused_queries_are_in_the_books(make_run):
    """Documents whose query was refused, or lost its positive, are refused and counted, positives included."""
    queries = [replace(QUERIES[0], text="tea"), *QUERIES[1:]]
    orphan = written("orphan", 2, 0, "The parliament met on a Tuesday to vote")
    run = make_run(queries, [*positives()[:2], *SOUND, orphan])
    verify_documents(run, HashingEncoder())
    assert run.books()["verify.documents"] == {
        "in": 7,
        "kept": 1,
        "rejected": {"no_positive": 1, "query_rejected": 5},
        "failed": {},
    }
    assert [e.query_id for e in run.read("examples.jsonl", Example)] == ["q2"]


def test_verifying_again_changes_no_byte(make_run):
    """A second pass over the same files writes the same scores, examples and rejects."""
    run = make_run(documents=[*positives(), *SOUND, written("short", 1, 1, "no")])
    verify_documents(run, HashingEncoder())
    files = [run.file(name) for name in ("scores.jsonl", "examples.jsonl", "rejects.jsonl")]
    before = [file.read_bytes() for file in files]
    verify_documents(run, HashingEncoder())
    assert [file.read_bytes() for file in files] == before
