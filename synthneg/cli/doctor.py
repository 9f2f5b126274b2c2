"""`synthneg doctor`: what is wrong with a training."""

from typing import Annotated

import typer

from synthneg.cli.common import DEFAULT_OUTPUTS, Outputs, RunName, run_folder


def doctor(
    run: RunName,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Say why a tuned model is no better than its base: each possible fault with its number, a word and the remedy.

    Looks for false negatives, shortcuts, prefixes or a pooling that do not match, truncation, duplicates, queries
    unlike those of people, borrowed negatives, overlap with evaluation sets, a loss that did not fall, a model that
    moved too far or not at all, and too few queries to see a difference. bad: alone it can explain a loss; suspect: it
    may. Of the run only its cache of vectors grows.
    """
    from synthneg.doctor.examine import examine  # noqa: PLC0415  # not needed for help
    from synthneg.doctor.patient import Patient  # noqa: PLC0415  # as above
    from synthneg.settings import load  # noqa: PLC0415  # as above

    folder = run_folder(run, outputs)
    report = examine(Patient(folder, load(folder / "run.yaml")))
    if json:
        import orjson  # noqa: PLC0415  # not needed for help

        typer.echo(orjson.dumps(report.to_json(), option=orjson.OPT_INDENT_2).decode())
        return
    from synthneg.cli.paint import paint  # noqa: PLC0415  # not needed for help
    from synthneg.doctor.lines import lines  # noqa: PLC0415  # as above

    paint(lines(report))
