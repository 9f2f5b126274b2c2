"""Prompt files: what is read from a good one, and what each mistake in one is told."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.errors import PromptError
from synthneg.prompts.file import Prompt, parse, problems
from synthneg.prompts.shelf import find, load, shipped

GOOD = """---
makes: negative
about: A near miss.
needs: [query, passage]
draws:
  words: {low: 40, high: 80}
  register: [news, forum]
reply: text
sampling: {temperature: 0.9, max_tokens: 200, stop: ["\\n"]}
---
=== system
You write.
=== user
What is hard?
=== assistant
=== user

Query: {{ query.text }}
Passage: {% if passage.title %}{{ passage.title }}. {% endif %}{{ passage["text"] | upper }}
A {{ draws.register }} of {{ draws.words }} words.
"""
PATH = Path("own.j2")


def read(source: str, name: str | None = None) -> Prompt:
    """Return the prompt whose file holds `source`."""
    return parse(source, name, PATH)


def test_a_prompt_is_read_whole() -> None:
    """Turns, roles, the open turn, sampling and name of a file come out as they stand in it."""
    prompt = read(GOOD)
    assert prompt.name == "negative/own"
    assert prompt.kind == "own"
    assert [turn.role for turn in prompt.turns] == ["system", "user", "assistant", "user"]
    assert prompt.turns[0] == ("system", "You write.", "")
    assert prompt.turns[2] == ("assistant", "", "")
    assert prompt.turns[3][1].startswith("Query: ")
    assert prompt.sampling() == {"temperature": 0.9, "max_tokens": 200, "stop": ["\n"]}
    assert prompt.source == GOOD


def changed(old: str, new: str) -> str:
    """Return GOOD with `new` in the place of `old`."""
    assert old in GOOD
    return GOOD.replace(old, new, 1)


DOCUMENT = """---
makes: document
about: Graded.
needs: [query]
grades: [1, 0]
reply: {type: object, required: ["1"]}
sampling: {temperature: 0.9, max_tokens: 200}
---
=== user
{{ query.text }}
"""


JUDGE = """---
makes: judgement
about: A word for many.
needs: [query, documents]
reply: word
sampling: {temperature: 0, max_tokens: 4, top_logprobs: 5}
---
=== user
{{ query.text }}
{% for document in documents %}
{{ loop.index }}: {{ document.text }}
{% endfor %}
"""


LINES = """---
makes: query
about: Several at once.
needs: [passage]
reply: lines
sampling: {temperature: 0.9, max_tokens: 200}
---
=== user
{{ passage.text }}
"""


def test_the_reply_of_a_prompt_has_a_form() -> None:
    """A reply is a text where nothing is said, lines where the prompt makes several queries, or a bounded schema."""
    assert read(GOOD).form == read(LINES.replace("reply: lines\n", "")).form == "text"
    assert read(LINES).form == "lines"
    graded = read(DOCUMENT.replace('["1"]}', '["1", "0"], properties: {"1": {type: string}}}'))
    assert isinstance(graded.form, dict)
    assert graded.form["properties"]["1"] == {"type": "string", "maxLength": 1200}


def test_a_judge_may_see_several_documents_and_reply_in_a_word() -> None:
    """A loop over the documents names each of them, and the alternatives of the word are asked for."""
    prompt = read(JUDGE)
    assert (prompt.name, prompt.form) == ("judge/own", "word")
    assert prompt.sampling() == {"temperature": 0.0, "max_tokens": 4, "top_logprobs": 5}


def asking(text: str) -> str:
    """Return GOOD with `text` in the place of its query, on line 18: blank lines after a marker count."""
    return changed("{{ query.text }}", text)


HEAD_MISTAKES = [
    ("", 1, "expected a front matter between two lines `---`, got ''"),
    ("makes: query\n", 1, "expected a front matter .* got 'makes: query'"),
    ("---\nmakes: query\n", 1, "expected a front matter"),
    ("---\n---\n=== user\ntea\n", 2, "expected keys such as makes"),
    (changed("[query, passage]", "[query, passage"), 5, "the front matter is not YAML"),
    (changed("A near miss.", "\x00"), 2, "the front matter is not YAML: .*character"),
    (changed("A near miss.", "2024-13-01"), 2, "the front matter is not YAML: month"),
    (
        changed("makes: negative", "makes: joke"),
        2,
        "makes: .* 'document'.* or 'task', got 'joke'",
    ),
    (changed("about: A near miss.\n", ""), 2, "about: Field required"),
    (changed("about: A", "abuot: A"), 3, "abuot: Extra inputs are not permitted"),
    (changed("[query, passage]", "[]"), 4, "needs: .*at least 1"),
    (changed("passage]", "corpus]"), 4, "needs.1: .*'passage'.* or 'topic', got 'corpus'"),
    (changed("e: 0.9", "e: 9"), 9, "sampling.temperature: .*less than or equal to 2, got '9'"),
    (changed("max_tokens", "max_token"), 9, "sampling.max_token: Extra inputs"),
    (changed("high: 80", "high: 8"), 6, "draws.words.*low 40 is above high 8"),
    (changed("[news, forum]", "[]"), 7, "draws.register"),
    (JUDGE.replace("top_logprobs: 5", "top_logprobs: 21"), 6, "sampling.top_logprobs: .*to 20"),
    (JUDGE.replace("top_logprobs: 5", "top_logprobs: 0"), 6, "sampling.top_logprobs: .*to 1"),
    (JUDGE.replace("document.text", "document.id"), 11, "document has text, title, not id"),
    (
        changed("reply: text", "reply: word"),
        8,
        "makes a negative is text, or .* requires `passage`",
    ),
    (
        changed("text\n", "{type: object}\n"),
        8,
        "makes a negative is text, or .* requires `passage`",
    ),
    (
        changed("reply: text", "reply: lines"),
        8,
        "makes a negative is text, or .* requires `passage`",
    ),
    (changed("reply: text", "reply: words"), 8, "reply.*'words'"),
    (changed("reply: text", "reply: {properties: [a]}"), 8, "reply: .*word or a JSON schema"),
    (
        changed("reply: text", "examples: {draw: 2, sets: 1, pool: [{a: b}]}"),
        8,
        "draw 2 of a pool of 1",
    ),
    (
        changed("reply: text", "examples: {draw: 1, sets: 1, pool: [{a: b}, {c: d}]}"),
        8,
        "the same keys",
    ),
    (DOCUMENT, 6, "a JSON schema that requires each of its grades"),
    (DOCUMENT.replace("[1, 0]", "[4]"), 5, "grades.0: .*less than or equal to 3, got '4'"),
]
SECTION_MISTAKES = [
    (changed("=== system\n", "hello\n=== system\n"), 11, "text before the first role marker"),
    (changed("=== system", "=== sytem"), 11, "expected === system, .* got '=== sytem'"),
    (changed("=== system", "=== System"), 11, "expected === system"),
    (changed("=== system", "======="), 11, "expected === system"),
    (changed("You write.\n", "\n"), 11, "the section `=== system` is empty"),
    (GOOD + "=== assistant\nSure:\n", 21, "the last section must be `=== user`"),
    (GOOD[: GOOD.index("=== system")], 10, "the last section must be `=== user`"),
    (changed("=== system\nYou write.", "=== assistant"), 11, "must come after `=== user`"),
]
TEXT_MISTAKES = [
    (asking("{{ query.text }"), 18, ""),
    (asking("{{ query.text | nosuch }}"), 18, "No filter named 'nosuch'"),
    (asking("{{ query.txt }}"), 18, "query has text, not txt"),
    (asking("{{ query['txt'] }}"), 18, "query has text, not txt"),
    (asking("{{ query.passage }}"), 18, "query has text, not passage"),
    (asking("{{ query }}"), 18, "write query.text, not query alone"),
    (changed('passage["text"]', "passage"), 19, "write passage.text or passage.title, not passage"),
    (changed("draws.words", "draws.length"), 20, "draws has register, words, not length"),
    (asking("{{ query.text.__class__ }}"), 18, "__class__ is not for prompts"),
    (asking("{{ query['__class__'] }}"), 18, "__class__ is not for prompts"),
    (asking("{{ query.text }}{% include 'x' %}"), 18, "cannot include or import another"),
    (asking("{{ query.text }}{% import 'x' as x %}"), 18, "cannot include or import another"),
    (asking("{{ query.text }}{% from 'x' import y %}"), 18, "cannot include or import another"),
    (changed("You write.", "{% extends 'x' %}"), 12, "cannot include or import another"),
    (asking("{{ query.text }}{{ [1, 2] | random }}"), 18, "No filter named 'random'"),
    (asking("{{ query.text }}{{ lipsum() }}"), 18, "a call has no place in a prompt"),
]


@pytest.mark.parametrize(
    ("source", "line", "said"), [*HEAD_MISTAKES, *SECTION_MISTAKES, *TEXT_MISTAKES]
)
def test_each_mistake_is_told_with_its_place(source: str, line: int, said: str) -> None:
    """One mistake is one problem: the file, the line, what was expected and what was seen."""
    with pytest.raises(PromptError, match=rf"^own\.j2:{line}: .*{said}") as caught:
        read(source)
    assert "\n" not in str(caught.value)
    assert [problem.line for problem in problems(source, None)] == [line]


def test_missing_and_surplus_variables_are_all_listed() -> None:
    """One error names every variable that the text lacks and every one that it leaves unused, each with its line."""
    source = changed("needs: [query, passage]", "needs: [query]")
    source = source.replace("{{ query.text }}", "{{ title }} {{ author }}")
    source = source.replace("{{ draws.register }} of {{ draws.words }}", "")
    with pytest.raises(PromptError) as caught:
        read(source)
    found = re.findall(
        r"own\.j2:(\d+): the (text uses|front matter gives) (\w+),", str(caught.value)
    )
    assert found == [
        ("4", "front matter gives", "query"),
        ("5", "front matter gives", "draws"),
        ("18", "text uses", "author"),
        ("18", "text uses", "title"),
        ("19", "text uses", "passage"),
    ]


def test_a_prompt_stands_in_the_folder_of_what_it_makes() -> None:
    """A shipped prompt whose name promises something else than it makes is refused."""
    with pytest.raises(PromptError, match="makes negative, but stands in the folder query/"):
        read(GOOD, "query/own")


@given(st.integers(0, len(GOOD.encode()) - 1), st.integers(1, 255))
def test_one_changed_byte_makes_another_tag(place: int, by: int) -> None:
    """A file that differs in one byte is no prompt any more, or one with another tag."""
    data = bytearray(GOOD.encode())
    data[place] = (data[place] + by) % 256
    try:
        tag = read(data.decode()).tag
    except (PromptError, UnicodeDecodeError):
        return
    assert tag.startswith("negative/own@")
    assert tag != read(GOOD).tag


def test_the_tag_follows_the_text_and_not_the_place(tmp_path: Path) -> None:
    """The same file elsewhere has the same tag; a changed or renamed one has another."""
    tags = []
    for folder, name, source in (
        ("a", "own.j2", GOOD),
        ("b", "own.j2", GOOD),
        ("c", "own.j2", GOOD + "\n"),
        ("d", "other.j2", GOOD),
    ):
        file = tmp_path / folder / name
        file.parent.mkdir()
        file.write_text(source)
        tags.append(load(str(file)).tag)
    same, again, longer, renamed = tags
    assert same == again == read(GOOD).tag
    assert longer != same
    assert renamed == same.replace("own", "other")


def test_a_name_that_is_not_shipped_lists_those_that_are() -> None:
    """An unknown name is answered with the names that there are, and with how to use a file."""
    with pytest.raises(PromptError, match="a file of your own must end with .j2") as caught:
        find("query/questoin")
    assert all(name in str(caught.value) for name in shipped())


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, and one that is not UTF-8, are errors of one line."""
    latin = tmp_path / "latin.j2"
    latin.write_bytes(GOOD.replace("near", "n\u00e4her").encode("latin-1"))
    with pytest.raises(PromptError, match=r"latin.j2: expected UTF-8, byte \d+ is not"):
        load(str(latin))
    with pytest.raises(PromptError, match=r"none.j2: there is no prompt file there"):
        load(str(tmp_path / "none.j2"))


def test_line_ends_of_windows_make_the_same_prompt(tmp_path: Path) -> None:
    """A checkout with CR LF asks the same and has the same tag."""
    file = tmp_path / "own.j2"
    file.write_bytes(GOOD.replace("\n", "\r\n").encode())
    there, here = load(str(file)), read(GOOD)
    assert (there.tag, there.head, there.turns) == (here.tag, here.head, here.turns)
