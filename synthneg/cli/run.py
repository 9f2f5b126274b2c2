"""`synthneg run`, and its stages one by one."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthneg.cli.checks import checks_lines
from synthneg.cli.common import (
    DEFAULT_FILE,
    DEFAULT_OUTPUTS,
    Changes,
    Engine,
    EngineName,
    Outputs,
    Target,
    books_lines,
    settings,
)
from synthneg.cli.order import order_lines
from synthneg.cli.report import report_of_run
from synthneg.cli.usage import usage_lines

if TYPE_CHECKING:
    from synthneg.config import RunConfig
    from synthneg.run import Run

# Written out, because the list itself lies behind imports that help does not need; a test holds the two together.
_STAGES = (
    "corpus, generate.queries, verify.queries, generate.documents, generate.negatives, mine, verify.judge,"
    " verify.documents, export, train, evaluate"
)
_LAST = _STAGES.rpartition(" ")[2]


def run(
    target: Target = DEFAULT_FILE,
    until: Annotated[str, typer.Option(metavar="STAGE", help=f"Last stage: {_STAGES}.")] = _LAST,
    number: Annotated[
        int,
        typer.Option(
            "--round",
            metavar="N",
            min=1,
            help="Rounds after the first ask for more queries like those that the tuned model fails.",
        ),
    ] = 1,
    engine: EngineName = Engine.LOCAL,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Run all stages: documents to queries, negatives, checked dataset, trained retriever and measures.

    The same command again takes up a run where it was stopped: no reply is asked for twice. A finished run is left
    as it is.

    --round 2 goes on after that: a run NAME-round-2 beside it asks about the passages of queries that passed their
    checks and that the tuned model fails, and about their neighbours; it trains on all queries of both rounds, and
    measures base, first and second model side by side. The section rounds says what is a failure.
    """
    from synthneg.preflight import check_settings  # noqa: PLC0415  # needs the settings model

    config, outputs = settings(target, changes, outputs)
    config = _of_round(config, outputs, number, engine)
    work_in(
        config,
        outputs,
        lambda opened: build_and_report(opened, until),
        lambda config: check_settings(config, until),
        engine,
    )


def build_and_report(run: "Run", until: str = _LAST) -> bool:
    """Run the stages, then write the report; return False where nothing was to be done and the report stands."""
    from synthneg.pipeline import build  # noqa: PLC0415  # needs the settings model
    from synthneg.run import REPORT  # noqa: PLC0415  # as above

    done = build(run, until)
    if done or not run.has(REPORT):
        report_of_run(run)
    return done


def _of_round(config: "RunConfig", outputs: Path, number: int, engine: Engine) -> "RunConfig":
    """Return the settings of that round, with the rounds before it finished."""
    if number <= config.rounds.number:
        return config
    from synthneg.files import disk_errors  # noqa: PLC0415  # needs the settings model
    from synthneg.pipeline import next_round  # noqa: PLC0415  # as above
    from synthneg.preflight import check_settings  # noqa: PLC0415  # as above
    from synthneg.rounds.further import check_rounds  # noqa: PLC0415  # as above
    from synthneg.run import REPORT  # noqa: PLC0415  # as above

    check_rounds(config, number)
    while config.rounds.number < number:
        check_settings(config)
        opened = open_run(outputs, config, engine)
        try:
            with disk_errors(opened.folder):
                config = next_round(opened)
                if not opened.has(REPORT):
                    report_of_run(opened)
        finally:
            opened.close()
    return config


def generate(
    target: Target = DEFAULT_FILE,
    engine: EngineName = Engine.LOCAL,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Ask the language model: queries first; documents and hard negatives for queries that `verify` has passed."""
    from synthneg import pipeline  # noqa: PLC0415  # needs the settings model
    from synthneg.preflight import check_settings  # noqa: PLC0415  # as above

    def work(opened: "Run") -> None:
        pipeline.read_documents(opened)
        pipeline.generate_queries(opened)
        if "verify.queries" in opened.books():
            pipeline.generate_documents(opened)
            pipeline.generate_negatives(opened)
        else:
            typer.echo(
                "Queries are written. Next: `synthneg verify`, then `generate` again for their documents."
            )

    with_run(
        target,
        changes,
        outputs,
        work,
        lambda config: check_settings(config, "generate.queries"),
        engine,
    )


def verify(
    target: Target = DEFAULT_FILE,
    engine: EngineName = Engine.LOCAL,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Check the queries, and the documents where they are written. Scores nothing and asks nothing twice."""
    from synthneg import pipeline  # noqa: PLC0415  # needs the settings model

    def work(opened: "Run") -> None:
        opened.need("generate.queries")
        pipeline.check_queries(opened)
        if "generate.negatives" in opened.books():
            pipeline.judge_negatives(opened)
            pipeline.check_documents(opened)
        else:
            typer.echo(
                "Queries are checked. Next: `synthneg generate` writes documents for those that passed."
            )

    with_run(target, changes, outputs, work, engine=engine)


def export(
    target: Target = DEFAULT_FILE,
    shapes: Annotated[
        list[str] | None,
        typer.Option(
            "--shape",
            metavar="NAME",
            help="Format to write as well as those of the settings; may be repeated: pair, triplet,"
            " n-tuple, n-tuple-scores, margin-mse, labeled-pair, labeled-list, beir, tevatron, rlhn,"
            " flagembedding, pylate, msmarco.",
        ),
    ] = None,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Make the dataset of the examples, with its card: a folder that `load_dataset` reads.

    docs/reference/formats.md says of each format what it holds, and which tool reads it. Nothing else of the run is
    done again.
    """
    from synthneg.pipeline import export_dataset  # noqa: PLC0415  # needs the settings model

    if shapes:
        config, _ = settings(target, changes, outputs)
        wanted = ", ".join(dict.fromkeys((*config.export.shapes, *shapes)))
        changes = [*(changes or []), f"export.shapes=[{wanted}]"]
    with_run(target, changes, outputs, export_dataset)


def train(
    target: Target = DEFAULT_FILE, changes: Changes = None, outputs: Outputs = DEFAULT_OUTPUTS
) -> None:
    """Train the retriever on the examples."""
    from synthneg.pipeline import train_model  # noqa: PLC0415  # needs the settings model
    from synthneg.preflight import check_training  # noqa: PLC0415  # as above

    with_run(target, changes, outputs, train_model, check_training)


def with_run(
    target: Path,
    changes: list[str] | None,
    outputs: Path,
    work: "Callable[[Run], object]",
    check: "Callable[[RunConfig], object] | None" = None,
    engine: Engine = Engine.LOCAL,
) -> Path:
    """Open the run that `target` names, do `work` in it, print what it has come to, and return its folder.

    `check` sees the settings before the run's folder does, so that settings which it refuses are written nowhere.
    """
    config, outputs = settings(target, changes, outputs)
    return work_in(config, outputs, work, check, engine)


def work_in(
    config: "RunConfig",
    outputs: Path,
    work: "Callable[[Run], object]",
    check: "Callable[[RunConfig], object] | None" = None,
    engine: Engine = Engine.LOCAL,
) -> Path:
    """Do the work of `with_run` for settings that are read."""
    from synthneg.files import disk_errors  # noqa: PLC0415  # needs the settings model

    if check is not None:
        check(config)
    opened = open_run(outputs, config, engine)
    try:
        before = opened.has("run.json")
        with disk_errors(opened.folder):
            result = work(opened)
        if result is False and before:
            typer.echo(
                f"{opened.folder} is finished, with these settings and documents; there is nothing to do."
            )
        summary(opened.folder)
    finally:
        opened.close()
    return opened.folder


def open_run(outputs: Path, config: "RunConfig", engine: Engine) -> "Run":
    """Open a run for an engine, unless that cannot do what the settings say; then no folder is made."""
    from synthneg.run import Run  # noqa: PLC0415  # needs the settings model

    if engine is Engine.LOCAL:
        return Run(outputs, config, engine)
    from synthneg.cluster.session import check_ray, disconnect, reach  # noqa: PLC0415  # as above
    from synthneg.cluster.storage import storage_at  # noqa: PLC0415  # as above

    check_ray(config.llm)
    if config.ray.storage is not None:
        storage_at(config.ray.storage)
    # A run that is there may have been answered all that it asks.
    if config.ray.address is not None and not (outputs / config.run).exists():
        reach(config.ray)
    opened = Run(outputs, config, engine)
    opened.at_close(disconnect)
    return opened


def summary(folder: Path) -> None:
    """Print what a run has come to: its books, its measures, its files."""
    from synthneg.evaluate.table import saved_tables  # noqa: PLC0415  # not needed for help
    from synthneg.run.books import read_books  # noqa: PLC0415  # needs the settings model

    books = read_books(folder)
    typer.echo(
        "\n".join(
            [
                "",
                *books_lines(books),
                *order_lines(folder, books),
                *checks_lines(folder, books),
                *usage_lines(folder, books),
                "",
            ]
        )
    )
    for lines in saved_tables(folder / "evaluation"):
        typer.echo("\n".join([*lines, ""]))
    made = {
        "dataset": "the dataset: datasets.load_dataset(this path, 'triplet')",
        "model": "the retriever: sentence_transformers.SentenceTransformer(this path)",
        "evaluation": "measures, also per query",
        "report.html": "all of this as one page, to be opened in a browser",
        "rejects.jsonl": "everything that was dropped, and why",
        "run.yaml": "the settings",
    }
    for name, about in made.items():
        if (folder / name).exists():
            typer.echo(f"  {folder / name}  {about}")
