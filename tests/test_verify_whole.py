"""What repeats across the whole set, and what a model says of itself: planted, and the texts that must pass."""

import pytest
from leaking import PASSAGES, document, plant, positive, query

from synthneg.config import ContentChecks, DuplicateChecks
from synthneg.errors import MissingExtra
from synthneg.records import Query, Reject
from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.testing import HashingEncoder
from synthneg.verify.alike import Alike, compare_documents, compare_queries
from synthneg.verify.content import talks
from synthneg.verify.documents import verify_documents
from synthneg.verify.private import _need, private
from synthneg.verify.queries import verify_queries
from synthneg.verify.whole import repeated, twin

TALK = [
    ("refusal", "I'm sorry, but I can't help with that."),
    (
        "refusal",
        "Green tea is a drink. As an AI language model, I cannot taste it, but many like it.",
    ),
    (
        "refusal",
        "The kettle boils. Unfortunately, I cannot provide the exact temperature for this kettle.",
    ),
    ("refusal", "I am a language model, and so I have no opinion on rails."),
    ("refusal", "Rails are long. I am sorry, but I cannot write about welds in more detail."),
    ("refusal", "My knowledge cutoff is in 2023, so later rails are unknown."),
    ("refusal", "Please provide me with the passage that the question is about."),
    ("meta", "Sure! Bees dance to show where flowers are, and the hive follows."),
    ("meta", "Here is a hard negative passage that does not answer the query: bees dance."),
    ("meta", "[negative document] Bees dance in the dark of the hive."),
    (
        "meta",
        "Bees dance.\n\nNote: this passage does not answer the query, as it speaks of dance alone.",
    ),
    ("meta", "Bees dance in the dark of the hive.\n\nWord count: 120"),
    ("meta", "Bees dance in the dark.\n\nLet me know if you need another passage."),
]
PASSES = [
    "The assistant answered \"I'm sorry, but I can't help with that.\" and the user left.",
    "Language models refuse: as an AI language model, ChatGPT is trained to decline such requests.",
    'Refusals such as "As an AI language model, I cannot" are frequent in synthetic data.',
    "how do language models say that they cannot answer",
    "I'm sorry to hear that your tea is cold; warm it again.",
    "The patients could not provide the samples, and the trial was stopped.",
    "Here is where the river meets the sea, and the harbour was built in 1850.",
    "This document does not cover welded rails; see part two for those.",
    "Serum concentrations [insert in figure 2] were low. The negative [n = 12] group was large.",
    "Hard negatives are documents that a retriever ranks high though they do not answer the query.",
    "Certainly the oldest rails are of iron.",
    "why does this passage of music not answer the question posed in the first bar",
]


@pytest.fixture
def run(tmp_path):
    """Return a run with planted passages, closed at the end."""
    lenient = {"min_words": 5, "max_negative_share": 2, "min_negative_margin": 0}
    verify = {"documents": lenient, "queries": {"round_trip_k": 4, "near_duplicate": 1}}
    opened = Run(tmp_path, resolve({"run": "r", "corpus": {"path": "x"}, "verify": verify}, "test"))
    plant(opened, "corpus", "passages.jsonl", PASSAGES)
    yield opened
    opened.close()


def reasons(run):
    """Return the reason of each reject by id."""
    return {r.id: r.reason for r in run.read("rejects.jsonl", Reject)}


def check_queries(run, queries):
    """Compare and verify planted queries."""
    plant(run, "generate.queries", "queries.jsonl", queries)
    compare_queries(run, HashingEncoder(), list, "none")
    verify_queries(run, HashingEncoder())


def test_near_duplicates_are_found_across_passages(run):
    """A query that another passage's query says nearly the same way is dropped, by letters or by cosine."""
    check_queries(
        run,
        [
            query("first", "how long should green tea be steeped"),
            query("letters", "how long should green tea be steepedd", "steel"),
            query("order", "steeped be how tea green should long", "bees"),
            query("other", "why are rails of steel welded", "steel"),
        ],
    )
    assert reasons(run) == {"letters": "near_duplicate", "order": "near_duplicate"}
    assert [q.id for q in run.read("verified_queries.jsonl", Query)] == ["first", "other"]


def test_what_repeats_a_refused_query_stays(run):
    """A query whose only near twin was dropped for another reason is kept."""
    check_queries(
        run,
        [
            query("talks", "how long should green tea be steeped in hot water?\nWord count: 10"),
            query("twin", "how long should green tea be steeped in hot water? Word counts 10"),
        ],
    )
    assert reasons(run) == {"talks": "meta"}


def test_one_negative_for_many_queries_is_kept_for_three(run):
    """The same written document, changed a little, stays with the first three of six queries; another one stays."""
    topics = ("leaf", "harbour", "flower", "clay", "boiling", "hive")
    pairs = zip(topics, [*PASSAGES, *PASSAGES[:2]], strict=True)
    queries = [
        query(f"q{i}", " ".join([*passage.text.split()[:5], topic]), passage.id)
        for i, (topic, passage) in enumerate(pairs)
    ]
    check_queries(run, queries)
    assert reasons(run) == {}
    same = "Basalt columns form where thick lava cools slowly and cracks from the top to the bottom"
    written = [
        document(f"q{i}.n", f"q{i}", same + ("." if i % 2 else " of it all.")) for i in range(6)
    ]
    written.append(
        document("q5.m", "q5", "Glass is made by melting sand with soda and lime in a furnace.")
    )
    own = [positive(q.id, PASSAGES[i % 4]) for i, q in enumerate(queries)]
    plant(run, "generate.documents", "documents.jsonl", own + written)
    compare_documents(run, HashingEncoder(), list, "none")
    verify_documents(run, HashingEncoder())
    assert reasons(run) == {f"q{i}.n": "repeated" for i in (3, 4, 5)}


def test_verdicts_follow_from_likeness_to_what_was_kept():
    """A bound is reached or not, the earlier text was kept or not; likeness to an evaluation set is no duplicate."""
    checks = DuplicateChecks(query_jaccard=0.9, query_cosine=0.98)
    near = Alike("b", "query", "", "a", "jaccard", 0.9)
    assert twin([near], {"a"}, checks)
    assert twin([near], {"c"}, checks) is None
    assert twin([Alike("b", "query", "", "a", "cosine", 0.97)], {"a"}, checks) is None
    assert twin([Alike("b", "query", "set/test", "a", "exact", 1.0)], {"a"}, checks) is None
    same = [Alike("d", "document", "", f"e{i}", "jaccard", 0.8) for i in range(4)]
    kept = {"e0": "q0", "e1": "q1", "e2": "q1"}
    assert repeated(same, kept, checks) is None
    assert repeated(same, kept | {"e3": "q3"}, checks).reason == "repeated"


@pytest.mark.parametrize(("reason", "text"), TALK)
def test_what_a_model_says_of_itself_is_found(reason, text):
    """Each planted refusal and each remark on the task is found under its reason."""
    assert talks(text).reason == reason


@pytest.mark.parametrize("text", PASSES)
def test_a_text_about_refusals_passes(text):
    """Quoted and reported refusals, and ordinary texts with the same words, are left alone."""
    assert talks(text) is None


def test_talk_is_rejected_in_queries_and_documents(run):
    """A refusal among the queries and a remark among the documents get their reasons in the books."""
    check_queries(
        run,
        [
            query("q1", "how long is green tea steeped"),
            query("bad", "I cannot write a question about this passage, as it is empty"),
        ],
    )
    written = [
        document("n1", "q1", "Basalt columns form where thick lava cools slowly and cracks."),
        document(
            "n2",
            "q1",
            "Here is a passage that does not answer the query: lava cools slowly and cracks.",
        ),
    ]
    plant(run, "generate.documents", "documents.jsonl", [positive("q1", PASSAGES[0]), *written])
    compare_documents(run, HashingEncoder(), list, "none")
    verify_documents(run, HashingEncoder())
    assert reasons(run) == {"bad": "refusal", "n2": "meta"}
    assert run.books()["verify.documents"]["rejected"] == {"meta": 1}


PRIVATE = ("email", "phone")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Write to anna.berg@harbour-museum.org for the tides.", "private_email"),
        ("The harbour master answers under +31 20 566 5633 by day.", "private_phone"),
        ("Call (212) 736-5000 for a room.", "private_phone"),
        ("The receptor CD4@CD8 ratio was 2.1 (n=212, 736 to 5000 cells, p<0.05).", None),
        ("Sold @ 4 dollars; see user@localhost and doi:10.1016/j.jhep.2010.07.033.", None),
    ],
)
def test_data_of_a_person_is_found_where_it_is_looked_for(text, reason):
    """Addresses and numbers of a valid form are found, figures and notation are not; nothing is unless asked for."""
    found = private(text, ContentChecks(private=PRIVATE, phone_region="US"))
    assert (found and found.reason) == reason
    assert private(text, ContentChecks()) is None


def test_what_is_private_is_not_repeated_in_the_rejects(run):
    """The detail of a reject shows the first characters of an address alone."""
    found = private("Write to anna.berg@harbour-museum.org.", ContentChecks(private=PRIVATE))
    assert found.detail == "an e-mail address, anna…"


def test_a_missing_package_names_its_extra(monkeypatch):
    """Without the extra, a run that looks for numbers is told what to install."""
    _need.cache_clear()
    monkeypatch.setattr("synthneg.errors.find_spec", lambda module: None)
    with pytest.raises(MissingExtra, match=r"pip install 'synthneg\[content\]'"):
        private("+31 20 566 5633", ContentChecks(private=("phone",)))
