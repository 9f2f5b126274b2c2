"""What is wrong with a prompt file, and in which line."""

from typing import NamedTuple


class Problem(NamedTuple):
    """One fault of a prompt file."""

    line: int  # from 1
    text: str  # what is expected, what is seen, what to do
