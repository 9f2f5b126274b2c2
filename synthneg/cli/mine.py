"""`synthneg mine`: negatives from the corpus, for the run itself or as arms to be compared."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthneg.cli.common import (
    DEFAULT_FILE,
    DEFAULT_OUTPUTS,
    Changes,
    Engine,
    EngineName,
    Outputs,
    Target,
)
from synthneg.cli.run import with_run
from synthneg.errors import SettingsError

if TYPE_CHECKING:
    from synthneg.run import Run


def mine(
    target: Target = DEFAULT_FILE,
    arms: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Write a dataset for each of these instead, such as"
            " random,bm25,dense,bm25:2+dense:2; negative: those that the model wrote.",
        ),
    ] = None,
    per_query: Annotated[
        int, typer.Option(metavar="N", min=1, max=100, help="Negatives per query of an arm.")
    ] = 4,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the arms go; else arms/ of the run."),
    ] = None,
    engine: EngineName = Engine.LOCAL,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Take negatives from the corpus: by BM25, the encoder, a reranker, or at random, as the section mine says.

    With --arms, datasets that differ in their negatives alone: the same queries and positives, byte for byte, and the
    same number of negatives. A query for which one arm has too few is left out of all.
    """
    from synthneg import stages  # noqa: PLC0415  # needs the settings model
    from synthneg.mine.arms import arms_of  # noqa: PLC0415  # as above

    if arms is None and to is not None:
        raise SettingsError(
            "--to goes with --arms: without arms, what is mined becomes part of the run"
        )
    mixtures = None if arms is None else arms_of(arms, per_query)

    def work(opened: "Run") -> None:
        if mixtures is None:
            stages.mine_negatives(opened)
        else:
            folder = opened.file("arms") if to is None else to
            for line in stages.write_arms(opened, mixtures, per_query, folder):
                typer.echo(line)

    with_run(target, changes, outputs, work, engine=engine)
