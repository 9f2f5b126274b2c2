"""`synthneg import`: a dataset that people have made, as a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthneg.cli.common import DEFAULT_OUTPUTS, Changes, Outputs
from synthneg.errors import RunError, SettingsError

if TYPE_CHECKING:
    from synthneg.config import RunConfig, Shape
    from synthneg.run import Run


def import_dataset(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="A file, a folder, a saved dataset or a name on the Hub."
        ),
    ],
    name: Annotated[str, typer.Option("--run", metavar="NAME", help="Name of the run to make.")],
    given: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="pair, triplet, n-tuple, n-tuple-scores, margin-mse, labeled-pair, labeled-list,"
            " beir, tevatron, rlhn, flagembedding, pylate or msmarco; told by its files and columns"
            " if not given.",
        ),
    ] = None,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Make a run of a dataset that has queries and labels of its own: to be verified, relabelled, exported, trained on.

    Its documents become passages.jsonl, its queries and labelled documents stand in the books of the stages that would
    have written them; what cannot be used is counted there by reason. Nothing is encoded and nothing is asked: until
    `synthneg verify` has judged them, all of them are flagged as unverified. `synthneg export RUN --shape NAME` writes
    them in any other format.
    """
    from synthneg.cli.run import work_in  # noqa: PLC0415  # needs the settings model
    from synthneg.pipeline import read_documents  # noqa: PLC0415  # as above

    config = _settings(path, name, _format(path, given), changes or [], outputs)

    def work(opened: "Run") -> None:
        read_documents(opened)

    folder = work_in(config, outputs, work)
    typer.echo(
        f"Next: `synthneg verify {folder}` judges queries and documents with an encoder; `synthneg export {folder}"
        " --shape NAME` writes them in another format as they are."
    )


def _format(path: str, given: str | None) -> "Shape":
    from synthneg.config.shapes import SHAPES  # noqa: PLC0415  # needs the settings model
    from synthneg.dataset.formats.known import guess  # noqa: PLC0415  # as above

    if given is None:
        return guess(path)
    known = next((shape for shape in SHAPES if shape == given), None)
    if known is None:
        raise SettingsError(f"--format {given}: expected one of {', '.join(SHAPES)}")
    return known


def _settings(
    path: str, name: str, shape: "Shape", changes: list[str], outputs: Path
) -> "RunConfig":
    """Return the settings of the run: those that it has already, or such that nothing is asked and nothing is mined.

    Raises:
        RunError: there is a run of that name, made of something else.
    """
    from synthneg.settings import load, with_changes  # noqa: PLC0415  # needs the settings model

    place, file = f"{shape}:{path}", outputs / name / "run.yaml"
    if file.is_file():
        config = load(file, changes)
        if config.corpus.path != place:
            raise RunError(
                f"{outputs / name}: there is a run of that name, made of {config.corpus.path}; name another with --run"
            )
        return config
    values: dict[str, Any] = {
        "run": name,
        "corpus": {"path": place, "held_out": 0.0},
        "generate": {"documents": {"prompts": []}, "negatives": {"prompts": []}},
        "mine": {"bm25": 0, "dense": 0},
    }
    return with_changes(values, changes, "import")
