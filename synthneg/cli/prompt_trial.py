"""`synthneg prompts try` and `prompts compare`: what a prompt writes, and which of two writes better."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthneg.cli.common import DEFAULT_FILE, DEFAULT_OUTPUTS, Changes, Outputs
from synthneg.cli.common import settings as settings_of
from synthneg.cli.paint import paint
from synthneg.cli.prompt_diff import Reference
from synthneg.errors import SettingsError

if TYPE_CHECKING:
    from synthneg.config import RunConfig

_QUERIES_BY = "query/question"
_LEAST_WIDTH, _MOST_WIDTH = 60, 120
_LEAST_TABLE = 80

Settings = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE|RUN",
        help="Settings of a run, for its llm, verify and corpus; synthneg.yaml where that is here.",
    ),
]
Corpus = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="The documents; without it, those of the settings."),
]
QueriesBy = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Prompt that writes the queries, for prompts that need queries."
    ),
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Seed of the run; without it, that of the settings.")
]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write a page to look at in a browser.")
]


def try_(
    name: Annotated[str, typer.Argument(metavar="NAME", help=Reference)],
    corpus: Corpus = None,
    count: Annotated[int, typer.Option("-n", min=1, help="How many passages.")] = 20,
    settings: Settings = None,
    queries_by: QueriesBy = _QUERIES_BY,
    seed: Seed = None,
    html: Html = None,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Ask a prompt about a few passages, and show what it wrote, what the checks say of it, and what it cost.

    A prompt that judges is shown, for each query, its own passage, one near the query and one drawn at random.

    Its replies are kept in a hidden folder of the runs' folder, .trials: the same command again asks nothing twice. No
    run of yours is changed.

    Example: synthneg prompts try my.j2 --corpus docs/ -n 20 --set llm.model=qwen.gguf
    """
    from synthneg.trial.comparison import try_prompt  # noqa: PLC0415  # needs the settings model
    from synthneg.trial.lines import sheet_lines  # noqa: PLC0415  # as above

    _check_folders(html)
    config, outputs = _config(settings, corpus, seed, changes, outputs)
    sheet = try_prompt(config, name, count, queries_by, outputs)
    paint(sheet_lines(sheet, _width()))
    if html is not None:
        from synthneg.trial.page import sheet_page  # noqa: PLC0415  # as above

        _write(html, sheet_page(sheet).encode())


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=Reference)],
    b: Annotated[str, typer.Argument(metavar="B", help=Reference)],
    corpus: Corpus = None,
    count: Annotated[int, typer.Option("-n", min=2, help="How many passages.")] = 200,
    settings: Settings = None,
    queries_by: QueriesBy = _QUERIES_BY,
    seed: Seed = None,
    train: Annotated[
        Path | None,
        typer.Option(
            metavar="COLLECTION",
            help="BEIR folder: also train a small model on what each prompt made, and measure it there.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT",
            help="Split of the collection: dev, which it is without this, or train.",
        ),
    ] = None,
    student: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="The model to train; without it, train.base_model."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the figures as JSON.")
    ] = None,
    html: Html = None,
    changes: Changes = None,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Ask two prompts about the same passages with the same seed, and say in which measures B differs from A.

    Intervals cover 95 %. The same prompt twice gets independent replies. Replies are kept in a hidden folder of the
    runs' folder, .trials: the same command again asks nothing twice.

    Example: synthneg prompts compare query/question@HEAD query/question --corpus docs/
    """
    from synthneg.trial.comparison import (  # noqa: PLC0415  # needs the settings model
        compare_prompts,
        comparison_json,
        comparison_lines,
        keep_comparison,
    )
    from synthneg.trial.student import students_of  # noqa: PLC0415  # as above

    if student is not None:
        changes = [*(changes or ()), f"train.base_model={_quoted(student)}"]
    _check_folders(json, html)
    config, outputs = _config(settings, corpus, seed, changes, outputs)
    students = None
    if train is not None:
        students = students_of(train, split or "dev", config.train.base_model)
    elif split is not None or student is not None:
        raise SettingsError(
            "--split and --student say how a student is trained; give --train COLLECTION, too"
        )
    found = compare_prompts(config, (a, b), count, queries_by, outputs, students)
    keep_comparison(found, outputs)
    typer.echo("\n".join(comparison_lines(found, _table_width())))
    if json is not None:
        import orjson  # noqa: PLC0415  # as above

        _write(json, orjson.dumps(comparison_json(found), option=orjson.OPT_INDENT_2))
    if html is not None:
        from synthneg.trial.page import comparison_page  # noqa: PLC0415  # as above

        _write(html, comparison_page(found).encode())


def _config(
    file: Path | None,
    corpus: str | None,
    seed: int | None,
    changes: list[str] | None,
    outputs: Path,
) -> "tuple[RunConfig, Path]":
    """Return the settings of a run, from a file, from one that is here, or from the corpus alone."""
    from synthneg.settings import with_changes  # noqa: PLC0415  # pydantic is not needed for help

    own = [] if corpus is None else [f"corpus.path={_quoted(corpus)}"]
    own += [] if seed is None else [f"seed={seed}"]
    changes = [*own, *(changes or ())]
    if file is None and not DEFAULT_FILE.is_file():
        if not any(change.startswith("corpus.path=") for change in changes):
            raise SettingsError(
                f"which documents? expected --corpus PATH, --settings FILE, or a {DEFAULT_FILE} in this folder"
            )
        return with_changes({"run": "trial"}, changes, "prompts"), outputs
    return settings_of(file or DEFAULT_FILE, changes, outputs)


def _quoted(value: str) -> str:
    """Return a text as YAML takes it for one, whatever is in it."""
    import json  # noqa: PLC0415  # as above

    return json.dumps(value)


def _check_folders(*files: Path | None) -> None:
    """Refuse a file that could not be written, before anything is asked for it."""
    for file in filter(None, files):
        if not file.parent.is_dir():
            raise SettingsError(f"{file}: there is no folder {file.parent}; make it first")
        if file.is_dir():
            raise SettingsError(
                f"{file}: expected a file to write, but this is a folder; name a file in it"
            )


def _write(file: Path, data: bytes) -> None:
    from synthneg.files import disk_errors, write_whole  # noqa: PLC0415  # as above

    with disk_errors(file.parent):
        write_whole(file, data)
    typer.echo(f"written: {file}")


def _width() -> int:
    import shutil  # noqa: PLC0415  # as above

    return max(_LEAST_WIDTH, min(shutil.get_terminal_size((100, 24)).columns, _MOST_WIDTH))


def _table_width() -> int:
    """Return how wide a table may be: as wide as the terminal, and whole where nobody looks at one."""
    import shutil  # noqa: PLC0415  # as above

    from synthneg.trial.table import WIDTH  # noqa: PLC0415  # needs the settings model

    return max(_LEAST_TABLE, min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH))
