"""`synthneg plan`: what a run will cost and take, from a small pilot."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from synthneg.cli.common import (
    DEFAULT_FILE,
    DEFAULT_OUTPUTS,
    Changes,
    Outputs,
    Target,
    settings,
)

if TYPE_CHECKING:
    from synthneg.config import RunConfig
    from synthneg.generate.projection import Estimate, Projection, Row


def plan(
    target: Target = DEFAULT_FILE,
    pilot: Annotated[
        int,
        typer.Option(min=2, help="Passages that are asked about; more give narrower intervals."),
    ] = 12,
    json: Annotated[bool, typer.Option("--json", help="Print the projection as JSON.")] = False,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Ask about a few passages, and project requests, tokens, money and time of the whole run, with 95 % intervals.

    The pilot's replies are kept: the run does not ask for them again. Nothing is checked, so all queries are taken to
    pass their checks, unless the run has checked some; what is rejected gets no documents, and costs less. Left out is
    what is asked again for what the whole set shows (generate.queries.rounds). Money needs llm.price.input and
    llm.price.output, in USD per million tokens.
    """
    from synthneg import pipeline  # noqa: PLC0415  # needs the settings model
    from synthneg.files import disk_errors  # noqa: PLC0415  # as above
    from synthneg.preflight import check_settings  # noqa: PLC0415  # as above
    from synthneg.run import Run  # noqa: PLC0415  # as above

    config, outputs = settings(target, changes, outputs)
    check_settings(config, "generate.queries")
    opened = Run(outputs, config)
    try:
        with disk_errors(opened.folder):
            found = pipeline.plan(opened, pilot)
    finally:
        opened.close()
    if json:
        import orjson  # noqa: PLC0415  # not needed for help

        typer.echo(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo("\n".join(_lines(found, config)))


def _lines(found: "Projection", config: "RunConfig") -> list[str]:
    """Return the projection as a table, with what it rests on."""
    from synthneg.llm.budget import money  # noqa: PLC0415  # needs the settings model
    from synthneg.progress import clock  # noqa: PLC0415  # as above

    head = ("stage", "prompt", "requests", "tokens in", "tokens out", "money")
    rows = [head, *(_cells(row) for row in (*found.rows, found.total))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    table = [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    seconds, llm = found.seconds, config.llm
    passing = (
        "every query is taken to pass its checks; what fails them gets no documents and costs less"
        if found.pass_rate is None
        else f"{found.pass_rate:.0%} of the queries pass their checks, as they have so far"
    )
    lines = [
        f"plan of {config.run}: {found.passages:,} passages, from a pilot of {found.pilot_passages};"
        " 95 % intervals in brackets",
        "",
        *table,
        "",
        f"  time: {clock(seconds.mean)} [{clock(seconds.low)}, {clock(seconds.high)}] of asking, if"
        f" {llm.concurrency} in flight are answered as fast as the pilot's were",
        f"  money: {money(found.total.usd.mean if found.total.usd else None)}",
        f"  {passing}",
    ]
    if found.affords is not None:
        lines.append(
            f"  the budget affords {_numbers(found.affords)} of {found.passages:,} passages if all queries"
            " pass; the run is made of as many as the lower end says"
        )
    if config.corpus.topic is not None:
        lines.append(
            "  left out: the tasks of the topic; all of them are asked for before the pilot"
        )
    rounds = config.generate.queries.rounds
    if rounds and not config.corpus.is_written:
        lines.append(
            "  left out: queries that are asked again for what the whole set shows, such as repeats; at most"
            f" {rounds} more requests for each (generate.queries.rounds)"
        )
    used = found.pilot
    cost = money(used.usd.mean if used.usd else None)
    lines.append(
        f"  the pilot has used {used.requests.mean:,.0f} requests, {used.tokens_in.mean:,.0f} tokens in and"
        f" {used.tokens_out.mean:,.0f} out ({cost}), whenever that was; they are in the ledger, and `synthneg run`"
        " does not ask for them again"
    )
    return lines


def _cells(row: "Row") -> tuple[str, ...]:
    from synthneg.llm.budget import money  # noqa: PLC0415  # needs the settings model

    cost = "not known"
    if row.usd is not None:
        low, high = (money(end).removesuffix(" USD") for end in (row.usd.low, row.usd.high))
        cost = f"{money(row.usd.mean)} [{low}, {high}]"
    return (
        row.stage,
        row.prompt,
        *(_numbers(total) for total in (row.requests, row.tokens_in, row.tokens_out)),
        cost,
    )


def _numbers(total: "Estimate") -> str:
    return f"{total.mean:,.0f} [{total.low:,.0f}, {total.high:,.0f}]"
