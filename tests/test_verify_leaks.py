"""The leak gate: leaks planted exactly, with small edits and as paraphrases, in a run's folder and against training."""

from itertools import product

import orjson
import pytest
from leaking import HELD, PASSAGES, document, plant, positive, query, write_beir

from synthneg import pipeline
from synthneg.config import LeakChecks
from synthneg.errors import RunError, SettingsError
from synthneg.records import Example, Query, Reject
from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.stages import declared_sets
from synthneg.testing import HashingEncoder
from synthneg.verify.alike import DOCUMENTS, QUERIES, Alike
from synthneg.verify.leaks import leak

CLEAN = [
    query("clean1", "why is the water for green tea not boiling"),
    query("clean2", "reason for welding rails of steel", "steel"),
    query("clean3", "how is salt made from the sea", "salt"),
]
LEAKS = {
    "exact": query("exact", "How long should GREEN tea be steeped in hot water?!"),
    "edited": query("edited", "how long should a green tea be steeped in hot water"),
    "paraphrase": query("paraphrase", "hot water be steeped in green tea how should long"),
}
FAR = "Basalt columns form where thick lava cools slowly and cracks from the top to the bottom."


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """Return a function that makes a run with planted files, an evaluation set and a hashing encoder."""
    opened = []
    folder = write_beir(tmp_path / "harbour")
    monkeypatch.setattr(pipeline, "open_encoder", lambda run: HashingEncoder())

    def make(queries=CLEAN, documents=(), sets=True, **sections):
        verify = {"documents": {"min_words": 5}, "leaks": sections.pop("leaks", {})}
        settings = {
            "run": f"r{len(opened)}",
            "corpus": {"path": "x"},
            "verify": verify,
            "mine": {"bm25": 0, "dense": 0},
            "evaluate": {"collections": [str(folder)] if sets else []},
            **sections,
        }
        run = Run(tmp_path, resolve(settings, "test"))
        opened.append(run)
        plant(run, "corpus", "passages.jsonl", PASSAGES)
        plant(run, "generate.queries", "queries.jsonl", queries)
        pipeline.check_queries(run)
        kept = list(run.read("verified_queries.jsonl", Query))
        by_id = {passage.id: passage for passage in PASSAGES}
        own = [positive(q.id, by_id[q.passage_id]) for q in kept]
        plant(run, "generate.documents", "documents.jsonl", own + list(documents))
        plant(run, "generate.negatives", "documents.jsonl", [])
        pipeline.check_documents(run)
        return run

    yield make
    for run in opened:
        run.close()


def reasons(run):
    """Return the reason of each reject by id."""
    return {r.id: r.reason for r in run.read("rejects.jsonl", Reject)}


def overlaps(run):
    """Return the rows of leaks.json by kind."""
    facts = orjson.loads(run.file("leaks.json").read_bytes())
    return {row["kind"]: row for row in facts["overlaps"]}


@pytest.mark.parametrize("kind", LEAKS)
def test_a_planted_query_is_dropped_and_counted(make_run, kind):
    """A query of the set, as it stands, edited or in another order, is rejected as a leak; the clean ones stay."""
    bounds = {"query_jaccard": 1} if kind == "paraphrase" else {}
    run = make_run([*CLEAN, LEAKS[kind]], leaks=bounds)
    measure = {"exact": "exact", "edited": "jaccard", "paraphrase": "cosine"}[kind]
    assert [q.id for q in run.read("verified_queries.jsonl", Query)] == [q.id for q in CLEAN]
    assert reasons(run) == {kind: "leak"}
    row = overlaps(run)["query"]
    assert (row["set"], row["found"], row["left"]) == ("harbour/test", 1, 0)
    assert row["by"] == {m: int(m == measure) for m in ("exact", "jaccard", "cosine")}
    assert run.books()["verify.queries"]["rejected"] == {"leak": 1}


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        (
            "A KETTLE whistles when steam leaves its spout faster than the narrow hole lets it pass by",
            "exact",
        ),
        (HELD.documents["d2"].replace("by.", "through."), "jaccard"),
        (
            "The narrow hole lets it pass by faster than a kettle whistles: steam leaves its spout when",
            "cosine",
        ),
    ],
)
def test_a_planted_document_is_dropped_and_counted(make_run, text, measure):
    """A written document that the set judges relevant is rejected, however it was changed; the books balance."""
    written = [document("clean1-n", "clean1", FAR), document("leaks", "clean1", text)]
    run = make_run(documents=written)
    assert reasons(run) == {"leaks": "leak"}
    row = overlaps(run)["document"]
    assert (row["found"], row["left"], row["by"][measure]) == (1, 0, 1)
    assert [d.id for e in run.read("examples.jsonl", Example) for d in e.documents[1:]] == [
        "clean1-n"
    ]


def test_what_the_split_does_not_judge_relevant_is_no_leak(make_run):
    """A query without judgements in the split, and a document of grade 0, are nobody's secret."""
    salt = "Salt is won from sea water that dries in shallow basins of clay."
    run = make_run(
        [*CLEAN, query("boat", "who builds a boat", "salt")],
        documents=[document("n", "clean1", salt)],
    )
    assert reasons(run) == {}
    assert {row["found"] for row in overlaps(run).values()} == {0}


@pytest.mark.parametrize("action", ["report", "drop"])
def test_a_judged_passage_is_told_and_dropped_by_setting(make_run, action):
    """A query from a passage that the set judges relevant is an overlap; it stays unless the setting drops it."""
    bees = query("bees1", "what does the dance of the bees show to the hive", "bees")
    run = make_run([*CLEAN, bees], leaks={"passages": action})
    row = overlaps(run)["passage"]
    assert row["found"] == row["by"]["exact"] == 1
    assert row["left"] == (action == "report")
    assert reasons(run) == ({"bees1": "leak"} if action == "drop" else {})
    assert trains(run)


def trains(run):
    """Return whether training gets as far as its data; what it refuses with is raised, before it has begun."""
    from synthneg.train import fit  # noqa: PLC0415 - heavy: imports torch

    begun = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "train", lambda run, _: begun.append(run))
        try:
            pipeline.train_model(run)
        except RunError:
            assert not begun
            raise
    return bool(begun)


def test_training_refuses_what_was_only_reported(make_run):
    """With `report` the leak stays among the examples, and training names it and the setting that drops it."""
    run = make_run([*CLEAN, LEAKS["edited"]], leaks={"action": "report"})
    assert reasons(run) == {}
    assert overlaps(run)["query"]["left"] == 1
    words = (
        r"found 1 of kind query in harbour/test; such as edited \(jaccard 0.\d\d to t1: 'how long should a"
        r".*verify.leaks.action=drop.*train.allow_leaks=true"
    )
    with pytest.raises(RunError, match=words):
        trains(run)


def test_training_goes_on_where_it_is_told_to(make_run):
    """`train.allow_leaks` lets the same examples pass."""
    run = make_run(
        [*CLEAN, LEAKS["exact"]], leaks={"action": "report"}, train={"allow_leaks": True}
    )
    assert overlaps(run)["query"]["left"] == 1
    assert trains(run)


def test_training_refuses_sets_that_were_declared_afterwards(make_run, tmp_path):
    """Examples that were checked before an evaluation set was declared are not trusted for it."""
    run = make_run()
    assert trains(run)
    late = write_beir(tmp_path / "late")
    values = run.config.model_dump(mode="json")
    values["verify"]["leaks"]["collections"] = [str(late)]
    run.config = resolve(values, "test")
    with pytest.raises(RunError, match=r"against other evaluation sets.*late/test"):
        trains(run)


def test_without_an_evaluation_set_nothing_is_refused(make_run):
    """A run that declares none has a table without rows and trains."""
    run = make_run([*CLEAN, LEAKS["exact"]], sets=False)
    assert reasons(run) == {}
    assert orjson.loads(run.file("leaks.json").read_bytes())["overlaps"] == []
    assert trains(run)


def test_another_bound_compares_nothing_anew(make_run, monkeypatch):
    """What is like what is measured once; another bound changes the verdicts alone."""
    run = make_run([*CLEAN, LEAKS["edited"]], leaks={"query_jaccard": 1, "query_cosine": None})
    assert reasons(run) == {}
    stored = run.file(QUERIES).read_bytes(), run.file(DOCUMENTS).stat().st_mtime_ns
    values = run.config.model_dump(mode="json")
    values["verify"]["leaks"]["query_jaccard"] = 0.7
    run.config = resolve(values, "test")
    with monkeypatch.context() as patch:
        patch.setattr("synthneg.verify.alike.near_pairs", None)
        patch.setattr("synthneg.verify.alike.near_matches", None)
        pipeline.check_queries(run)
    assert reasons(run) == {"edited": "leak"}
    assert run.file(QUERIES).read_bytes() == stored[0]


def test_the_verdict_follows_from_likeness_and_bounds_alone():
    """Every measure leaks from its bound on and not below, exact equality always, and likeness within the run never."""
    bounds = LeakChecks(query_jaccard=0.7, query_cosine=0.9)
    for measure, value in product(("jaccard", "cosine"), (0.69, 0.7, 0.89, 0.9, 1.0)):
        one = Alike("q", "query", "set/test", "t", measure, value)
        refused = leak([one], bounds)
        assert bool(refused) == (value >= {"jaccard": 0.7, "cosine": 0.9}[measure])
        assert leak([one], LeakChecks(action="report")) is None
        assert leak([Alike("q", "query", "", "t", measure, value)], bounds) is None
    exact = Alike("q", "query", "set/test", "t", "exact", 1.0)
    assert leak([one, exact], bounds).detail == "the same words as query t of set/test"


def test_a_set_may_name_its_split_and_two_of_one_name_are_refused(tmp_path):
    """FOLDER:SPLIT reads another split; the same set twice is one, two folders of one name are an error."""
    one, other = tmp_path / "a" / "tea", tmp_path / "b" / "tea"
    for folder in (one, other):
        folder.mkdir(parents=True)

    def config(*sets):
        values = {"run": "r", "corpus": {"path": "x"}, "evaluate": {"collections": [str(one)]}}
        return resolve({**values, "verify": {"leaks": {"collections": list(sets)}}}, "test")

    assert declared_sets(config(f"{one}:dev", str(one))) == {
        "tea/test": (one, "test"),
        "tea/dev": (one, "dev"),
    }
    with pytest.raises(SettingsError, match="are both tea/test; rename a folder"):
        declared_sets(config(str(other)))
