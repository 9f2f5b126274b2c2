"""Lines with colours where a person sees them, and without where a program does."""

import sys
from collections.abc import Iterable

import typer


def paint(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines, each given with a style such as `bold` or `green`; styles are for terminals alone."""
    if not sys.stdout.isatty():
        for line, _ in lines:
            typer.echo(line)
        return
    from rich.console import Console  # noqa: PLC0415  # not needed for help
    from rich.text import Text  # noqa: PLC0415  # as above

    console = Console(highlight=False)
    for line, style in lines:
        console.print(Text(line, style=style), soft_wrap=True)
