"""`synthneg init`: a settings file to begin with, or the one behind a dataset."""

from pathlib import Path
from typing import Annotated

import typer

from synthneg.errors import SettingsError


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to write synthneg.yaml.")
    ] = Path(),
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME|FOLDER",
            help="A dataset that synthneg has made, name/dataset on the Hub or a folder.",
        ),
    ] = None,
) -> None:
    """Write synthneg.yaml, a settings file with the usual settings, each explained. Nothing is overwritten.

    With --from, write the settings and prompts that made a dataset, so that it can be made again; what was of its
    maker's machine alone is to be filled in.
    """
    if source is not None:
        _init_from(source, folder)
        return
    file = folder / "synthneg.yaml"
    template = Path(__file__).with_name("settings.yaml").read_text(encoding="utf-8")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(template)
    except FileExistsError as error:
        raise SettingsError(
            f"{file} exists already; edit it, or name another folder: synthneg init DIR"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be written ({error.strerror}); name another folder: synthneg init DIR"
        ) from error
    typer.echo(
        f"{file} is written. Set corpus.path to your documents and llm to your model, then: synthneg run {file}"
    )


def _init_from(source: str, folder: Path) -> None:
    from synthneg.publish.fetch import write_again  # noqa: PLC0415  # not needed for help

    written = write_again(source, folder)
    typer.echo(f"{written.file} is written, with {len(written.prompts)} prompts beside it.")
    if written.left:
        typer.echo("To be filled in:")
    for key, what in written.left:
        typer.echo(f"  {key}: {what}")
    rounds = f" --round {written.round}" if written.round > 1 else ""
    typer.echo(f"Look at its section llm, then: synthneg run {written.file}{rounds}")
