"""`synthneg prompts`: the shipped prompts, and what is in them."""

from typing import Annotated

import typer

from synthneg.cli import prompt_trial

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List and show prompts.")
app.command("try")(prompt_trial.try_)
app.command("compare")(prompt_trial.compare)


@app.command("list")
def list_() -> None:
    """List the shipped prompts: name and hash, what each makes, and from what."""
    from synthneg.prompts.shelf import load, shipped  # noqa: PLC0415  # jinja2 is not needed for help

    for prompt in map(load, shipped()):
        typer.echo(f"{prompt.tag:<42} from {', '.join(prompt.head.needs):<16} {prompt.head.about}")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(help="Name of a shipped prompt, or a file that ends with .j2.")
    ],
) -> None:
    """Print a prompt's file, after checking it."""
    from synthneg.prompts.shelf import load  # noqa: PLC0415  # jinja2 is not needed for help

    typer.echo(load(name).source, nl=False)
