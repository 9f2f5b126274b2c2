"""What the commands share: the arguments that name a run, its settings, and the books as lines of text."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthneg.errors import RunError, SettingsError

if TYPE_CHECKING:
    from synthneg.config import RunConfig
    from synthneg.run.books import Counts

Target = Annotated[
    Path,
    typer.Argument(
        metavar="FILE|RUN", help="A settings file, or the name or folder of a run that was begun."
    ),
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="Name of a run, or its folder.")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting, such as llm.concurrency=64; may be repeated.",
    ),
]
Outputs = Annotated[Path, typer.Option(metavar="PATH", help="Folder that holds the runs.")]


class Engine(StrEnum):
    """Where what is heavy is done."""

    LOCAL = "local"
    RAY = "ray"


EngineName = Annotated[
    Engine,
    typer.Option(
        "--engine",
        help="local: on this machine; ray: on a Ray cluster, as the section ray of the settings says.",
    ),
]
DEFAULT_FILE = Path("synthneg.yaml")
DEFAULT_OUTPUTS = Path("outputs")


def run_folder(name: str, outputs: Path) -> Path:
    """Return the folder of the run `name`, which may be a folder itself.

    Raises:
        RunError: there is no such run; the message lists those that there are.
    """
    for folder in (Path(name), outputs / name):
        if (folder / "run.yaml").is_file():
            return folder
    known = sorted(p.parent.name for p in outputs.glob("*/run.yaml"))
    raise RunError(
        f"{name}: there is no run of that name under {outputs}/; runs there: {', '.join(known) or 'none'}"
    )


def check_json_file(file: Path | None) -> None:
    """Raise SettingsError unless `--json` may be written, before anything that takes long has begun."""
    if file is not None and (file.is_dir() or not file.parent.is_dir()):
        raise SettingsError(
            f"--json {file}: expected a file in a folder that exists; make the folder or name another"
        )


def settings(target: Path, changes: list[str] | None, outputs: Path) -> tuple["RunConfig", Path]:
    """Return the settings that `target` names, and the folder of runs: those of a file, or those of a begun run."""
    from synthneg.settings import load  # noqa: PLC0415  # pydantic is not needed for help

    if not target.is_file() and target.suffix not in (".yaml", ".yml"):
        folder = run_folder(str(target), outputs).resolve()
        # The folder's name counts, because people rename folders; quoted, because a name such as 2024 is no number.
        name = f"run='{folder.name}'"
        return load(folder / "run.yaml", (name, *(changes or ()))), folder.parent
    return load(target, changes or ()), outputs


def books_lines(books: "dict[str, Counts]") -> list[str]:
    """Return the books as a table: a row per stage, then each reason of a loss with its count."""
    rows = [("stage", "in", "kept", "rejected and failed, by reason")]
    for stage, counts in books.items():
        reasons = [f"{reason} {n:,}" for reason, n in counts["rejected"].items()]
        reasons += [f"failed: {reason} {n:,}" for reason, n in counts["failed"].items()]
        reasons += [f"kept, but {name} {n:,}" for name, n in counts.get("flagged", {}).items()]
        rows.append(
            (stage, f"{counts['in']:,}", f"{counts['kept']:,}", ", ".join(reasons) or "none")
        )
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = [
        f"  {stage:<{widths[0]}}  {taken:>{widths[1]}}  {kept:>{widths[2]}}  {reasons}"
        for stage, taken, kept, reasons in rows
    ]
    notes = [f"  {stage}: {note}" for stage, of in books.items() for note in of.get("notes", ())]
    return table + notes
