"""`synthneg status` and `synthneg show`: a run's books, and the lineage of one record."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthneg.cli.checks import checks_lines
from synthneg.cli.common import DEFAULT_OUTPUTS, Outputs, RunName, books_lines, run_folder
from synthneg.cli.order import order_lines
from synthneg.cli.reviewed import reviewed_lines
from synthneg.cli.usage import usage_lines
from synthneg.errors import PromptError, RunError

if TYPE_CHECKING:
    from pathlib import Path

    from synthneg.llm.ledger import Ledger

_RECORD_FILES = (
    "queries.jsonl",
    "documents.jsonl",
    "passages.jsonl",
    "scores.jsonl",
    "rejects.jsonl",
)
_IDS = ("id", "query_id", "document_id")


def status(run: RunName, outputs: Outputs = DEFAULT_OUTPUTS) -> None:
    """Show a run's books: what came in, what was kept, what was rejected or failed and why, its cost, and its review.

    Nothing is written: a run may be looked at while another process is at work in it.
    """
    from synthneg.run.books import read_books  # noqa: PLC0415  # needs the settings model

    folder = run_folder(run, outputs)
    state = (
        "finished" if (folder / "run.json").exists() else "not finished; `synthneg run` takes it up"
    )
    books = read_books(folder)
    typer.echo(
        "\n".join(
            [
                f"{folder}: {state}",
                *books_lines(books),
                *order_lines(folder, books),
                *checks_lines(folder, books),
                *usage_lines(folder, books),
                *reviewed_lines(folder),
            ]
        )
    )


def show(
    run: RunName,
    id: Annotated[str, typer.Argument(metavar="ID", help="Id of a query, document or passage.")],
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> None:
    """Show where a record comes from and what became of it: prompt as sent, raw reply, scores, reason of a reject.

    Of what a judge said of a document, its reply is shown too.
    """
    from synthneg.llm.ledger import Ledger  # noqa: PLC0415  # not needed for help

    folder = run_folder(run, outputs)
    rows = list(_rows_of(folder, id))
    if not rows:
        raise RunError(
            f"{folder}: no record has the id {id!r}; ids stand in queries.jsonl and documents.jsonl"
        )
    ledger = (
        Ledger(folder / "ledger.sqlite", read_only=True)
        if (folder / "ledger.sqlite").exists()
        else None
    )
    judged = set()
    for file, row in rows:
        typer.echo(f"── {file}")
        for key, value in row.items():
            if key != "origin" and value != "":
                typer.echo(f"{key}: {value}")
        if ledger is not None and row.get("origin"):
            _show_origin(row["origin"], ledger, folder)
        key = row.get("key", "")
        if ledger is not None and key and key not in judged:  # a reply may say several things
            judged.add(key)
            _show_reply(key, ledger)
    if ledger is not None:
        ledger.close()


def _rows_of(folder: "Path", id: str) -> "list[tuple[str, dict[str, Any]]]":
    import orjson  # noqa: PLC0415  # not needed for help

    found = []
    for name in _RECORD_FILES:
        if (folder / name).exists():
            with (folder / name).open("rb") as stream:
                rows = (orjson.loads(line) for line in stream)
                found += [(name, row) for row in rows if id in map(row.get, _IDS)]
    return found


def _show_origin(origin: dict[str, Any], ledger: "Ledger", folder: "Path") -> None:
    typer.echo(f"prompt: {origin['prompt']}  model: {origin['model']}  seed: {origin['seed']}")
    typer.echo(f"text of the prompt: {_where(origin['prompt'], folder)}")
    typer.echo(
        f"sampling: {origin['sampling']}  draws: {origin['draws']}  ledger key: {origin['key']}"
    )
    _show_reply(origin["key"], ledger)


def _show_reply(key: str, ledger: "Ledger") -> None:
    stored = ledger.show(key)
    if stored is not None:
        reply = stored.reply
        for message in stored.messages:
            typer.echo(
                f"  === {message['role']}\n  {message['content'].replace(chr(10), chr(10) + '  ')}"
            )
        typer.echo(f"  === raw reply ({reply.finish}, {reply.tokens_out} tokens)\n  {reply.text}\n")


def _where(tag: str, folder: "Path") -> str:
    """Return where the text of a record's prompt is, and the command that prints it."""
    from synthneg.cli.prompt_text import of_run  # noqa: PLC0415  # needs the settings model

    try:
        found = of_run(tag, folder)
    except PromptError as error:
        return f"not found ({error})"
    return f"{found.where}; synthneg prompts show {tag} --run {folder}"
