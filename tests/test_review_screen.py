"""What a person sees: readable on 80 columns, nothing of a hostile text, and nothing that would lead them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from world import HOSTILE

from synthneg.printable import printable, printable_lines
from synthneg.review.items import Item
from synthneg.review.screen import Size, help_lines, page
from synthneg.review.texts import Shown

SIZE = Size(80, 24)
STEERING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u200b\u202a-\u202e\u2066-\u2069\ufeff]"
)
NEGATIVE = Item("q1", "d1", "negative", "bm25", "", False, "answers", 1, 1, {"cosine": 0.4321}, {})
GRADED = Item("q1", "d2", "grade", "graded", "document/graded@1", True, "too_easy", 3, 3, {}, {})


def text_of(item: Item, shown: Shown, size: Size = SIZE, number: int = 0) -> str:
    """Return a page as it is printed without colours."""
    return "\n".join(line.plain for line in page(item, shown, "3 of 60", size, number).lines)


def shown(query: str, text: str, title: str = "") -> Shown:
    """Return a query with one text."""
    return Shown(query, ((title, text),))


def test_a_page_holds_what_is_needed_and_nothing_that_leads() -> None:
    """Query, title, text, place, question and keys are there; source, verdict, grade, ids and scores are not."""
    said = text_of(NEGATIVE, shown("how is tea made", "Steep it.\n\nThen wait.", "Of tea"))
    lines = said.splitlines()

    assert lines[0].startswith("── 3 of 60 ─")
    assert "query  how is tea made" in lines
    assert "text   Of tea" in lines
    assert "       Steep it." in lines
    assert "       Then wait." in lines
    assert "Does the text answer the query?" in lines
    assert lines[-1] == "y yes  n no  s skip  b back  ? help  q stop"
    for word in ("bm25", "negative", "answers\n", "reject", "0.43", "q1", "d1", "grade", "cosine"):
        assert word not in said


def test_the_same_page_for_a_passage_and_for_a_negative() -> None:
    """Whether a text is meant to answer or not changes nothing on the screen."""
    own = Item("q2", "p", "answers", "corpus", "query/question@1", True, "", 3, 3, {}, {})
    texts = shown("how is tea made", "Steep it.")

    assert text_of(own, texts) == text_of(NEGATIVE, texts)


def test_a_graded_text_is_asked_for_its_grade() -> None:
    """The question and the keys are those of a grade, and the grade wanted is not shown."""
    said = text_of(GRADED, shown("how is tea made", "Steep it."))

    assert "Which grade does the text deserve" in said
    assert "3 fully  2 partly  1 on topic  0 unrelated" in said
    assert "too_easy" not in said


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_do_not_reach_the_terminal_raw(name: str) -> None:
    """No control character, escape, separator or change of direction of query, title or text is on a page."""
    text = HOSTILE[name] + "\x1b]0;title\x07\x1b[2J\x9b31m\r\x08\u2066x\u200b\ufeff"

    assert not STEERING.search(text_of(NEGATIVE, shown(text, text, text)))


@given(st.text(), st.text(), st.integers(20, 200), st.integers(5, 60))
def test_any_text_fits_the_screen(query: str, text: str, width: int, height: int) -> None:
    """Lines are as wide as the terminal or less, counted in cells, and there is nothing that steers it."""
    found = page(NEGATIVE, shown(query, text), "1 of 2", Size(width, height))

    assert max(cell_len(line.plain) for line in found.lines) <= max(width, 40)
    assert len(found.lines) <= max(height, 12)
    assert not any(STEERING.search(line.plain) for line in found.lines)


def test_a_long_text_is_paged_and_no_line_of_it_is_lost() -> None:
    """The pages together hold all words in their order, each says which it is, and the first follows the last."""
    words = [f"word{number}" for number in range(1500)]
    texts = shown("what is it", " ".join(words))
    pages = page(NEGATIVE, texts, "1 of 2", SIZE).pages
    said = [text_of(NEGATIVE, texts, number=number) for number in range(pages)]

    assert pages > 5
    assert re.findall(r"word\d+", " ".join(said)) == words
    assert [f"page {n + 1} of {pages}; m: next" in page for n, page in enumerate(said)]
    assert text_of(NEGATIVE, texts, number=pages) == said[0]
    assert all(len(one.splitlines()) <= SIZE.height for one in said)


def test_the_querys_words_are_marked_in_the_text_by_their_stems() -> None:
    """Words of the query are marked in whatever form the text has them, stopwords and parts of words are not."""
    found = page(
        NEGATIVE,
        shown("how is tea steeped", "Teas: steeping is an art. A steamer is not."),
        "",
        SIZE,
    )
    marked = [
        line.plain[span.start : span.end]
        for line in found.lines
        for span in line.spans
        if "yellow" in str(span.style)
    ]

    assert marked == ["Teas", "steeping"]


def test_several_passages_are_shown_as_one_text() -> None:
    """Of a query over two passages both are shown, and said to be read together."""
    said = text_of(NEGATIVE, Shown("who and when", (("A", "The who."), ("B", "The when."))))

    assert "[1 of 2 texts that are read together]" in said
    assert said.index("The who.") < said.index("[2 of 2") < said.index("The when.")


def test_help_explains_every_key() -> None:
    """The help has a line for each key, fits 80 columns and 24 lines, and says that nothing is to lead."""
    said = help_lines(SIZE)

    assert [line[0] for line in said if re.match(r"\S   ", line)] == list("yn3210sbmq")
    assert max(map(len, said)) <= 80
    assert len(said) < 24
    assert "cannot lead you" in " ".join(said)


@given(st.text())
def test_printable_text_keeps_words_and_nothing_that_steers(text: str) -> None:
    """On one line or on several, no steering character is left, and printing twice changes nothing."""
    assert not STEERING.search(printable(text))
    assert printable(printable(text)) == printable(text)
    lines = printable_lines(text)
    assert not any(STEERING.search(line) or "\n" in line for line in lines)
    assert printable_lines("\n".join(lines)) == lines
