"""Readers of judges: grades, yes or no, spans, verdicts on a list; hostile replies; replies of a real model."""

import asyncio
import math
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.config import LLMConfig
from synthneg.llm.ask import Answer, Asker
from synthneg.llm.base import Reply
from synthneg.llm.history import History
from synthneg.llm.jobs import Asks, job_for
from synthneg.llm.ledger import Ledger
from synthneg.llm.parse import Parsed, parse
from synthneg.llm.replay import Replay
from synthneg.prompts.shelf import load, shipped
from synthneg.testing import ScriptedBackend
from synthneg.verify.judge import Judgement, Yes, grade_of, verdicts_of, yes_probability
from synthneg.verify.span import NO_ANSWER, Span, span_of

REPLIES = Path(__file__).parent / "data" / "replies"
JUDGES = [name for name in shipped() if name.startswith("judge/")]
PASSAGE = "Green tea turns bitter above 80 °C \u2014 the \u201ccatechins\u201d  dissolve. Don\u2019t boil it."
# What a hostile model may put into JSON.
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["grade", "reasons", "span", "verdicts", "passage", "verdict", "best"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def said(text: str, top: dict[str, float] | None = None, reasoning: str = "") -> Reply:
    """Return a reply of one word, with shares of its alternatives in [0, 1]."""
    logs = {token: math.log(share) for token, share in (top or {}).items()}
    return Reply(text, "stop", 1, 1, "m", reasoning, logs)


def rows_of(name: str) -> list[dict[str, Any]]:
    """Return the replies of a real model to a judge's prompt."""
    file = REPLIES / f"{name.replace('/', '.')}.jsonl"
    return [orjson.loads(line) for line in file.read_bytes().splitlines()]


def readings(name: str, values: dict[str, Any], parsed: Parsed, reply: Reply) -> object:
    """Return what a judge's reader makes of a reply, as a row of the stored replies says it."""
    if name == "judge/answers":
        yes = yes_probability(reply)
        return yes and [round(yes.probability, 4), yes.by_text]
    if name == "judge/relevance":
        judged = grade_of(parsed.value)
        return judged and judged.grade
    if name == "judge/span":
        title, text = values["document"]["title"], values["document"]["text"]
        passage = f"{title}. {text}" if title else text  # as the prompt shows it
        found = span_of(parsed.value, passage)
        return [found.outcome, passage[found.start : found.end]]
    return list(verdicts_of(parsed.value, len(values["documents"])).of)


@pytest.mark.parametrize(
    ("value", "grade"),
    [
        *(({"grade": grade, "reasons": "r"}, grade) for grade in range(4)),
        ({"grade": "2"}, 2),
        ({"grade": " [3] "}, 3),
        ({"grade": 1.0}, 1),
        ({"grade": 4}, None),
        ({"grade": -1}, None),
        ({"grade": 2.5}, None),
        ({"grade": True}, None),
        ({"grade": "2-3"}, None),
        ({"grade": math.inf}, None),
        ({"reasons": "It answers."}, None),
        ([], None),
        ("3", None),
    ],
)
def test_a_grade_is_a_whole_number_from_0_to_3(value: Any, grade: int | None) -> None:
    """Numbers count also as texts and as 2.0; what is out of range, between two grades or no number is no grade."""
    judged = grade_of(value)
    assert (judged and judged.grade) == grade


def test_the_reasons_stay_with_the_grade() -> None:
    """A judgement carries what the model gave as its reasons."""
    assert grade_of({"reasons": " It names it. ", "grade": 3}) == Judgement(3, "It names it.")


@pytest.mark.parametrize(
    ("top", "share"),
    [
        ({"Yes": 0.6, "No": 0.2}, 0.75),
        ({"Yes": 0.3, " yes": 0.2, "YES.": 0.1, "\u0120No": 0.1, "\u2581no": 0.1}, 0.75),
        ({"Yes": 0.6, "Not": 0.2, "None": 0.1, "Now": 0.05}, 1.0),
        ({"No": 0.9, "Yesterday": 0.1}, 0.0),
        ({"no": 0.3, "yes": 0.1, "n": 0.5, "y": 0.1}, 0.25),
        ({"y": 0.6, "n": 0.2, "": 0.2}, 0.75),
        ({"\ufffd": 0.5, " ": 0.2, "bytes:\\xe2\\x9c": 0.1, "**Yes": 0.05, "no": 0.05}, 0.5),
    ],
)
def test_variants_of_yes_and_no_count_together(top: dict[str, float], share: float) -> None:
    """Case, blanks, marks and a tokenizer's signs make no difference; words that begin alike count for neither.

    Pieces of the words count where the words themselves are not among the alternatives.
    """
    yes = yes_probability(said("Perhaps", top))
    assert yes is not None
    assert not yes.by_text
    assert yes.probability == pytest.approx(share)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (said("Yes"), Yes(1.0, by_text=True)),
        (said(" no, it does"), Yes(0.0, by_text=True)),
        (said("**Yes**", {"**": 1.0}), Yes(1.0, by_text=True)),
        (said("<think>No idea.</think>\nYes", {"<think>": 1.0}), Yes(1.0, by_text=True)),
        (said("Yes", {"No": 0.9}, reasoning="No, wait"), Yes(1.0, by_text=True)),
        (said("Perhaps", {"Perhaps": 0.9, "Maybe": 0.1}), None),
        (said("Nothing says so."), None),
        (said(""), None),
    ],
)
def test_without_probabilities_the_word_decides(reply: Reply, expected: Yes | None) -> None:
    """The text is read where the first token was neither word, or of reasoning; where it says neither, nothing is."""
    assert yes_probability(reply) == expected


def test_probabilities_are_asked_for_once() -> None:
    """A second walk over the same jobs, and a replay, find the same probability in the ledger, and nobody is asked."""
    prompt, ledger, backend = load("judge/answers"), Ledger(Path(":memory:")), ScriptedBackend()
    tea = {"text": PASSAGE, "title": "Tea"}
    values = {"query": {"text": "why is tea bitter"}, "document": tea}
    asked = [(None, job_for(prompt, str(n), values, n)) for n in range(3)]
    asker = Asker(backend, ledger, LLMConfig(), 7)
    replay = Replay(cast(History, ledger), backend.identity, 7, 0, {})

    async def heard(asks: Asks) -> list[Yes | None]:
        outcomes = [outcome async for *_, outcome in asks.ask(asked, lambda *_: None)]
        return [yes_probability(o.reply) if isinstance(o, Answer) else None for o in outcomes]

    first, again, replayed = (asyncio.run(heard(asks)) for asks in (asker, asker, replay))
    ledger.close()
    assert {yes and yes.by_text for yes in first} == {False}
    assert first == again == replayed
    assert len(backend.asked) == len(asked)


@given(st.text(), st.dictionaries(st.text(), st.floats(max_value=0.0, allow_nan=False)), st.text())
def test_a_probability_is_one_whatever_was_said(
    text: str, top: dict[str, float], reasoning: str
) -> None:
    """Of any reply there is a probability in [0, 1], or None."""
    yes = yes_probability(Reply(text, "stop", 1, 1, "m", reasoning, top))
    assert yes is None or 0 <= yes.probability <= 1


@pytest.mark.parametrize(
    ("text", "outcome", "words"),
    [
        ("turns bitter above 80 °C", "span", "turns bitter above 80 °C"),
        ('"Turns BITTER above 80 °c."', "span", "turns bitter above 80 °C"),
        (
            '80 °C - the "catechins" dissolve',
            "span",
            "80 °C \u2014 the \u201ccatechins\u201d  dissolve",
        ),
        ("don't boil", "span", "Don\u2019t boil"),
        ("bitter", "span", "bitter"),
        ("80", "span", "80"),
        (NO_ANSWER, "no_answer", ""),
        ("no answer.", "no_answer", ""),
        ("`NO_ANSWER`: it tells of tea", "no_answer", ""),
        ("Green tea is bitter above 80 °C", "not_verbatim", ""),
        ("bitte", "not_verbatim", ""),
        ("urns bitter", "not_verbatim", ""),
        ("", "not_verbatim", ""),
        ('"."', "not_verbatim", ""),
        ("the", "trivial", "the"),
        ("It", "trivial", "it"),
        (PASSAGE, "trivial", PASSAGE.rstrip(".")),
        (PASSAGE[6:].lower(), "trivial", PASSAGE[6:].rstrip(".")),
    ],
)
def test_a_span_counts_if_its_words_stand_in_the_passage(
    text: str, outcome: str, words: str
) -> None:
    """A copy may differ in case, blanks, quotes and dashes; it must not cut words, nor be idle words or the whole."""
    found = span_of({"span": text}, PASSAGE)
    assert (found.outcome, PASSAGE[found.start : found.end]) == (outcome, words)


def test_characters_of_several_forms_are_the_same_in_a_span() -> None:
    """What Unicode writes in two ways is found in either, at its place; half of a character is not."""
    assert span_of("caf\u00e9 \ufb01ne", "The cafe\u0301 fine print is long.") == Span(
        "span", 4, 14
    )
    assert span_of("cafe", "The cafe\u0301 is a long way off.").outcome == "not_verbatim"
    assert span_of("绿茶", "我们都喝绿茶，天气好的时候也是。") == Span("span", 4, 6)


@given(ANYTHING, st.text())
def test_a_span_has_a_place_if_and_only_if_it_stands_there(value: Any, passage: str) -> None:
    """Of any reply there is an outcome; a place lies in the passage, and only what stands there has one."""
    found = span_of(value, passage)
    assert 0 <= found.start <= found.end <= len(passage)
    assert (found.end > found.start) == (found.outcome in ("span", "trivial"))


@given(st.data())
def test_every_run_of_words_is_found(data: st.DataObject) -> None:
    """What is copied from word to word is a span, or is told to be too little or too much; never missing."""
    parts = data.draw(st.lists(st.sampled_from(PASSAGE.split()), min_size=1, max_size=12))
    passage = "  ".join(parts)
    first = data.draw(st.integers(0, len(parts) - 1))
    copy = " ".join(parts[first : data.draw(st.integers(first + 1, len(parts)))])
    if any(c.isalnum() for c in copy):
        assert span_of(copy, passage).outcome in ("span", "trivial")


def entries(*pairs: tuple[Any, Any]) -> list[dict[str, Any]]:
    """Return entries of a list-wise reply: the number of a passage with its verdict."""
    return [{"passage": number, "verdict": verdict} for number, verdict in pairs]


@pytest.mark.parametrize(
    ("verdicts", "best", "of", "order"),
    [
        (entries((1, "partly"), (2, "answers"), (3, "none")), [2], "partly answers none", (1, 0)),
        (entries((1, "answers"), (3, "answers")), [3, 1], "answers unjudged answers", (2, 0)),
        (entries((1, "answers"), (3, "answers")), [3], "answers unjudged answers", (2, 0)),
        (entries((1, "partly"), (3, "answers")), [1, 3], "partly unjudged answers", (2, 0)),
        (entries((1, "answers"), ("2", "answers")), None, "answers answers unjudged", (0, 1)),
        (entries((0, "answers"), (4, "none"), (-1, "none")), [], "unjudged unjudged unjudged", ()),
        (entries((1, "answers"), (1, "none"), (2, "none")), [1], "unjudged none unjudged", ()),
        (entries((1, "partly"), (1, "answers")), [1], "partly unjudged unjudged", (0,)),
        (entries((1, "none"), (1, "none")), [1], "none unjudged unjudged", ()),
        (entries((True, "answers"), (2.5, "none"), (2, "yes"), (3, [])), [2], "unjudged " * 3, ()),
        ([1, None, "2"], [1], "unjudged unjudged unjudged", ()),
        ({"1": "answers"}, "1", "unjudged unjudged unjudged", ()),
    ],
)
def test_verdicts_on_a_list_give_partial_credit(
    verdicts: Any, best: Any, of: str, order: tuple[int, ...]
) -> None:
    """What is said of some candidates counts, in its order; those left out, or contradicted, are unjudged."""
    found = verdicts_of({"verdicts": verdicts, "best": best}, 3)
    assert (" ".join(found.of), found.order) == (of.strip(), order)


def test_entries_of_no_use_are_counted() -> None:
    """Numbers out of range, unknown verdicts, repetitions and contradictions are strays; reasons are kept."""
    said = entries(
        (1, "answers"), (1, "answers"), (2, "none"), (2, "partly"), (9, "none"), (3, "?")
    )
    found = verdicts_of({"reasons": " So. ", "verdicts": said}, 3)
    assert (found.of, found.strays) == (("answers", "unjudged", "unjudged"), 5)
    assert found.reasons == "So."


@given(ANYTHING, st.integers(0, 9))
def test_verdicts_are_as_many_as_candidates(value: Any, n: int) -> None:
    """Of any reply there is one verdict a candidate; the order holds each that answers once, and no other."""
    verdicts = verdicts_of(value, n)
    assert len(verdicts.of) == n
    assert sorted(verdicts.order) == [
        p for p in range(n) if verdicts.of[p] in ("answers", "partly")
    ]
    assert verdicts.strays >= 0


@given(ANYTHING)
def test_no_value_makes_a_grade_fail(value: Any) -> None:
    """Of any reply there is a grade from 0 to 3, or None."""
    judged = grade_of(value)
    assert judged is None or judged.grade in range(4)


@pytest.mark.parametrize("name", JUDGES)
def test_replies_of_a_real_model_can_be_read(name: str) -> None:
    """Of each stored reply, written by a model of 1.5B parameters, parser and reader make what its row says."""
    rows = rows_of(name)
    assert len(rows) >= 8
    for row in rows:
        assert row["prompt"].startswith(f"{name}@")
        reply = Reply(row["reply"], row["finish"], 1, 1, row["model"], top=row["top"])
        parsed = parse(reply, load(name).form)
        assert isinstance(parsed, Parsed), (row["reply"], parsed)
        assert readings(name, row["values"], parsed, reply) == row["read"], row["reply"]
