"""`synthneg report`: a run as one page."""

from typing import TYPE_CHECKING

import typer

from synthneg.cli.common import DEFAULT_OUTPUTS, Outputs, RunName, run_folder, settings

if TYPE_CHECKING:
    from synthneg.run import Run


def report(run: RunName, outputs: Outputs = DEFAULT_OUTPUTS) -> None:
    """Write report.html into a run's folder: one file that shows the run, opened without any network.

    It says whether the data is good, what it cost, what it looks like, where its limits are, and what has changed.
    A run that is not finished is shown as far as it is. `synthneg run` writes it at its end; what changes a run
    takes it away.
    """
    from synthneg.report.write import write_report  # noqa: PLC0415  # not needed for help
    from synthneg.run import Run  # noqa: PLC0415  # needs the settings model

    config, outputs = settings(run_folder(run, outputs), None, outputs)
    opened = Run(outputs, config)
    try:
        typer.echo(write_report(opened))
    finally:
        opened.close()


def report_of_run(run: "Run") -> None:
    """Write the report of a run that has just ended; where that fails, a line says so, and the run stands."""
    from synthneg.progress import say  # noqa: PLC0415  # not needed for help
    from synthneg.report.write import write_report  # noqa: PLC0415  # as above

    try:
        write_report(run)
    except Exception as error:  # noqa: BLE001  # whatever it is, hours of work are not to end in it
        why = " ".join(f"{type(error).__name__}: {error}".split())
        say(
            f"report: not written ({why}); the run itself is whole, `synthneg report {run.folder}` tries again"
        )
