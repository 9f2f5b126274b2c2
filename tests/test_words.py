"""Words, the one thing that all checks of texts see."""

import string

from hypothesis import given
from hypothesis import strategies as st

from synthneg.words import words


@given(st.text(alphabet=string.printable + "\0\x1c\x7f"))
def test_ascii_is_read_as_all_else(text: str) -> None:
    """What is plain ASCII has the same words alone as before a word that is not."""
    assert [*words(text), "é"] == words(f"{text} é")
