"""The stage verify.judge: what is shown to a scripted judge, and what its replies and the verdicts become."""

import asyncio
import re
from dataclasses import replace

import orjson
import pytest

from synthneg.errors import PromptError
from synthneg.llm.ask import Asker
from synthneg.llm.ledger import Ledger
from synthneg.records import Document, Example, Origin, Passage, Query, Reject, Score
from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.testing import HashingEncoder, OverlapReranker, ScriptedBackend
from synthneg.verify.asked import forget_judgements, judge_prompt, write_judgements
from synthneg.verify.documents import verify_documents
from synthneg.verify.measure import measure_documents
from synthneg.verify.queries import verify_queries

ORIGIN = Origin("negative/from-query@00000000", "planted", {}, 1, "key")
PASSAGES = [
    Passage("tea", "Green tea is steeped for two minutes in water below boiling."),
    Passage("steel", "Steel rails are welded so that trains run without noise."),
]
QUERIES = [
    Query("q1", "how long is green tea steeped", "tea", "train", ORIGIN),
    Query("q2", "why are steel rails welded", "steel", "train", ORIGIN),
]
# Of each: the words that place it near or far from its query, and whether it answers, which the judge is told.
NEAR = {
    "answer": "How long green tea is steeped: two minutes. ANSWERS and no more.",
    "miss": "How long green tea is steeped, nobody says here.",
    "far": "Parliament met on a Tuesday to vote again on rents and roads.",
}
WEAK = "Rails of steel are welded, why is a long story of iron, noise, heat, trains and old engineers. ANSWERS"


@pytest.fixture
def run(tmp_path):
    """Give a run with two verified queries, and negatives near and far from them."""
    opened = Run(tmp_path, settings())
    plant(opened, "corpus", "passages.jsonl", PASSAGES)
    plant(opened, "generate.queries", "queries.jsonl", QUERIES)
    verify_queries(opened, HashingEncoder())
    passages = [
        Document(p.id, q.id, p.text, "", 3, "corpus")
        for p, q in zip(PASSAGES, QUERIES, strict=True)
    ]
    negatives = [negative("q1", id, text) for id, text in NEAR.items()]
    negatives += [negative("q2", "weak", WEAK), negative("q2", "short", "steel rails welded")]
    plant(opened, "generate.documents", "documents.jsonl", passages)
    plant(opened, "generate.negatives", "documents.jsonl", negatives)
    yield opened
    opened.close()


def settings(judge="judge/answers", reranker=None, **checks):
    """Return settings with a wide band, so that all but what is far away is in doubt."""
    documents = {"min_words": 5, "doubt_below": 0.3, "max_similarity_to_positive": 1.0} | checks
    verify = {"judge": judge, "reranker": reranker, "documents": documents}
    return resolve({"run": "r", "corpus": {"path": "x"}, "verify": verify}, "test")


def negative(query_id, id, text):
    """Return a written negative."""
    return Document(id, query_id, text, "", 1, "negative", ORIGIN)


def plant(run, stage_name, file, records):
    """Write the records as what a stage kept."""
    with run.stage(stage_name, file) as stage:
        for record in records:
            stage.take()
            stage.keep(record)


def truth(request):
    """Answer as a judge who knows: what says ANSWERS does; in a list, it is better than the positive."""
    text = request.messages[-1].content
    if request.schema is None:
        return "yes" if "ANSWERS" in text else "no"
    keys = request.schema["properties"]
    if "grade" in keys:
        return orjson.dumps(
            {"reasons": "as was planted", "grade": 2 if "ANSWERS" in text else 1}
        ).decode()
    if "span" in keys:
        span = "two minutes" if "ANSWERS" in text else "NO_ANSWER"
        return orjson.dumps({"reasons": "as was planted", "span": span}).decode()
    listed = re.findall(r"^Passage (\d+): (.*)$", text, re.MULTILINE)
    answering = [int(number) for number, said in listed if "ANSWERS" in said]
    positive = [
        int(number) for number, said in listed if "below boiling" in said or "so that" in said
    ]
    verdicts = [
        {
            "passage": int(number),
            "verdict": "answers" if int(number) in answering + positive else "none",
        }
        for number, _ in listed
    ]
    found = {"reasons": "as was planted", "verdicts": verdicts, "best": answering + positive}
    return orjson.dumps(found).decode()


def judged(run, answer=truth, reranker=None):
    """Let a scripted judge judge; return what it was asked."""
    backend = ScriptedBackend(answer)
    measure_documents(run, HashingEncoder(), reranker)

    async def work():
        ledger = Ledger(run.file("ledger.sqlite"))
        await write_judgements(run, Asker(backend, ledger, run.config.llm, run.config.seed))
        ledger.close()

    asyncio.run(work())
    return [request.messages[-1].content for request in backend.asked]


def scores(run):
    """Return what the judge has said, by document and scorer."""
    return {
        (s.document_id, s.scorer): s.value
        for s in run.read("scores.jsonl", Score)
        if s.scorer.startswith("judge")
    }


def outcome(run):
    """Return the reasons of what is dropped, and the flags and grades of what is kept beside the positives."""
    dropped = {
        r.id: r.reason for r in run.read("rejects.jsonl", Reject) if r.stage == "verify.documents"
    }
    kept = {
        d.id: (d.grade, d.wanted_grade, d.verdicts)
        for example in run.read("examples.jsonl", Example)
        for d in example.documents[1:]
    }
    return dropped, kept


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        ("judge/answers", {"judge_yes": (1.0, 0.0, 1.0)}),
        ("judge/relevance", {"judge_grade": (2.0, 1.0, 2.0)}),
        ("judge/listwise", {"judge_list": (1.0, 0.0, 1.0)}),
    ],
)
def test_what_is_in_doubt_is_judged_and_nothing_else(run, judge, expected):
    """Each kind of prompt says of the three doubtful negatives what was planted; far and short ones are not shown."""
    run.config = settings(judge)
    asked = judged(run)
    [(scorer, values)] = expected.items()
    found = scores(run)
    for id, value in zip(("answer", "miss", "weak"), values, strict=True):
        assert found[id, scorer] == pytest.approx(value, abs=0.34)
    assert {id for id, _ in found} == {"answer", "miss", "weak"}
    assert not any("Parliament" in text for text in asked)
    assert run.books()["verify.judge"] == {"in": 3, "kept": 3, "rejected": {}, "failed": {}}


def test_a_span_must_stand_in_the_passage(run):
    """A span that is there is proof; NO_ANSWER is none; one that is invented says nothing, and is counted as that."""
    run.config = settings("judge/span")
    judged(run)
    assert scores(run) == {("answer", "judge_span"): 1.0, ("miss", "judge_span"): 0.0}
    assert run.books()["verify.judge"]["rejected"] == {"span_not_verbatim": 1}


def test_a_list_says_what_stands_above_the_positive(run):
    """In a list the positive is among the passages, in a place of chance, and what comes before it is marked."""
    run.config = settings("judge/listwise")
    asked = judged(run)
    assert len(asked) == 2
    assert all(text.count("\nPassage ") == n for text, n in zip(asked, (3, 2), strict=True))
    assert scores(run)["answer", "judge_above"] == 1.0
    assert ("miss", "judge_above") not in scores(run)


def test_no_place_in_a_list_tells_the_positive(run):
    """Over ten seeds of the run the positive stands first in some lists and elsewhere in others."""
    places = set()
    for seed in range(10):
        run.config = settings("judge/listwise").model_copy(update={"seed": seed})
        asked = judged(run)
        [listed] = [text for text in asked if "below boiling" in text]
        places.add(int(re.search(r"Passage (\d): Green tea is steeped for", listed)[1]))
    assert places == {1, 2, 3}


def test_the_judge_decides_over_the_encoder(run):
    """Alone, the encoder drops the near miss with the answer and lets a long-winded one pass; with a judge neither."""
    run.config = settings(None)
    verify_documents(run, HashingEncoder())
    alone, _ = outcome(run)
    assert {id for id, reason in alone.items() if reason == "answers"} == {"answer", "miss"}
    run.config = settings()
    judged(run)
    verify_documents(run, HashingEncoder())
    dropped, kept = outcome(run)
    assert {id for id, reason in dropped.items() if reason == "answers"} == {"answer", "weak"}
    assert kept["miss"] == (1, None, ())


def test_a_judged_answer_gets_its_grade(run):
    """Relabelled, an answer is kept with the judge's grade and the one wanted, and the books show it among the kept."""
    run.config = settings("judge/relevance", on_answers="relabel")
    judged(run)
    verify_documents(run, HashingEncoder())
    dropped, kept = outcome(run)
    assert dropped == {"short": "too_short"}
    assert kept["answer"] == (2, 1, ("relabelled",))
    assert kept["miss"] == (1, None, ())
    books = run.books()["verify.documents"]
    assert books["flagged"]["relabelled"] == 2
    assert books["in"] == books["kept"] + sum(books["rejected"].values()) == 7


def test_a_reranker_leaves_only_disputes_to_the_judge(run):
    """Where reranker and encoder agree the judge is not asked; its word on the others is final."""
    run.config = settings(reranker="overlap")
    asked = judged(run, reranker=OverlapReranker())
    assert {id for id, _ in scores(run)} == {
        "weak"
    }  # all the query's words stand in it, but far apart
    assert len(asked) == 1
    verify_documents(run, HashingEncoder(), OverlapReranker())
    dropped, _ = outcome(run)
    assert {id for id, reason in dropped.items() if reason == "answers"} == {
        "answer",
        "miss",
        "weak",
    }


def test_nothing_is_asked_twice(run):
    """A second start asks nothing and writes the same bytes; a wider band asks only what is new."""
    run.config = settings(doubt_below=0.001)
    first = judged(run)
    before = run.file("scores.jsonl").read_bytes()
    assert judged(run) == []
    assert run.file("scores.jsonl").read_bytes() == before
    run.config = settings()
    more = judged(run)
    assert len(first) == 2
    assert len(more) == 1


def test_what_the_judge_does_not_say_is_left_to_the_encoder(run):
    """Replies of no use are counted, and the verdicts are the encoder's."""
    run.config = settings(None)
    verify_documents(run, HashingEncoder())
    alone = outcome(run)
    run.config = settings("judge/relevance")
    judged(run, lambda _: "perhaps")
    books = run.books()["verify.judge"]
    assert (books["in"], books["kept"], sum(books["rejected"].values())) == (3, 0, 3)
    verify_documents(run, HashingEncoder())
    assert outcome(run) == alone


def test_without_a_judge_its_word_is_forgotten(run):
    """When the settings name no judge any more, nothing that one has said decides anything."""
    judged(run)
    run.config = settings(None)
    forget_judgements(run)
    assert not scores(run)
    assert run.books()["verify.judge"] == {"in": 0, "kept": 0, "rejected": {}, "failed": {}}


def test_what_was_said_of_other_documents_decides_nothing(run):
    """When a document comes out otherwise under the same id, the judge's word on the old one is void."""
    judged(run)
    documents = list(run.read("documents.jsonl", Document))
    other = "How long is green tea steeped, nobody knows; not here and not there."
    changed = [
        replace(d, text=other) if d.id == "miss" else d for d in documents if d.source == "negative"
    ]
    plant(run, "generate.negatives", "documents.jsonl", changed)
    verify_documents(run, HashingEncoder())
    dropped, _ = outcome(run)
    assert dropped["miss"] == "answers"
    assert all(
        "judge_yes" not in d.scores
        for e in run.read("examples.jsonl", Example)
        for d in e.documents
    )


@pytest.mark.parametrize("name", ["query/question", "document/graded"])
def test_a_prompt_that_judges_nothing_is_refused(name):
    """A prompt that makes something else is told, with what is needed."""
    with pytest.raises(PromptError, match=r"verify\.judge needs a prompt that makes a judgement"):
        judge_prompt(settings(name))
