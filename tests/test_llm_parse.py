"""From raw replies to values: what is cut off, what is refused, and that nothing is raised."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synthneg.llm.base import Reply
from synthneg.llm.parse import Problem, parse

GRADED = {
    "type": "object",
    "properties": {"1": {"type": "string"}, "0": {"type": "string"}},
    "required": ["1", "0"],
}
PASSAGE = "Green tea is steeped at eighty degrees. It turns bitter above that."


def reply(text: str, finish: str = "stop") -> Reply:
    """Return a reply of this text."""
    return Reply(text, finish, 1, 1, "m")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (PASSAGE, PASSAGE),
        (f"  \n{PASSAGE}\n\n", PASSAGE),
        (f"Sure! {PASSAGE}", PASSAGE),
        (f"Sure! Here is the passage:\n\n{PASSAGE}", PASSAGE),
        (f"Sure, here's a hard negative passage for your query: {PASSAGE}", PASSAGE),
        (f"Here’s the passage you asked for:\n{PASSAGE}", PASSAGE),
        (f"Certainly, I can help with that. {PASSAGE}", PASSAGE),
        (f"Of course.\n\n{PASSAGE}", PASSAGE),
        (f"Here you are:\n{PASSAGE}", PASSAGE),
        (f"Hard negative: {PASSAGE}", PASSAGE),
        (f"**Passage 1:** {PASSAGE}", PASSAGE),
        (f"**Passage**: {PASSAGE}", PASSAGE),
        (f"```\n{PASSAGE}\n```", PASSAGE),
        (f"```text\n{PASSAGE}\n```\n", PASSAGE),
        (f"Here is the passage:\n```\n{PASSAGE}\n```", PASSAGE),
        (f"<think>The user wants tea.\n</think>\n\n{PASSAGE}", PASSAGE),
        (f"The user wants tea, so I write of tea.\n</think>\n\n{PASSAGE}", PASSAGE),
        ('"how is green tea steeped"', "how is green tea steeped"),
        ("'what's the right heat for tea'", "what's the right heat for tea"),
        ("“how hot is tea”", "how hot is tea"),
        ("`green tea heat`", "green tea heat"),
        ('Question: "how hot is tea?"', "how hot is tea?"),
        ("Query: how hot is tea", "how hot is tea"),
        ("Keywords: tea, heat", "tea, heat"),
        ("Title: How hot is tea", "How hot is tea"),
        # What only looks like a wrapping belongs to the text.
        ('"green tea" or "black tea"', '"green tea" or "black tea"'),
        ("Yes, tea fades. Keep it dark and dry.", "Yes, tea fades. Keep it dark and dry."),
        ("Sure signs of frost: black leaves", "Sure signs of frost: black leaves"),
        ("Yes Minister: who wrote it", "Yes Minister: who wrote it"),
        ("Here's how it works: water boils.", "Here's how it works: water boils."),
        ("ok corral gunfight. when", "ok corral gunfight. when"),
        ("I'm able to steep tea cold.", "I'm able to steep tea cold."),
        ("I'm sorry to hear that it died.", "I'm sorry to hear that it died."),
    ],
)
def test_only_the_wrapping_is_cut_off(raw: str, text: str) -> None:
    """Preambles, labels, fences, quotes and reasoning around a text go; a text that begins like one stays whole."""
    assert parse(reply(raw), None) == text


@pytest.mark.parametrize(
    ("raw", "finish", "reason"),
    [
        ("", "stop", "empty"),
        (" \n\t", "stop", "empty"),
        ("<think>I am not sure", "length", "truncated"),
        ("<think>tea</think>", "stop", "empty"),
        ("Sure! Here is the passage:\n", "stop", "empty"),
        ('""', "stop", "empty"),
        ("I'm sorry, but I can't help with that.", "stop", "refusal"),
        ("I’m sorry, but I can’t help with that.", "stop", "refusal"),
        ("I cannot assist with this request.", "stop", "refusal"),
        ("I am not able to write this.", "stop", "refusal"),
        ("I'm unable to write this.", "stop", "refusal"),
        ("As an AI language model, I do not drink tea.", "stop", "refusal"),
        ("Unfortunately, I can't write this.", "stop", "refusal"),
        ("Green tea is steeped at eighty and then it", "length", "truncated"),
        ("Tea. And then a long half of a sentence that never", "length", "truncated"),
    ],
)
def test_what_is_no_answer_says_why(raw: str, finish: str, reason: str) -> None:
    """A reply without a text becomes a Problem whose code tells empty, refusal and truncated apart."""
    problem = parse(reply(raw, finish), None)
    assert isinstance(problem, Problem)
    assert problem.reason == reason


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (f"{PASSAGE} And so", PASSAGE),
        (PASSAGE, PASSAGE),
        ("绿茶用八十度的水冲泡。再热就会变苦。然后", "绿茶用八十度的水冲泡。再热就会变苦。"),
        ('He said: "Steep it at eighty." Then', 'He said: "Steep it at eighty."'),
    ],
)
def test_a_cut_text_ends_with_its_last_whole_sentence(raw: str, text: str) -> None:
    """A reply that ran into the limit is kept up to its last sentence, if that is most of it."""
    assert parse(reply(raw, "length"), None) == text


@pytest.mark.parametrize(
    "raw",
    [
        '{"1": "near", "0": "far"}',
        'Here is the JSON:\n```json\n{"1": "near", "0": "far"}\n```\nI hope that helps.',
        '<think>{"1": "no"}</think>{"1": "near", "0": "far"}',
    ],
)
def test_json_is_found_in_what_stands_around_it(raw: str) -> None:
    """The object of a reply is read wherever prose, a fence or reasoning surrounds it."""
    assert parse(reply(raw), GRADED) == {"1": "near", "0": "far"}


@pytest.mark.parametrize(
    ("raw", "finish", "reason", "said"),
    [
        ("Here you are.", "stop", "not_json", "no JSON object"),
        ('{"1": "near", "0": "fa', "length", "truncated", "near"),
        ('{"1": "near", "0": }', "stop", "not_json", ""),
        ('{"1": "near"}', "stop", "schema", ": 0"),
        ('{"1": "near", "0": "  "}', "stop", "schema", ": 0"),
        ('{"1": null, "0": {"text": "far"}}', "stop", "schema", ": 1, 0"),
        ('{"1": 5, "0": "far"}', "stop", "schema", ": 1"),
        ('["near", "far"]', "stop", "not_json", ""),
        ('{"1":' * 9_999 + "1" + "}" * 9_999, "stop", "not_json", ""),
    ],
)
def test_json_that_does_not_fit_says_what_is_missing(
    raw: str, finish: str, reason: str, said: str
) -> None:
    """A reply that is no JSON, or lacks a required text, is a Problem that names what is wrong."""
    problem = parse(reply(raw, finish), GRADED)
    assert isinstance(problem, Problem)
    assert problem.reason == reason
    assert said in problem.detail


odd = st.lists(
    st.sampled_from(
        [
            "<think>",
            "</think>",
            "```",
            "{",
            "}",
            '"',
            "'",
            "“",
            "Sure",
            "Here is",
            ":",
            "\n",
            "I'm sorry",
            "passage",
        ]
    )
    | st.text(st.characters(), max_size=8)
).map("".join)


@given(odd, st.sampled_from(["stop", "length", "content_filter"]), st.sampled_from([None, GRADED]))
@example("\ud800", "stop", GRADED)
def test_parsing_never_raises(text: str, finish: str, schema: dict[str, Any] | None) -> None:
    """Whatever the model wrote, parsing gives a filled value or a Problem with a code of the list."""
    value = parse(reply(text, finish), schema)
    if isinstance(value, Problem):
        assert value.reason in {"empty", "refusal", "truncated", "not_json", "schema"}
    elif schema is None:
        assert value == value.strip() != ""
    else:
        assert all(value[key].strip() for key in schema["required"])


@given(odd)
def test_a_parsed_text_holds_nothing_that_the_reply_does_not(text: str) -> None:
    """Parsing cuts off and never rewrites: its text stands in the reply as it is."""
    value = parse(reply(text), None)
    assert isinstance(value, Problem) or value in text
