"""`synthneg demo`: the whole path on this machine alone."""

from pathlib import Path

import typer

from synthneg.cli.common import DEFAULT_OUTPUTS, Changes, Outputs
from synthneg.cli.run import build_and_report, with_run

_NOTE = """\
The language model of this demo has 135 million parameters: it shows the machinery, not what synthetic data is worth.
For data of use, point to a better model with one line, in a settings file (`synthneg init`) or here:
  synthneg run {folder}/run.yaml --set run=better --set llm.model=path/to/model.gguf
  synthneg run {folder}/run.yaml --set run=better --set llm.backend=openai --set llm.base_url=http://localhost:8000/v1
The queries above are synthetic too: how well they are found says little of real ones. Measure on a test collection of
your own with evaluate.collections."""


def demo(changes: Changes = None, outputs: Outputs = DEFAULT_OUTPUTS) -> None:
    """Make a retriever from the docstrings of installed packages, with a tiny language model, in a few minutes.

    Needs the extra `local`, and neither a key nor a network.
    """
    typer.echo(
        "Documents: docstrings of installed packages. Language model: SmolLM2-135M, in this process."
    )
    folder = with_run(Path(__file__).with_name("demo.yaml"), changes, outputs, build_and_report)
    typer.echo(f"\n{passed(folder)}\n\n" + _NOTE.format(folder=folder))


def passed(folder: Path) -> str:
    """Return in a sentence how many of the passages that were asked about have a query that passed its checks."""
    from synthneg.records import Query  # noqa: PLC0415  # orjson is not needed for help
    from synthneg.run.books import read_records  # noqa: PLC0415  # as above

    asked, kept = (
        {query.passage_id for query in read_records(folder / name, Query)}
        for name in ("queries.jsonl", "verified_queries.jsonl")
    )
    return f"{len(kept)} of {len(asked)} passages have a query that passed its checks."
