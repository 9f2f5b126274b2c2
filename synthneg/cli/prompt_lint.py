"""`synthneg prompts lint`: what is wrong with prompts, line by line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from synthneg.errors import PromptError


def lint(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|FILE|FOLDER]...",
            help="Names, .j2 files or folders of them; without any, all shipped prompts.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check prompts: their form, their variables, what a hostile passage does to them, and that the reply has an end.

    Also that no instruction contradicts what the prompt makes. Each finding is a line `file:line: what; remedy`, and
    any finding makes the exit status 2.

    Example: synthneg prompts lint my-prompts/ query/question
    """
    from synthneg.prompts.lint import lint as check  # noqa: PLC0415  # jinja2 is not needed for help
    from synthneg.prompts.shelf import shipped, text  # noqa: PLC0415  # as above

    found, count = 0, 0
    for name in _named(names) if names else shipped():
        count += 1
        try:
            one = text(name)
        except PromptError as error:
            typer.echo(str(error))
            found += 1
            continue
        for line, fault in check(one.source, one.name, one.path):
            typer.echo(f"{_place(one.path)}:{line}: {fault}")
            found += 1
    if found:
        typer.echo(f"{_counted(found, 'finding')} in {_counted(count, 'prompt')}", err=True)
        raise typer.Exit(2)
    typer.echo(f"{_counted(count, 'prompt')}, no finding")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def _named(names: list[str]) -> Iterator[str]:
    """Yield what is named, the files of a folder in its place."""
    for name in names:
        if Path(name).is_dir():
            files = sorted(Path(name).rglob("*.j2"))
            if not files:
                raise PromptError(f"{name}: expected prompt files that end with .j2, found none")
            yield from map(str, files)
        else:
            yield name


def _place(path: Path) -> Path:
    """Return a path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
