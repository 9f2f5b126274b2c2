"""How a record is asked for anew: each fault of a reply changes what cures it, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.llm.again import again
from synthneg.llm.base import Reply, Request
from synthneg.llm.parse import Problem, parse
from synthneg.prompts.head import Form
from synthneg.prompts.render import Message

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
}
SAMPLING = {"temperature": 0.7, "max_tokens": 60, "stop": ["\n"]}
REASONS = ("empty refusal truncated reasoning whitespace_loop repeats not_json schema").split()


def request_of(form: Form = "text") -> Request:
    """Return the first request for a record."""
    return Request((Message("user", "tea"),), SAMPLING, 7, form if isinstance(form, dict) else None)


def after(reason: str, form: Form = "text", attempt: int = 1, request: Request | None = None) -> Request:  # fmt: skip
    """Return what is asked after a problem of this kind."""
    return again(request or request_of(form), form, Problem(reason, ""), attempt, 100 + attempt)


@pytest.mark.parametrize("reason", ["refusal", "repeats", "not_json", "schema"])
@pytest.mark.parametrize("form", ["text", "lines", SCHEMA], ids=["text", "lines", "schema"])
def test_the_first_time_chance_alone_changes(reason: str, form: Form) -> None:
    """After a refusal, a repetition, or JSON that does not fit, the same is asked with another seed."""
    assert after(reason, form) == replace(request_of(form), seed=101)


def test_a_truncated_reply_gets_twice_the_room_twice() -> None:
    """The room of a reply that was cut doubles with each asking, up to four times the prompt's."""
    request, rooms = request_of(), []
    for attempt in (1, 2, 3, 4):
        request = after("truncated", attempt=attempt, request=request)
        rooms.append(request.sampling["max_tokens"])
    assert rooms == [120, 240, 240, 240]
    assert request.sampling["stop"] == ["\n"]


def test_reasoning_gets_room_and_no_stop() -> None:
    """A reply that ended in its reasoning is asked for without stop sequences, with room for reasoning."""
    sampling = after("reasoning").sampling
    assert sampling["max_tokens"] >= 2048
    assert "stop" not in sampling
    assert sampling["temperature"] == SAMPLING["temperature"]


def test_an_empty_reply_is_asked_for_without_stop() -> None:
    """A model that begins with an empty line is stopped there: the next asking has no stop sequence."""
    assert after("empty").sampling == {"temperature": 0.7, "max_tokens": 60}


def test_a_loop_of_blanks_goes_without_the_schema_at_once() -> None:
    """After blanks without end under a schema, the next request has none and no more room."""
    request = after("whitespace_loop", SCHEMA)
    assert request.schema is None
    assert request.sampling == SAMPLING


@pytest.mark.parametrize("reason", ["refusal", "empty", "not_json", "schema", "repeats"])
def test_the_second_time_goes_without_the_schema(reason: str) -> None:
    """A reply that is of no use twice under a schema is asked for without it."""
    first = after(reason, SCHEMA)
    assert first.schema == SCHEMA
    assert after(reason, SCHEMA, 2, first).schema is None


def test_plain_text_without_json_goes_back_to_the_schema() -> None:
    """Where plain text gave no JSON that fits, the schema is sent again."""
    plain = after("whitespace_loop", SCHEMA)
    assert after("not_json", SCHEMA, 2, plain).schema == SCHEMA
    assert after("truncated", SCHEMA, 2, plain).schema is None


@given(
    st.lists(st.sampled_from(REASONS), min_size=1, max_size=6),
    st.sampled_from(["text", "lines", SCHEMA]),
)
def test_every_asking_is_another_request_of_the_same_conversation(
    reasons: list[str], form: Form
) -> None:
    """Each asking has its own seed, the same messages, bounded room, and its form's schema or none."""
    request = request_of(form)
    for attempt, reason in enumerate(reasons, 1):
        request = after(reason, form, attempt, request)
        assert request.seed == 100 + attempt
        assert request.messages == request_of().messages
        assert request.sampling["max_tokens"] <= 64 * 2048
        assert request.schema in (None, form)
    assert SAMPLING == {"temperature": 0.7, "max_tokens": 60, "stop": ["\n"]}


def test_what_the_next_asking_brings_is_parsed_as_if_it_had_the_stop() -> None:
    """The reply to a request without stop, parsed with the prompt's, gives the same as a model that stopped itself."""
    thinking = Reply("<think>", "stop", 1, 1, "m")
    stop = tuple(SAMPLING["stop"])  # type: ignore[arg-type]
    problem = parse(thinking, "text", stop)
    assert isinstance(problem, Problem)
    request = again(request_of(), "text", problem, 1, 8)
    assert "stop" not in request.sampling
    reply = Reply("<think>\nTea.\n</think>\n\nhow hot is tea\n\nAnother: who", "stop", 1, 1, "m")
    assert parse(reply, "text", stop) == parse(replace(reply, text="how hot is tea"), "text", stop)
