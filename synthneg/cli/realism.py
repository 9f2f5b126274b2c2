"""`synthneg prompts realism`: are the queries of a run like real ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthneg.cli.common import DEFAULT_OUTPUTS, Outputs, RunName, run_folder
from synthneg.errors import SettingsError

if TYPE_CHECKING:
    from synthneg.realism.report import Realism


def realism(
    run: RunName,
    queries: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Real queries: one per line, or .jsonl, .csv, .tsv with a field text or query.",
        ),
    ],
    every: Annotated[
        bool, typer.Option("--all", help="Also the queries that failed their checks.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here.")
    ] = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Compare a run's queries with real ones in length, kind, words and meaning, and say what to ask for more of.

    Twenty real queries are enough to begin with; the table says how small a difference they could have shown. Nothing
    is asked of a language model, and of the run only its cache of vectors grows.

    Example: synthneg prompts realism my-run --queries real.txt
    """
    if json_file is not None and (json_file.is_dir() or not json_file.parent.is_dir()):
        raise SettingsError(
            f"--json {json_file}: expected a file in a folder that exists; make the folder or name another"
        )
    found = _measure(run_folder(run, outputs), queries, every)
    from synthneg.realism.table import lines  # noqa: PLC0415  # not needed for help

    typer.echo("\n".join(lines(found)))
    if json_file is not None:
        import orjson  # noqa: PLC0415  # not needed for help

        from synthneg.files import write_whole  # noqa: PLC0415  # as above
        from synthneg.realism.report import to_json  # noqa: PLC0415  # as above

        write_whole(json_file, orjson.dumps(to_json(found), option=orjson.OPT_INDENT_2))


def _measure(folder: Path, file: Path, every: bool) -> "Realism":
    from synthneg.realism.read import generated_queries, real_queries  # noqa: PLC0415  # not needed for help
    from synthneg.realism.report import measure  # noqa: PLC0415  # as above
    from synthneg.scoring.encoder import load_encoder  # noqa: PLC0415  # as above
    from synthneg.settings import load  # noqa: PLC0415  # as above

    # Before a model is loaded, for that takes seconds.
    real, generated = real_queries(file), generated_queries(folder, every)
    config = load(folder / "run.yaml")
    encoder = load_encoder(
        config.verify.encoder,
        batch_size=config.verify.encode_batch,
        vectors=folder / "vectors",
        encoding=config.verify.encoding,
    )
    return measure(str(file), real, generated, encoder, config.seed)
