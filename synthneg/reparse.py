"""New parsing of the replies that a run has paid for: no request, no token, no network."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from synthneg.errors import RunError
from synthneg.generate.afford import recall
from synthneg.generate.documents import write_documents
from synthneg.generate.jobs import all_prompts
from synthneg.generate.negatives import write_negatives
from synthneg.generate.passages import write_passages
from synthneg.generate.queries import write_queries
from synthneg.llm.history import History
from synthneg.llm.jobs import Asks
from synthneg.llm.open import identity_of
from synthneg.llm.replay import Replay
from synthneg.llm.send import Failure
from synthneg.records import Reject
from synthneg.run import Run
from synthneg.run.books import Counts

Writer = Callable[[Run, Asks], Awaitable[None]]

_QUERIES = "generate.queries"
_DOCUMENTS = "generate.documents"
_WRITERS: dict[str, Writer] = {
    _QUERIES: write_queries,
    _DOCUMENTS: write_documents,
    "generate.negatives": write_negatives,
}


class Reparsed(NamedTuple):
    """What new parsing has made of a stage."""

    stage: str
    before: Counts
    after: Counts
    changed: (
        bool  # whether what later stages made of its file is void; the counts alone do not tell
    )


def reparse(run: Run) -> list[Reparsed]:
    """Write the files of the stages that ask anew from the ledger, and return what has become of each.

    Where the queries come out otherwise, their checks are void, and the stages behind those are left to a run.

    Raises:
        RunError: nothing has been asked yet, or what would be asked now is not what was.
    """
    books, ledger = run.books(), run.file("ledger.sqlite")
    if _QUERIES not in books or not ledger.is_file():
        raise RunError(
            f"{run.folder}: no stage has asked the language model to its end, so there is nothing to parse anew;"
            " begin with `synthneg run`"
        )
    afforded = recall(run)
    if afforded is not None and afforded.passages < afforded.of:
        run.limit = afforded.passages
    history = History(ledger)
    try:
        # Without prompts nobody was asked, and the settings of a model need not fit this machine.
        identity = identity_of(run.config.llm, history) if all_prompts(run.config) else ""
        found = []
        written: dict[str, Writer] = (
            {"corpus": write_passages} if run.config.corpus.is_written else {}
        )
        for stage, write in (written | _WRITERS).items():
            if stage in books and (
                stage in ("corpus", _QUERIES) or "verify.queries" in run.books()
            ):
                before = _losses(run, stage, books[stage])
                replay = Replay(history, identity, run.config.seed, run.config.llm.reasks, before)
                found.append(_reparsed(run, stage, books[stage], write, replay))
        return found
    finally:
        history.close()


def _reparsed(run: Run, stage: str, before: Counts, write: Writer, replay: Replay) -> Reparsed:
    async def work() -> None:
        await write(run, replay)

    stood = run.books().keys()
    asyncio.run(work())
    books = run.books()
    return Reparsed(
        stage, before, books[stage], before != books[stage] or not stood <= books.keys()
    )


def _losses(run: Run, stage: str, counts: Counts) -> dict[str, Failure]:
    """Return why jobs of a stage came to nothing, by the job's id."""
    losses = {}
    for row in run.read("rejects.jsonl", Reject):
        # A reply without one of its documents is no lost job; a job for graded documents is lost once for each grade.
        if row.stage == stage and (stage != _DOCUMENTS or row.reason != "missing"):
            id = row.id.rpartition(":")[0] if stage == _DOCUMENTS else row.id
            losses[id] = Failure(row.reason, row.detail, row.reason not in counts["failed"])
    return losses
