"""Markdown that says what it is given, whatever characters that holds: tables, code, blocks that fold."""

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

_LEAST_FENCE = 3
_MARKS = re.compile(r"([\\`*_\[\]<>~])")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    r"""Return a table; neither a bar nor a line's end within a cell ends it.

    >>> print(table(["a"], [["b|c"]]))
    | a |
    | --- |
    | b\|c |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def plain(text: str) -> str:
    r"""Return a text of others as a reader of Markdown sees it: no mark in it is one.

    >>> plain("<b> of *tea*")
    '\\<b\\> of \\*tea\\*'
    """
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return a text as code within a line.

    >>> code("a"), code("a`b")
    ('`a`', '`` a`b ``')
    """
    text = " ".join(text.split())
    marks = "`" * (_longest_run(text) + 1)
    return f"{marks}{text}{marks}" if len(marks) == 1 else f"{marks} {text} {marks}"


def fenced(text: str, language: str) -> str:
    """Return a block of code; its fence is longer than any run of backticks in it."""
    fence = "`" * max(_LEAST_FENCE, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.removesuffix(chr(10))}\n{fence}"


def folded(summary: str, block: str) -> str:
    """Return a block of which only the summary, a line of code, is seen until it is opened."""
    return (
        f"<details><summary><code>{html.escape(summary)}</code></summary>\n\n{block}\n\n</details>"
    )


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
