"""A prompt file may come from anywhere: what reaches out of it, or would not end, is refused when the file is read."""

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.errors import PromptError
from synthneg.prompts.file import Prompt, parse
from synthneg.prompts.render import draw, render
from synthneg.prompts.shelf import load

FRONT = """---
makes: query
about: A query.
needs: [passage]
draws: {style: [plain, formal]}
examples: {draw: 2, sets: 2, pool: [{passage: a, query: b}, {passage: c, query: d}]}
sampling: {temperature: 0.7, max_tokens: 60}
---
=== user
"""
REST = "{{ passage.text }}{{ draws.style }}{{ examples[0].query }}\n"
ATTRIBUTES = [
    "{{ passage.__class__ }}",
    "{{ passage.text.__class__.__mro__ }}",
    "{{ passage['__class__'] }}",
    "{{ passage['__cla' ~ 'ss__'] }}",
    "{{ ''.__class__ }}",
    "{{ (1).__class__ }}",
    "{{ [].append }}",
    "{{ passage.text | attr('__class__') }}",
    "{{ examples | map(attribute='__class__') | list }}",
    "{{ examples | join(',', attribute='__class__') }}",
    "{{ examples | groupby('__class__') }}",
    "{{ examples[0].items }}",
    "{{ examples[0].__class__ }}",
    "{{ examples.copy }}",
    "{{ draws.items }}",
    "{{ draws.keys() }}",
    "{{ passage.text.format }}",
    "{{ passage.text.upper() }}",
    "{{ '{0.__class__}'.format(passage.text) }}",
    "{{ '%s' | format(passage.text) }}",
    "{{ '%s' % passage.text }}",
    "{{ '{0.__class__}' | string | attr('format') }}",
    "{{ loop.__class__ }}",
    "{{ self.__init__ }}",
    "{% for e in examples %}{{ loop.cycle('a') }}{% endfor %}",
    "{% for e in examples %}{{ loop._iterable }}{% endfor %}",
    "{% for e in examples %}{{ e.items }}{% endfor %}",
    "{% for k, v in examples %}{{ v }}{% endfor %}",
    "{{ caller }}",
    "{{ varargs }}",
]
FILES = [
    "{% include '/etc/passwd' %}",
    "{% include ['a', 'b'] ignore missing %}",
    "{% import 'x' as y %}",
    "{% from 'x' import y %}",
    "{% extends 'x' %}",
    "{% block b %}{% endblock %}",
    "{{ open('/etc/passwd') }}",
    "{{ config }}",
    "{{ request.application }}",
    "{{ get_flashed_messages.__globals__ }}",
]
GLOBALS = [
    "{{ range(10**9) }}",
    "{{ range }}",
    "{{ cycler('a').next() }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ joiner() }}",
    "{{ dict(a=1) }}",
    "{{ lipsum() }}",
    "{{ lipsum.__globals__ }}",
    "{% set n = namespace(x=1) %}{{ n.x }}",
]
ENDLESS = [
    "{% for x in range(10**9) %}{% endfor %}",
    "{{ 'a' * 10**10 }}",
    "{{ 9**9**9**9 }}",
    "{{ 10**9 }}",
    "{{ passage.text * 1000000000 }}",
    "{{ passage.text * 9999 }}",
    "{{ passage.text() }}",
    "{{ passage.text % 9 }}",
    "{{ passage.text ** 2 }}",
    "{{ 'a' | center(1000000000) }}",
    "{{ 'a' | indent(1000000000) }}",
    "{{ '%9999999999d' | format(1) }}",
    "{{ passage.text | wordwrap(1) }}",
    "{{ passage.text | join('aaaaaaaaaa') | join('aaaaaaaaaa') | join('aaaaaaaaaa') }}",
    "{{ passage.text | replace('a', 'aaaaaaaa') | replace('a', 'aaaaaaaa') }}",
    "{{ passage.text | replace('a', passage.text) }}",
    "{{ examples | batch(1) | list }}",
    "{{ [1, 2] | sum }}",
    "{% set x = 'aaaa' %}{% set x = x ~ x %}{{ x }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% for a in examples recursive %}{{ loop(examples) }}{% endfor %}",
    "{% for a in examples %}{% for b in examples %}{{ b.query }}{% endfor %}{% endfor %}",
    "{% for a in passage.text %}{{ a }}{% endfor %}",
    "{% for a in [" + "1," * 5_000 + "] %}x{% endfor %}",
    "{% for a in examples %}" + "{{ passage.text }}" * 500 + "{% endfor %}",
    "{{ passage.text }}" * 5_000,
    "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "{{ " + "not " * 5_000 + "1 }}",
    "{% if 1 %}" * 200 + "{% endif %}" * 200,
    "{{ " + "9" * 5_000 + " }}",
    "{{ 1e999 }}",
    "{{ '" + "a" * 100_000 + "' }}",
    "{% filter upper %}a{% endfilter %}",
    "{% call m() %}{% endcall %}",
    "{% autoescape true %}{% endautoescape %}",
    "{% with a = 1 %}{% endwith %}",
]
UNPRINTABLE = ["{{ examples }}", "{{ draws }}", "{{ none }}", "{{ [1] }}"]
PLAIN = [
    "{{ passage.title | trim | upper }}",
    "{% if passage.title %}{{ passage.title }}{% else %}-{% endif %}",
    "{% for e in examples %}{{ loop.index }}. {{ e.query }} {% endfor %}",
    "{% for word in ['a', 'b'] %}{{ word | capitalize }}{% endfor %}",
    "{{ passage.text[:40] }}",
    "{{ passage.title or 'none' }}{{ '!' if passage.title is defined and passage.text != '' }}",
    "{{ passage.text | wordcount + 10 }} words",
    "{% raw %}{{ this is text }}{% endraw %}{# and this is nothing #}",
]


def read(text: str) -> Prompt:
    """Return the prompt that has `text` in its section."""
    return parse(f"{FRONT}{text}{REST}", None, Path("own.j2"))


def filled(prompt: Prompt, text: str, title: str = "") -> str:
    """Return what is sent for a passage."""
    (message,) = render(prompt, {"passage": {"text": text, "title": title}}, draw(prompt, 7), 7)
    assert message.content is not None
    return message.content


@pytest.mark.parametrize("text", [*ATTRIBUTES, *FILES, *GLOBALS, *ENDLESS])
def test_what_has_no_place_in_a_prompt_is_refused_when_read(text: str) -> None:
    """Hidden attributes, calls, other files, globals, and what would take long are one line with the place, at once."""
    start = time.process_time()
    with pytest.raises(PromptError, match=r"^own\.j2:\d+: ") as caught:
        read(text)
    assert time.process_time() - start < 5
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", UNPRINTABLE)
def test_what_is_no_text_is_not_written_out(text: str) -> None:
    """A list or a mapping would come out as Python writes it, so it is an error when it is filled in."""
    with pytest.raises(PromptError, match="expected a text or a number"):
        filled(read(text), "tea")


@pytest.mark.parametrize("text", PLAIN)
def test_what_prompts_do_is_allowed(text: str) -> None:
    """Conditions, one loop, simple filters, pieces of a text and raw text are filled in."""
    assert filled(read(text), "tea and cake", "Tea").endswith(("b", "d", "plain", "formal"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[plain, formal]", "&a [plain, *a]"),
        ("about: A query.", "about: &a [" + "[" * 3_000 + "]" * 3_000 + "]"),
        ("about: A query.", "about: " + "{a: " * 60 + "b" + "}" * 60),
        (
            "about: A query.",
            "about: A\nreply:\n  type: object\n  required: [query]\n  properties:\n    a: &a {type: string}\n"
            + "".join(
                f"    {b}: &{b} {{anyOf: [{', '.join([f'*{a}'] * 10)}]}}\n"
                for a, b in pairwise("abcdefgh")
            ),
        ),
        ("about: A query.", "about: !!python/object/apply:os.system [ls]"),
        ("draw: 2", "draw: 999999999"),
        ("about: A query.", "about: A query." + " " * 1_000_001),
    ],
)  # fmt: skip
def test_a_front_matter_without_end_is_refused(old: str, new: str) -> None:
    """Lists that hold themselves, depth without end, anchors that multiply, and Python's objects are refused."""
    start = time.process_time()
    with pytest.raises(PromptError, match=r"^own\.j2:\d+: "):
        parse(f"{FRONT}{REST}".replace(old, new), None, Path("own.j2"))
    assert time.process_time() - start < 5


pieces = st.sampled_from(
    ["{{ passage.title }}", "{% for x in y %}", "{# ", " #}", "{% raw %}", "=== system", "\n=== user\n", "---\n",
     "{{ ''.__class__ }}", "{0.__class__}", "%s", "}}", "\r\n", "\x00"]
)  # fmt: skip
words = st.lists(st.one_of(pieces, st.text(st.characters(exclude_categories=["Cs"])))).map("".join)
QUERY_ALONE = load("negative/from-query")


@given(words, words)
def test_no_passage_is_read_as_a_template(text: str, title: str) -> None:
    """Whatever a passage holds, syntax and role markers too, stands in the user's turn letter for letter."""
    prompt = parse(
        FRONT
        + "<{{ passage.title }}|{{ passage.text }}>{{ draws.style }}{{ examples[0].query }}\n",
        None,
        Path("own.j2"),
    )
    assert f"<{title}|{text}>" in filled(prompt, text, title)


@given(words)
def test_no_query_is_read_as_a_template(query: str) -> None:
    """Whatever a query holds stands in its turn letter for letter, and adds no turn."""
    messages = render(QUERY_ALONE, {"query": {"text": query}}, draw(QUERY_ALONE, 7), 7)
    assert [message.role for message in messages] == ["system", "user"]
    assert f"Query: {query}\n\nWrite" in str(messages[1].content)
