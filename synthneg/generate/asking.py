"""Asking for a run: its backend, its ledger, Ctrl-C; and as many passages as its budget affords."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from synthneg.files import fingerprint
from synthneg.generate.jobs import all_prompts
from synthneg.generate.pilot import Pilot, pilot
from synthneg.generate.projection import Projection, project
from synthneg.llm.ask import Asker, Stopped
from synthneg.llm.interrupt import stopping
from synthneg.llm.ledger import Ledger
from synthneg.llm.open import asking_config, open_backend
from synthneg.progress import say
from synthneg.run import Run

_PILOT_PASSAGES = 12
_RUN = "run"

Writer = Callable[[Run, Asker], Awaitable[None]]


def project_run(run: Run, count: int) -> Projection:
    """Return what the run will use, from a pilot of `count` passages of its corpus; its replies count for the run."""
    found: list[Pilot] = []

    async def work(run: Run, asker: Asker) -> None:
        found.append(await pilot(run, asker, count))

    with_asker(run, work)
    books = run.books()
    kept = int(books["corpus"]["kept"])
    checked = books.get("verify.queries")
    rate = checked["kept"] / checked["in"] if checked and checked["in"] else None
    wanted = min(run.config.corpus.limit or kept, kept)
    return project(found[0], wanted, run.config.llm, rate)


def _within_budget(run: Run) -> None:
    """Set `run.limit` to the passages that a budget affords: a random choice of them, through all that is asked for.

    What a pilot said is remembered, for another start must not choose otherwise.
    """
    llm = run.config.llm
    if not llm.budget.model_dump(exclude_none=True):
        return
    ledger = Ledger(run.file("ledger.sqlite"))
    try:
        tags = [prompt.tag for prompt in all_prompts(run.config)]
        shaping = (
            run.config.corpus.limit,
            run.config.seed,
            run.config.generate.model_dump(mode="json"),
        )
        budget = (llm.budget.model_dump(mode="json"), llm.price.model_dump(mode="json"))
        name = f"affords {fingerprint(tags, shaping, budget, llm.model, run.books()['corpus'])}"
        known = ledger.fact(_RUN, name)
    finally:
        ledger.close()
    if known is None:
        projection = project_run(run, _PILOT_PASSAGES)
        known = str(projection.affords)
        ledger = Ledger(run.file("ledger.sqlite"))
        ledger.learn(_RUN, name, known)
        ledger.close()
        if int(known) < projection.passages:
            say(
                f"the budget affords about {int(known):,} of {projection.passages:,} passages, by a pilot of"
                f" {projection.pilot_passages}; those are drawn at random and taken through all stages"
            )
    run.limit = min(int(known), run.config.corpus.limit or int(known))


def ask_within_budget(run: Run, write: Writer) -> None:
    """Let `write` ask, within the budget if there is one; see `with_asker`."""
    _within_budget(run)
    with_asker(run, write)


def with_asker(run: Run, write: Writer) -> None:
    """Let `write` ask the run's language model, with the run's ledger as memory.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when what was in flight is in the ledger.
    """

    async def work() -> None:
        ledger = Ledger(run.file("ledger.sqlite"))
        start = time.monotonic()
        try:
            backend = open_backend(run.config.llm, ledger)
            try:
                asker = Asker(
                    backend, ledger, asking_config(run.config.llm), run.config.seed, run.asked_s
                )
                with stopping(asker):
                    await write(run, asker)
                run.from_ledger += asker.from_ledger
            finally:
                await backend.close()
        finally:
            run.asked_s += time.monotonic() - start
            ledger.close()

    try:
        asyncio.run(work())
    except (Stopped, asyncio.CancelledError) as error:
        raise KeyboardInterrupt from error
