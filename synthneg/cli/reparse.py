"""`synthneg reparse`: new parsing of the replies in a run's ledger."""

from typing import TYPE_CHECKING

import typer

from synthneg.cli.common import DEFAULT_OUTPUTS, Outputs, RunName, run_folder
from synthneg.cli.run import with_run

if TYPE_CHECKING:
    from synthneg.reparse import Reparsed
    from synthneg.run import Run
    from synthneg.run.books import Counts


def reparse(run: RunName, outputs: Outputs = DEFAULT_OUTPUTS) -> None:
    """Parse the replies of a run anew: no request, no token, no network.

    For after an upgrade, when a newer synthneg reads replies of which the older one could make nothing. The files of
    generate.queries, generate.documents and generate.negatives are written anew from the ledger, under the settings in
    the run's run.yaml. A record whose reply the ledger lacks keeps the reason for which it was lost; where a new reply
    would be needed, it counts as not_asked.

    What comes out as before leaves all that was made of it standing. What comes out otherwise takes the later stages
    out of the books, and `synthneg run RUN` makes those anew: checks first, and requests for what is new alone.
    """
    from synthneg.reparse import reparse as work_anew  # noqa: PLC0415  # needs the settings model

    folder = run_folder(run, outputs)

    def work(opened: "Run") -> None:
        found = work_anew(opened)
        typer.echo("\n".join([line for stage in found for line in _lines(stage)]))
        if any(stage.changed for stage in found):
            typer.echo(
                f"Next: `synthneg run {folder}` checks what is new, asks for what belongs to it, and makes all later"
                " stages anew."
            )
        else:
            typer.echo("Every reply is read as before: all that was made of them stands.")

    with_run(folder, None, outputs, work)


def _lines(stage: "Reparsed") -> list[str]:
    """Return what has become of a stage: what was kept, then each reason whose count is another."""
    before, after = stage.before, stage.after
    if not stage.changed:
        return [f"{stage.stage}: kept {before['kept']:,}, as before"]
    parts = [f"kept {before['kept']:,} -> {after['kept']:,}"]
    for column in ("rejected", "failed"):
        parts += [f"{column} {change}" for change in _changes(before[column], after[column])]
    return [f"{stage.stage}: {', '.join(parts)}"]


def _changes(before: "Counts", after: "Counts") -> list[str]:
    counts = ((reason, before.get(reason, 0), after.get(reason, 0)) for reason in before | after)
    return [f"{reason} {old:,} -> {new:,}" for reason, old, new in counts if old != new]
