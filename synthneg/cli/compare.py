"""`synthneg compare`: arms of one run, trained and measured, or finished runs against each other."""

from pathlib import Path
from typing import Annotated

import typer

from synthneg.cli.common import DEFAULT_OUTPUTS, Changes, Outputs, run_folder
from synthneg.errors import SettingsError

_DEFAULT = "compare.yaml"


def compare(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE|RUN...",
            help="A file that declares arms, compare.yaml if not given; or two finished runs or more.",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Of runs: also write the figures and the plot there. Arms have a folder of their own.",
        ),
    ] = None,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Train arms over the same queries and positives of a run with several seeds, and say which is better.

    Everything goes to a folder of the comparison's name beside the runs: the table as figures, compare.json, a plot,
    and a folder for each arm and seed, which is an ordinary run. Killed or stopped, the same command goes on.

    Of finished runs, the tuned models are set beside each other and their bases, by the measures that they have.
    """
    names = targets or [_DEFAULT]
    if len(names) > 1:
        _compare_runs(names, to, changes, outputs)
    elif to is not None:
        raise SettingsError("--to goes with runs; arms are written to the folder of the comparison")
    else:
        _compare_arms(Path(names[0]), changes, outputs)


def _compare_runs(
    names: list[str], to: Path | None, changes: list[str] | None, outputs: Path
) -> None:
    from synthneg.compare.runs import compare_runs  # noqa: PLC0415  # needs the settings model

    if changes:
        raise SettingsError("--set changes a file of arms; finished runs are compared as they are")
    typer.echo("\n".join(compare_runs([run_folder(name, outputs) for name in names], to)))


def _compare_arms(file: Path, changes: list[str] | None, outputs: Path) -> None:
    from synthneg.compare.arms import compare_arms  # noqa: PLC0415  # needs the settings model
    from synthneg.compare.plan import plan, read_file  # noqa: PLC0415  # as above
    from synthneg.settings import load  # noqa: PLC0415  # as above

    declared = read_file(file, changes or ())
    source = run_folder(declared.run, outputs).resolve()
    config = load(source / "run.yaml", (f"run='{source.name}'",))
    found = compare_arms(plan(declared, config, str(file)), source, outputs)
    typer.echo("\n".join(found.lines))
