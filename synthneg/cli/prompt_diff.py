"""`synthneg prompts diff`: two texts of prompts, line by line."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from synthneg.cli.paint import paint

if TYPE_CHECKING:
    from synthneg.prompts.shelf import Text

_STYLES = {"---": "bold", "+++": "bold", "@@": "cyan", "-": "red", "+": "green"}
Reference = "A name, a .j2 file, or either @ a git revision or hash."


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help=Reference)],
    b: Annotated[str, typer.Argument(metavar="B", help=Reference)],
) -> None:
    """Show how two prompts differ: as files, also as they were in git. Exit status 0 either way.

    Example: synthneg prompts diff query/question@HEAD~3 query/question
    """
    from synthneg.prompts.shelf import text  # noqa: PLC0415  # jinja2 is not needed for help

    paint(lines(text(a), text(b)))


def lines(a: "Text", b: "Text") -> "Iterator[tuple[str, str]]":
    """Yield the lines of the difference from a to b, each with its style."""
    from difflib import unified_diff  # noqa: PLC0415  # not needed for help

    if a.source == b.source:
        yield f"the same text: {a.label}" + (f", {b.label}" if b.label != a.label else ""), ""
        return
    for line in unified_diff(
        a.source.split("\n"), b.source.split("\n"), a.label, b.label, lineterm=""
    ):
        yield line, next((style for mark, style in _STYLES.items() if line.startswith(mark)), "")
