"""From raw replies to values: what is cut off, what is refused, and that nothing is raised."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from odd import Odd, odd_replies

from synthneg.llm.base import Reply
from synthneg.llm.extract import values
from synthneg.llm.parse import Parsed, Problem, parse
from synthneg.prompts.head import Form

GRADED = {
    "type": "object",
    "properties": {"1": {"type": "string"}, "0": {"type": "string"}},
    "required": ["1", "0"],
}
WORDS = [
    ("Yes", "stop", "Yes"),
    ("**No**, the passage", "length", "No"),
    ("Yes, it says that tea", "length", "Yes"),
    ("<think>Is it hot?</think> yes.", "stop", "yes"),
    (" ...", "stop", "empty"),
    ("", "stop", "empty"),
    ("<think>Is it", "length", "reasoning"),
    ("I'm sorry, but I can't help with that.", "stop", "refusal"),
]
PASSAGE = "Green tea is steeped at eighty degrees. It turns bitter above that."


def reply(text: str, finish: str = "stop") -> Reply:
    """Return a reply of this text."""
    return Reply(text, finish, 1, 1, "m")


@pytest.mark.parametrize(("raw", "finish", "expected"), WORDS)
def test_of_a_word_nothing_is_cut(raw: str, finish: str, expected: str) -> None:
    """The first word of a reply is its value, though the limit of tokens ended what came after it."""
    parsed = parse(reply(raw, finish), "word")
    assert (parsed.value if isinstance(parsed, Parsed) else parsed.reason) == expected


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
    assert parse(reply(raw), "text") == Parsed(text)


@pytest.mark.parametrize(
    ("raw", "finish", "reason"),
    [
        ("", "stop", "empty"),
        (" \n\t", "stop", "empty"),
        ("<think>I am not sure", "length", "reasoning"),
        ("<think>I am not sure", "stop", "reasoning"),
        ("<think>tea</think>", "length", "reasoning"),
        ("\n" * 99, "length", "whitespace_loop"),
        ("How hot? " + "Tea is hot. " * 40, "length", "repeats"),
        ("tea " + "-=" * 90, "length", "whitespace_loop"),
        ("Tea.", "content_filter", "refusal"),
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
    problem = parse(reply(raw, finish), "text")
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
    assert parse(reply(raw, "length"), "text") == Parsed(text)


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
    assert parse(reply(raw), GRADED) == Parsed({"1": "near", "0": "far"})


@pytest.mark.parametrize(
    ("raw", "finish", "reason", "said"),
    [
        ("Here you are.", "stop", "not_json", "no JSON object"),
        ('{"1": "ne', "length", "truncated", "ne"),
        ('{"1": }', "stop", "not_json", ""),
        ('{"2": "near"}', "stop", "schema", ": 1, 0"),
        ('{"1": "", "0": "  "}', "stop", "schema", ": 1, 0"),
        ('{"1": null, "0": {"text": "far", "more": "off"}}', "stop", "schema", ": 1, 0"),
        ('{"1": 5, "0": ["far"]}', "stop", "schema", ": 1, 0"),
        ('["near", "far"]', "stop", "not_json", ""),
        ('{"1":' * 9_999 + "1" + "}" * 9_999, "stop", "not_json", ""),
        ('{"1": "I\'m sorry, but I can\'t help.", "0": null}', "stop", "refusal", "sorry"),
        ('{"1": ' + "\n" * 99, "length", "whitespace_loop", ""),
        ('{"1": "' + "\\n" * 99, "length", "whitespace_loop", ""),
        ('{"1": "' + "so it is said, and " * 9, "length", "repeats", ""),
        ('{"1": "' + "".join(f"{n}. tea; " for n in range(30)), "length", "repeats", ""),
    ],
)
def test_json_that_gives_nothing_says_why(raw: str, finish: str, reason: str, said: str) -> None:
    """A reply that is no JSON, or lacks every required text, is a Problem that names what is wrong."""
    problem = parse(reply(raw, finish), GRADED)
    assert isinstance(problem, Problem)
    assert problem.reason == reason
    assert said in problem.detail


@pytest.mark.parametrize(
    ("raw", "finish"),
    [
        ('{"1": "near"}', "stop"),
        ('{"1": "near", "0": }', "stop"),
        ('{"1": "near", "0": "  "}', "stop"),
        ('{"1": "near", "0": null}', "stop"),
        ('{"1": "near", "0": "As an AI, I cannot."}', "stop"),
        ('{"1": "near", "0": "fa', "length"),
        ('{"1": "near", "0', "length"),
        ('{"1": "near", ' + "\n\t" * 300, "length"),
        ('{"1": {"content": "near"}, "0": 7}', "stop"),
        ("**1:** near\n**0:** fa", "length"),
        ('{"1": "near", "0": "He said "no"', "length"),
    ],
)
def test_what_is_whole_is_kept_and_the_rest_is_named(raw: str, finish: str) -> None:
    """Of an object that lacks a text, or was cut in it, the other texts are kept, and the text is named as missing."""
    assert parse(reply(raw, finish), GRADED) == Parsed({"1": "near"}, ("0",))


def test_quotes_inside_a_text_end_it_only_where_json_goes_on() -> None:
    """A quote without a backslash is part of its text, one before a brace too, unless a key or the end follows."""
    raw = '{"1": "she said "use {"a"} now", and left", "0": "far"} Done.'
    assert parse(reply(raw), GRADED) == Parsed(
        {"1": 'she said "use {"a"} now", and left', "0": "far"}
    )


LISTED = {
    "type": "object",
    "properties": {
        "marks": {"type": "array", "minItems": 3, "items": {"type": "integer", "maximum": 3}},
        "texts": {"type": "array", "minItems": 2, "items": {"type": "string", "minLength": 3}},
    },
    "required": ["marks", "texts"],
}


@pytest.mark.parametrize(
    ("marks", "texts", "value", "missing"),
    [
        ([1, 2, 3], ["one", "two"], {"marks": [1, 2, 3], "texts": ["one", "two"]}, ()),
        ([1, "2", 3.0], ["one", 2, "", "two"], {"marks": [1, 2, 3], "texts": ["one", "two"]}, ()),
        ([1, 9, 3], ["one"], {"marks": [1], "texts": ["one"]}, ("marks", "texts")),
        ([1, 2, None], [], {"marks": [1, 2], "texts": []}, ("marks", "texts")),
        ([True, 1, 1], [{"t": "one"}, "two"], {"texts": ["one", "two"]}, ("marks",)),
    ],
)
def test_items_that_fit_are_kept(
    marks: list[Any], texts: list[Any], value: dict[str, Any], missing: tuple[str, ...]
) -> None:
    """A list keeps the texts that fit, and the marks up to the first that does not: their place counts."""
    assert parse(reply(json.dumps({"marks": marks, "texts": texts})), LISTED) == Parsed(
        value, missing
    )


@pytest.mark.parametrize(
    ("schema", "value", "fits"),
    [
        ({"type": "string", "maxLength": 3}, "tea", True),
        ({"type": "string", "maxLength": 3}, "teas", False),
        ({"type": "string", "maxLength": 120}, "so it is said, and " * 6 + "so it", False),
        ({"type": "number", "minimum": 0, "maximum": 1}, 0.5, True),
        ({"type": "number", "minimum": 0}, -1, False),
        ({"type": "integer"}, 1.5, False),
        ({"type": "integer"}, True, False),
        ({"type": "boolean"}, False, True),
        ({"type": "boolean"}, 0, False),
        ({"enum": ["yes", "no"]}, "no", True),
        ({"enum": ["yes", "no"]}, "perhaps", False),
        ({"enum": [0, 1]}, True, False),
        ({"const": 3}, 3, True),
        ({"type": ["string", "null"]}, None, True),
        ({"type": ["string", "null"]}, 3, False),
        ({}, None, False),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, {"a": "b"}, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, {"a": 1}, False),
    ],
)  # fmt: skip
def test_a_value_fits_its_kind_or_is_missing(schema: Form, value: object, fits: bool) -> None:
    """Types, lengths, bounds and enumerations of a schema are looked at, one level of objects deep and more."""
    form = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    got = parse(reply(json.dumps({"x": value})), form)
    assert got == Parsed({"x": value}) if fits else isinstance(got, Problem)


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("1. How hot?\n2) Who?\n- Why?\nQ4: When?", ["How hot?", "Who?", "Why?", "When?"]),
        ("Here are two questions:\n\nHow hot?\nWho?", ["How hot?", "Who?"]),
        ("Sure, I can help.\n\nHow hot?\n\nWho?\n\nFeel free to ask.", ["How hot?", "Who?"]),
        ("Questions:\n1. How hot?\n   Answer: 80\n2. Who?\nThese cover it all.", ["How hot?", "Who?"]),
        ("How hot?\nhow  hot\nWho?", ["How hot?", "Who?"]),
        ('1. "How hot?"\n2. **Who?**\n3. **Question:** Why?', ["How hot?", "Who?", "Why?"]),
        ('```json\n["How hot?", "Who?"]\n```', ["How hot?", "Who?"]),
        ('{"questions": ["How hot?", "Who?"]}', ["How hot?", "Who?"]),
        ("[1] is the first\n[2] is the second", ["[1] is the first", "[2] is the second"]),
        ("3 ways to steep\n2.5 litre pots", ["3 ways to steep", "2.5 litre pots"]),
        ("<think>\n1. no\n</think>\n1. How hot?", ["How hot?"]),
    ],
)  # fmt: skip
def test_lines_give_the_items_alone(raw: str, found: list[str]) -> None:
    """Numbers, bullets, labels, introductions, answers, offers and repetitions of a list go; its items stay."""
    assert parse(reply(raw), "lines") == Parsed(found)


def test_the_last_line_of_a_cut_list_counts_if_it_ends() -> None:
    """Of a list that ran into the limit, the last line is an item only where a sentence ends."""
    assert parse(reply("1. How hot?\n2. Who wo", "length"), "lines") == Parsed(["How hot?"])
    assert parse(reply("1. How hot?\n2. Who?", "length"), "lines") == Parsed(["How hot?", "Who?"])
    problem = parse(reply("1. How ho", "length"), "lines")
    assert isinstance(problem, Problem)
    assert problem.reason == "truncated"


@pytest.mark.parametrize(
    "text",
    [
        "The <think> tag is not part of HTML.",
        "Use `</think>` to close it, and `<think>` to open it.",
        "Reasoning ends with </think> in most models.",
        "A passage on <reasoning> tags, which some models write.",
    ],
)
def test_a_text_that_speaks_of_tags_stays_whole(text: str) -> None:
    """A tag that is quoted, or a word of a sentence, begins and ends no reasoning."""
    assert parse(reply(text), "text") == Parsed(text)


def test_a_text_ends_where_the_prompt_ends_it() -> None:
    """Where a reply was asked without the prompt's stop sequences, parsing applies them, after the preamble."""
    raw = "<think>\nTea.\n</think>\n\nSure! Here is the question:\n\nhow hot is tea\nPassage: more"
    assert parse(reply(raw), "text", ("\n",)) == Parsed("how hot is tea")


@pytest.mark.parametrize("one", odd_replies(), ids=lambda one: f"{one.made} {one.prompt}")
def test_odd_replies_give_what_a_person_would_take(one: Odd) -> None:
    """Each reply of the corpus gives the value, the missing keys or the reason that stand beside it."""
    got = parse(one.reply, one.form, one.stop)
    if isinstance(got, Problem):
        assert {"problem": got.reason} == one.gives
    else:
        assert got == Parsed(one.gives.get("value"), tuple(one.gives.get("missing", ())))


def test_the_corpus_holds_replies_of_real_models() -> None:
    """At least thirty of the odd replies were given by models, of three kinds or more."""
    made = [one.made for one in odd_replies() if one.made != "by_hand"]
    assert len(made) >= 30
    assert len(set(made)) >= 3


@pytest.mark.parametrize("form", ["text", "lines", GRADED], ids=["text", "lines", "schema"])
@pytest.mark.parametrize(
    "unit",
    ['"', "{", "[", " ", "\n", "<think>", "</think>", "```", '{"', '",', '{"1":', "“", "'", "1. ", "Query: ", "/*",
     "\\", "<|channel|>", "Sure! ", "Here is ", "1\n", "**", ".'", '{"1": "near", "0": "', "a"],
)  # fmt: skip
def test_a_megabyte_of_anything_takes_bounded_time(unit: str, form: Form) -> None:
    """A reply of a megabyte of one piece of syntax is parsed in seconds, whatever the piece."""
    start = time.process_time()
    for head in ("", '{"1": "near", ', "<think>"):
        parse(reply(head + unit * (1_000_000 // len(unit)), "length"), form)
    assert time.process_time() - start < 5


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


FORMS: list[Form] = ["text", "lines", GRADED, LISTED]
REASONS = ("empty refusal truncated reasoning whitespace_loop repeats not_json schema").split()


@given(odd, st.sampled_from(["stop", "length", "content_filter"]), st.sampled_from(FORMS))
@example("\ud800", "stop", GRADED)
@example('{"1": "\\ud800", "0": "far"}', "stop", GRADED)
def test_parsing_never_raises(text: str, finish: str, form: Form) -> None:
    """Whatever the model wrote, parsing gives a filled value or a Problem with a code of the list."""
    got = parse(reply(text, finish), form)
    if isinstance(got, Problem):
        assert got.reason in REASONS
    elif form == "text":
        assert got.value == got.value.strip() != ""
    elif form == "lines":
        assert got.value
        assert all(item == item.strip() != "" for item in got.value)
    elif form is GRADED:
        assert set(got.missing) < {"1", "0"}
        assert all(got.value[key].strip() for key in {"1", "0"} - set(got.missing))


@given(odd)
def test_a_parsed_text_holds_nothing_that_the_reply_does_not(text: str) -> None:
    """Parsing cuts off and never rewrites: its texts stand in the reply as they are."""
    got = parse(reply(text), "text")
    assert isinstance(got, Problem) or got.value in text
    got = parse(reply(text), "lines")
    if isinstance(got, Parsed) and text.strip()[:1] not in ("[", "{", "`"):
        assert all(item in text for item in got.value)


# Without what parsing looks for on purpose: refusals, blanks alone, and a text that is one other word.
words = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", categories=["L", "N", "P", "Zs"]), max_size=30
).filter(lambda text: text.strip() != "").map(lambda text: f"x{text}x")  # fmt: skip
graded = st.fixed_dictionaries({"1": words, "0": words})
WRAPPERS = [
    "{}",
    "  \n{}\n",
    "```json\n{}\n```",
    "```\n{}\n```",
    "Here is the JSON:\n{}",
    "Sure! {{1}} and [2]:\n\n```json\n{}\n```\nLet me know {{if}} you need more.",
    '<think>\nFirst {{"1": "no"}}, or {{}}.\n</think>\n{}',
    '{{"1": 2}}</think>{}',
    "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
    "[{}]",
    '{{"result": {}}}',
    "{}<|im_end|>",
    'The form is {{"1": "", "0": ""}}. {} That is all.',
]


@given(graded, st.sampled_from(WRAPPERS), st.sampled_from([None, 2]))
def test_json_comes_out_of_every_wrapper_as_it_went_in(
    value: dict[str, str], wrapper: str, indent: int | None
) -> None:
    """An object in prose, fences, reasoning, channels, lists and objects is read as if it stood alone."""
    text = wrapper.format(json.dumps(value, indent=indent, ensure_ascii=False))
    assert parse(reply(text), GRADED) == Parsed(value)


@given(graded, st.sampled_from(["comma", "twice", "python", "breaks"]))
def test_faults_that_lose_nothing_are_mended(value: dict[str, str], fault: str) -> None:
    """Trailing commas, JSON within a JSON string, Python's literals and bare line breaks change no value."""
    plain = {
        key: text.replace('"', "").replace("'", "").replace("\\", "") for key, text in value.items()
    }
    written = json.dumps(plain)
    if fault == "comma":
        written = written[:-1] + " , }"
    elif fault == "twice":
        written = json.dumps(written)
    elif fault == "python":
        written = repr(plain | {"more": None, "and": True})
        plain = plain | {"more": None, "and": True}
    else:
        plain = {key: f"{text}\n\t{text}" for key, text in plain.items()}
        written = json.dumps(plain, ensure_ascii=False).replace("\\n", "\n").replace("\\t", "\t")
    assert parse(reply(written), GRADED) == Parsed(plain)


@given(graded, st.data())
def test_a_cut_object_gives_whole_texts_only(value: dict[str, str], data: st.DataObject) -> None:
    """However an object is cut off, each text that is kept is whole, and the others are named as missing."""
    written = json.dumps(value)
    cut = written[: data.draw(st.integers(0, len(written) - 1))]
    got = parse(reply(cut, "length"), GRADED)
    if isinstance(got, Parsed):
        assert all(got.value[key] == value[key] for key in got.value)
        assert set(got.missing) == {"1", "0"} - set(got.value)


def strings_in(value: Any) -> list[str]:
    """Return all strings of a JSON value, its keys too."""
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in [key, *strings_in(item)]]
    if isinstance(value, list):
        return [text for item in value for text in strings_in(item)]
    return [value] if isinstance(value, str) else []


@given(
    graded,
    st.lists(
        st.tuples(st.integers(0, 99), st.sampled_from(list("{}[]\",:'`\n") + [""])), max_size=4
    ),
)
def test_nothing_is_made_up_for_damaged_json(
    value: dict[str, str], damage: list[tuple[int, str]]
) -> None:
    """Whatever is put into JSON or taken out of it, every string that is read stands in the text."""
    plain = {key: re.sub(r'[\\"]', "", text) for key, text in value.items()}  # no escapes to undo
    written = json.dumps(plain, ensure_ascii=False)
    for at, mark in damage:
        place = at % len(written)
        written = written[:place] + mark + written[place + (not mark) :]
    for found, _ in values(written):
        assert all(text in written for text in strings_in(found))
