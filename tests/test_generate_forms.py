"""Prompts of more than one turn, of replies in JSON, of one call per grade: what becomes of their records."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from synthneg.config import LLMConfig, RunConfig
from synthneg.errors import PromptError
from synthneg.generate.jobs import About, all_prompts, document_jobs, origin_of, text_of
from synthneg.generate.query_jobs import AboutQuery, queries_of, query_jobs
from synthneg.llm.ask import Answer, Asker, Failure, Job, Outcome
from synthneg.llm.base import Reply, Request
from synthneg.llm.jobs import job_for
from synthneg.llm.ledger import Ledger
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt, replaced
from synthneg.prompts.shelf import load
from synthneg.records import Origin, Passage, Query
from synthneg.testing import ScriptedBackend

PASSAGE = Passage("p1", "Green tea turns bitter above eighty degrees.", "Green tea")
QUERY = Query("p1:question:0", "why is my tea bitter", "p1", "train", Origin("q@1", "m", {}, 1, ""))
SETTINGS = RunConfig(run="r", corpus={"path": "docs"})


def ask(jobs: list[Job], reply: Any = None) -> tuple[list[Outcome], list[Request]]:
    """Return the outcomes of jobs, and what the backend was sent."""
    backend = ScriptedBackend(reply) if reply else ScriptedBackend()
    found: list[Outcome] = []

    async def work() -> None:
        asker = Asker(backend, Ledger(Path(":memory:")), LLMConfig(reasks=0), 7)
        asked = [(None, job) for job in jobs]
        async for _, _, outcome in asker.ask(asked, Progress("", None, "").advance):
            found.append(outcome)

    asyncio.run(work())
    return found, backend.asked


def passage_job(prompt: Prompt, number: int = 0) -> Job:
    """Return a job of a prompt that makes a query."""
    values = {"passage": {"text": PASSAGE.text, "title": PASSAGE.title}}
    return job_for(prompt, f"p1:{prompt.kind}:{number}", values, 7)


def test_how_probable_a_query_was_is_kept_where_it_is_asked_for() -> None:
    """With generate.queries.logprobs the request asks for it, and the record's origin has it; else neither does."""
    prompt = load("query/question-zero-shot")
    for wanted in (True, False):
        config = RunConfig(
            run="r", corpus={"path": "docs"}, generate={"queries": {"logprobs": wanted}}
        )
        [(about, job)] = query_jobs(config, [prompt], [PASSAGE])
        [outcome], [sent] = ask([job])
        assert isinstance(outcome, Answer)
        [query] = queries_of(about, job, outcome)
        assert ("logprobs" in sent.sampling) is wanted
        assert query.origin.said == ({"logprob": -0.25} if wanted else {})


def test_what_a_named_turn_said_is_kept_and_shown_to_the_model() -> None:
    """The choice of the first call stands in the record's origin, and in the second call as the model's own words."""
    prompt = load("query/persona")
    job = passage_job(prompt)
    [outcome], asked = ask([job])
    assert isinstance(outcome, Answer)
    [query] = queries_of(AboutQuery(prompt, "p1", "train", PASSAGE), job, outcome)
    assert set(query.origin.said) == {"persona"}
    assert set(query.origin.said["persona"]) == {"character", "question_type", "difficulty"}
    first, second = asked
    assert first.schema == prompt.head.turns["persona"]
    assert second.schema is None
    assert [m.role for m in second.messages] == ["system", "user", "assistant", "user"]
    assert orjson.loads(second.messages[2].content or "") == query.origin.said["persona"]


def test_a_turn_that_sees_the_record_is_asked_for_each_draw() -> None:
    """Two draws of one passage choose two personas; the definition before a negative is asked for once for all."""
    _, asked = ask([passage_job(load("query/persona"), n) for n in range(2)])
    assert len({request.seed for request in asked if request.schema}) == 2
    prompt = load("negative/defined-first")
    jobs = [job_for(prompt, f"q{n}", {"query": {"text": f"tea {n}"}}, 7) for n in range(3)]
    _, asked = ask(jobs)
    assert sum(len(request.messages) == 2 for request in asked) == 1


def test_an_incomplete_plan_ends_the_record() -> None:
    """A first call that brings no requirements leaves nothing to break: the record is a reject of that reason."""
    prompt = load("negative/requirement-violation")
    [(_, job)] = document_jobs(SETTINGS, [prompt], [(QUERY, PASSAGE)])
    [outcome], asked = ask([job], lambda _: '{"need": "why tea turns bitter"}')
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.replied) == ("schema", True)
    assert "plan" in outcome.detail
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["query/summarise-then-ask", "negative/rewrite-mined"])
def test_of_a_json_reply_one_key_is_the_text_and_the_others_are_kept(name: str) -> None:
    """The record's text is the key that its kind says; what else the object holds stands in its origin."""
    prompt = load(name)
    near = {"text": "Black tea is fermented.", "title": ""}
    values = {"passage": near, "mined": near, "query": {"text": QUERY.text}}
    job = job_for(prompt, "x", {need: values[need] for need in prompt.head.needs}, 7)
    [outcome], _ = ask([job])
    assert isinstance(outcome, Answer)
    text = text_of(prompt, outcome)
    assert text == outcome.value[prompt.text_key]
    said = origin_of(prompt, outcome, job.draws).said
    assert said == {k: v for k, v in outcome.value.items() if k != prompt.text_key} != {}


def test_a_json_reply_without_its_text_has_none() -> None:
    """A reply that has the summary and lacks the query makes no query."""
    prompt = load("query/summarise-then-ask")
    job = passage_job(prompt)
    reply = Reply('{"summary": "Tea turns bitter when it is too hot."}', "stop", 1, 1, "m")
    [outcome], _ = ask([job], lambda _: reply.text)
    assert isinstance(outcome, Answer)
    assert outcome.missing == ("query",)
    assert queries_of(AboutQuery(prompt, "p1", "train", PASSAGE), job, outcome) == []


def test_one_call_per_grade_asks_for_each_with_draws_of_its_own() -> None:
    """Each grade is a job with its own id, instruction, seed and draws."""
    prompt = load("document/one-grade")
    found = list(document_jobs(SETTINGS, [prompt], [(QUERY, PASSAGE)]))
    assert [about for about, _ in found] == [About(prompt, QUERY.id, (g,)) for g in (3, 2, 1, 0)]
    assert [job.id[-2:] for _, job in found] == [":3", ":2", ":1", ":0"]
    assert len({job.messages[-1].content for _, job in found}) == 4
    assert len({job.seed for _, job in found}) == 4
    assert all(set(job.draws) == {"words", "register", "level"} for _, job in found)


def test_exemplars_and_draws_of_a_run_replace_the_files() -> None:
    """With generate.replace the run's own pool and lists are used, under a hash of their own that its text has."""
    pool = [{"passage": f"Rock {n}.", "query": f"which rock is {n}"} for n in range(3)]
    own = {"query/question": {"examples": pool}}
    config = RunConfig(
        run="r",
        corpus={"path": "d"},
        generate={"queries": {"prompts": ["query/question"]}, "replace": own},
    )
    prompt = all_prompts(config)[0]
    text = "".join(message.content or "" for message in passage_job(prompt).messages)
    assert text.count("which rock is") == 3
    assert "Honeybees" not in text
    assert prompt.name == "query/question"
    assert prompt.tag != load("query/question").tag
    natural = replaced(load("query/natural"), (), {"words": {"low": 3, "high": 3}})
    assert passage_job(natural).draws["words"] == 3


@pytest.mark.parametrize(
    ("examples", "draws", "said"),
    [
        ([{"text": "a"}], {}, "keys passage, query, got text"),
        ([{"passage": "a", "query": "b"}], {}, "draw 3 of a pool of 1"),
        ([], {"colour": ["red"]}, "the prompt draws nothing, not colour"),
    ],
)
def test_a_replacement_that_does_not_fit_is_told(
    examples: list[dict[str, str]], draws: dict[str, Any], said: str
) -> None:
    """Another shape of exemplars, too few of them, and a draw that the prompt does not make are errors of one line."""
    with pytest.raises(PromptError, match=said):
        replaced(load("query/question"), examples, draws)


def test_a_replacement_for_a_prompt_that_is_not_used_is_told() -> None:
    """A misspelt name in generate.replace is not passed over."""
    config = RunConfig(
        run="r", corpus={"path": "d"}, generate={"replace": {"query/qestion": {"draws": {}}}}
    )
    with pytest.raises(PromptError, match="query/qestion is no prompt of this run"):
        all_prompts(config)
