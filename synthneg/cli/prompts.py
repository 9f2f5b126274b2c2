"""`synthneg prompts`: the shipped prompts, and what is in them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from synthneg.cli import prompt_diff, prompt_lint, prompt_render, prompt_trial, realism
from synthneg.cli.common import DEFAULT_OUTPUTS, Outputs, run_folder

if TYPE_CHECKING:
    from synthneg.prompts.file import Prompt

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, show, fill in, compare and check prompts. A prompt is named by its name (query/question), by its file"
    " (my.j2), or by either as it was at a git revision or by its hash (query/question@HEAD~3, my.j2@1b9d6bcd).",
)
app.command("render")(prompt_render.render)
app.command("diff")(prompt_diff.diff)
app.command("lint")(prompt_lint.lint)
app.command("try")(prompt_trial.try_)
app.command("compare")(prompt_trial.compare)
app.command("realism")(realism.realism)


@app.command("list")
def list_() -> None:
    """List the shipped prompts by what they make: name and hash, what each is written from, and what it is for."""
    import shutil  # noqa: PLC0415  # not needed for help

    from synthneg.prompts.shelf import load, shipped  # noqa: PLC0415  # jinja2 is not needed for help

    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    typer.echo("\n".join(_listed([load(name) for name in shipped()], width)))


def _listed(prompts: "list[Prompt]", width: int) -> Iterator[str]:
    """Yield a heading for each kind of record, and below it its prompts."""
    from itertools import groupby  # noqa: PLC0415  # as above
    from textwrap import wrap  # noqa: PLC0415  # as above

    indent = " " * 6
    for number, (makes, group) in enumerate(groupby(prompts, lambda prompt: prompt.head.makes)):
        if number:
            yield ""
        yield f"makes a {makes}"
        for prompt in group:
            # A name and its needs are broken between words alone: they are to be copied.
            head = f"{prompt.tag}  from {', '.join(prompt.head.needs)}"
            yield from wrap(
                head, width, initial_indent="  ", subsequent_indent=indent, break_on_hyphens=False
            )
            yield from wrap(
                prompt.head.about, width, initial_indent=indent, subsequent_indent=indent
            )


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(help="A name, a .j2 file, or either @ a git revision or hash.")
    ],
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="The text that this run has asked, though its file was edited since.",
        ),
    ] = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Print a prompt's file, after checking it; at a revision, or with --run, as it was then.

    Example: synthneg prompts show query/question@1b9d6bcd --run my-run
    """
    from synthneg.prompts.shelf import load, split, text  # noqa: PLC0415  # jinja2 is not needed for help

    if run is not None:
        from synthneg.cli.prompt_text import of_run  # noqa: PLC0415  # needs the settings model

        found = of_run(name, run_folder(run, outputs))
        typer.echo(f"from {found.where}", err=True)
        typer.echo(found.source, nl=False)
    elif split(name)[1] is None:
        typer.echo(load(name).source, nl=False)
    else:
        typer.echo(text(name).source, nl=False)
