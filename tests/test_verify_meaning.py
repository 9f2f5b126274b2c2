"""Verification with the real all-MiniLM-L6-v2, on planted cases where the meaning decides and not the words."""

import pytest

from synthneg.records import Document, Example, Origin, Passage, Query, Reject
from synthneg.run import Run
from synthneg.scoring import encoder as encoders
from synthneg.settings import resolve
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries

pytestmark = pytest.mark.slow

ORIGIN = Origin("query/question@00000000", "planted", {}, 1, "key")
PASSAGES = {
    "tea": "Green tea is made by steeping the leaves in water of about 80 degrees for two to three minutes."
    " Hotter water draws out bitter tannins.",
    "insulin": "Insulin lowers blood sugar by letting muscle and fat cells take up glucose. People with type 1"
    " diabetes must inject it, because their pancreas makes none.",
    "rails": "Continuous welded rail has no joints, so trains run more quietly. The rails are stretched before"
    " they are fixed, so that they do not buckle in summer heat.",
    "bees": "A forager bee dances on the comb to tell her sisters where flowers are. The angle of the dance gives"
    " the direction relative to the sun.",
}
QUERIES = [
    ("temperature", "how hot should water be for green tea", "tea"),
    ("again", "how hot should the water for green tea be?", "tea"),
    ("minutes", "how many minutes do I leave the leaves in the pot", "tea"),
    ("injections", "why do type 1 diabetics need insulin injections", "insulin"),
    ("swapped_rails", "how do bees tell each other where flowers are", "rails"),
    ("swapped_bees", "why are railway rails welded together without gaps", "bees"),
]
DOCUMENTS = {
    "near_copy": "Green tea is brewed by letting its leaves steep in water at around 80 degrees for two or three"
    " minutes; hotter water brings out bitter tannins.",
    "paraphrase": "For green tea the leaves are left in water of roughly 80 degrees for two to three minutes,"
    " since hotter water extracts bitter tannins.",
    "on_topic": "Green tea has been drunk in China for thousands of years, and was carried to Japan by monks."
    " Today it is sold loose, in bags and as powder.",
    "other_drink": "Black coffee is brewed by pouring water just off the boil over ground beans; coarse grounds"
    " suit a press, fine grounds suit an espresso machine.",
    "unrelated": "The parliament of Norway has 169 members, who are elected every four years from nineteen"
    " constituencies by proportional representation.",
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The model, with a cache of vectors that all tests here share."""
    return encoders.load_encoder(
        "all-MiniLM-L6-v2", batch_size=16, vectors=tmp_path_factory.mktemp("vectors")
    )


@pytest.fixture
def run(tmp_path):
    """A run whose passages and queries are planted."""
    settings = {"run": "r", "corpus": {"path": "x"}, "verify": {"queries": {"round_trip_k": 1}}}
    run = Run(tmp_path, resolve(settings, "test"))
    plant(run, "corpus", "passages.jsonl", [Passage(id, text) for id, text in PASSAGES.items()])
    queries = [Query(id, text, passage, "train", ORIGIN) for id, text, passage in QUERIES]
    plant(run, "generate.queries", "queries.jsonl", queries)
    yield run
    run.close()


def plant(run, stage_name, file, records):
    """Write the records as what a stage kept."""
    with run.stage(stage_name, file) as stage:
        for record in records:
            stage.take()
            stage.keep(record)


def reasons(run):
    """Return the reason of each id refused."""
    return {r.id: r.reason for r in run.read("rejects.jsonl", Reject)}


def test_queries_are_judged_by_their_meaning(run, encoder):
    """A query put in other words is a duplicate, exchanged pairs are dropped, and the sound ones stay."""
    verify_queries(run, encoder)
    assert reasons(run) == {
        "again": "near_duplicate",
        "swapped_rails": "round_trip",
        "swapped_bees": "round_trip",
    }
    kept = [q.id for q in run.read("verified_queries.jsonl", Query)]
    assert kept == ["temperature", "minutes", "injections"]


def test_a_paraphrase_of_the_positive_is_no_negative(run, encoder, monkeypatch):
    """Paraphrases of the answer are refused as negatives, unrelated text stays, and a looser bound encodes nothing."""
    verify_queries(run, encoder)
    positive = Document("tea", "temperature", PASSAGES["tea"], "", 3, "corpus")
    written = [
        Document(id, "temperature", text, "", 1, "negative", ORIGIN)
        for id, text in DOCUMENTS.items()
    ]
    plant(run, "generate.documents", "documents.jsonl", [positive, *written])
    verify_documents(run, encoder)
    refused = {id: reason for id, reason in reasons(run).items() if id in DOCUMENTS}
    assert refused == {"near_copy": "near_positive", "paraphrase": "near_positive"}
    (example,) = (e for e in run.read("examples.jsonl", Example) if e.query_id == "temperature")
    assert [d.id for d in example.documents] == ["tea", "on_topic", "other_drink", "unrelated"]
    assert example.documents[1].scores["cosine"] > 0.4 > 0.1 > example.documents[3].scores["cosine"]

    def refuse(*_):
        raise AssertionError("everything is in the cache of vectors")

    monkeypatch.setattr(encoders.SentenceEncoder, "encode", refuse)
    loose = {"max_similarity_to_positive": 1.0, "max_negative_share": 2.0, "min_negative_margin": 0}
    run.config = run.config.model_copy(
        update={
            "verify": run.config.verify.model_copy(
                update={
                    "documents": run.config.verify.documents.model_copy(update=loose),
                }
            )
        }
    )
    verify_documents(run, encoder)
    assert {id for id in reasons(run) if id in DOCUMENTS} == {"near_copy"}
