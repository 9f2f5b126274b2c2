"""`synthneg init`: a settings file to begin with."""

from pathlib import Path
from typing import Annotated

import typer

from synthneg.errors import SettingsError


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to write synthneg.yaml.")
    ] = Path(),
) -> None:
    """Write synthneg.yaml, a settings file with the usual settings, each explained. Nothing is overwritten."""
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
