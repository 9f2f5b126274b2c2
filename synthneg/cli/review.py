"""`synthneg review`: a person answers about a sample of a run, and what the answers say of it."""

from pathlib import Path
from typing import Annotated

import typer

from synthneg.cli.common import DEFAULT_OUTPUTS, Outputs, RunName, check_json_file, run_folder
from synthneg.errors import RunError, SettingsError


def review(
    run: RunName,
    count: Annotated[
        int,
        typer.Option("-n", min=1, help="How many items; a larger number adds to those before."),
    ] = 60,
    reviewer: Annotated[
        str,
        typer.Option(metavar="NAME", help="Who answers; each reviewer is asked about all items."),
    ] = "",
    summary: Annotated[
        bool, typer.Option("--summary", help="Ask nothing; only show what the answers say.")
    ] = False,
    precision: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1.0,
            help="Suggest thresholds by which this share of what passes is right; without it, those that agree most.",
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Ask nothing; write the items for a spreadsheet."),
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option(
            "--import",
            metavar="FILE.csv",
            help="Ask nothing; take answers from a table with the columns query_id, document_id, answers (y, n) or"
            " grade (0 to 3), and reviewer.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="Also write the numbers of what the answers say here."
        ),
    ] = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Ask a person about a sample of a run, one key an item, and say how right the data and the checks are.

    Drawn from every source, prompt and verdict, rejected texts too. Each answer is on the disk, in review.jsonl of the
    run's folder, before the next item is shown: stopped or killed, the same command goes on. A larger -n adds items,
    and asks nothing twice.

    Example: synthneg review my-run -n 100 --reviewer ada
    """
    if summary + (export is not None) + (import_ is not None) > 1:
        raise SettingsError(
            "--summary, --export and --import do different things; give one of them"
        )
    if export is not None and json_file is not None:
        raise SettingsError("--export shows no summary, of which --json is; give one of them")
    check_json_file(json_file)
    folder, reviewer = run_folder(run, outputs), " ".join(reviewer.split())
    if export is not None:
        _export(folder, export, count, reviewer)
        return
    if import_ is not None:
        _import(folder, import_, reviewer)
    elif not summary:
        _ask(folder, count, reviewer)
    _show(folder, precision, json_file)


def _export(folder: Path, file: Path, count: int, reviewer: str) -> None:
    from synthneg.review.drawn import drawn  # noqa: PLC0415  # not needed for help
    from synthneg.review.sheet import write_sheet  # noqa: PLC0415  # as above

    found = drawn(folder, count)
    write_sheet(file, found.items, found.texts, reviewer)
    typer.echo(
        f"written: {file}, {len(found.items):,} items; fill in answers (y, n) or grade (0 to 3), then\n"
        f"synthneg review {folder} --import {file}"
    )


def _import(folder: Path, file: Path, reviewer: str) -> None:
    from synthneg.review.drawn import import_sheet  # noqa: PLC0415  # not needed for help

    found = import_sheet(folder, file, reviewer)
    typer.echo(
        f"imported: {len(found.answers):,} answers; {found.unchanged:,} were there already, {found.blank:,} rows have"
        " no answer\n"
    )


def _ask(folder: Path, count: int, reviewer: str) -> None:
    from synthneg.review.drawn import ask_rest, drawn  # noqa: PLC0415  # not needed for help

    found = drawn(folder, count)
    answered = ask_rest(folder, found, reviewer)
    if answered is None:
        asked = len(found.items)
        more = f"-n {2 * asked} adds to them" if asked < found.records else "the run has no more"
        typer.echo(f"all {asked:,} items are answered; {more}\n")
    else:
        typer.echo(
            f"\nanswers saved: {answered:,}, in {folder / 'review.jsonl'}; the same command goes on\n"
        )


def _show(folder: Path, precision: float | None, json_file: Path | None) -> None:
    from synthneg.cli.paint import paint  # noqa: PLC0415  # not needed for help
    from synthneg.review.summary import read, write  # noqa: PLC0415  # as above
    from synthneg.review.table import lines  # noqa: PLC0415  # as above

    found = read(folder, precision)
    if found is None:
        if json_file is not None:
            raise RunError(
                f"{folder}: --json {json_file} needs answers, and there are none; `synthneg review {folder}` asks"
            )
        typer.echo(f"{folder}: nobody has answered anything yet; `synthneg review` asks")
        return
    paint(lines(found))
    if json_file is not None:
        write(found, json_file)
    _say_if_older(folder)


def _say_if_older(folder: Path) -> None:
    """Say that the run's page does not have all answers, where that is so."""
    from synthneg.review.answers import FILE  # noqa: PLC0415  # needs the settings model
    from synthneg.run import REPORT  # noqa: PLC0415  # as above

    page, answers = folder / REPORT, folder / FILE
    if page.exists() and page.stat().st_mtime_ns < answers.stat().st_mtime_ns:
        typer.echo(
            f"\n{page} is older than the last answer;\n`synthneg report {folder}` writes it anew"
        )
