"""`synthneg publish`."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from synthneg.cli.common import DEFAULT_FILE, DEFAULT_OUTPUTS, Changes, Outputs, Target, settings


class What(StrEnum):
    """What of a run is published; a test holds this and `synthneg.publish.plan` together."""

    dataset = "dataset"
    model = "model"
    both = "both"


def publish(
    target: Target = DEFAULT_FILE,
    what: Annotated[
        What, typer.Option(help="What is published; both also go into one collection of the Hub.")
    ] = What.dataset,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Upload without asking; without it, and without a terminal, only show."
        ),
    ] = False,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Show the files and cards of a run's dataset or model as the Hub would get them, ask, and upload them.

    Private unless publish.private is false. An upload that was cut off goes on with the same command, and a second one
    sends only what has changed.
    """
    from synthneg.publish.plan import plan  # noqa: PLC0415  # not needed for help
    from synthneg.publish.show import describe  # noqa: PLC0415  # as above
    from synthneg.publish.upload import upload  # noqa: PLC0415  # as above

    config, outputs = settings(target, changes, outputs)
    planned = plan(outputs / config.run, config, what.value)
    typer.echo(describe(planned))
    if not yes:
        if not sys.stdin.isatty():
            typer.echo(
                "Nothing has been sent. To send exactly this, give the same command with --yes."
            )
            return
        if not typer.confirm("Send exactly this to the Hub?", default=False):
            typer.echo("Nothing has been sent.")
            return
    for sent in upload(planned):
        typer.echo(f"{'Uploaded' if sent.is_new else 'Nothing has changed'}: {sent.address}")
