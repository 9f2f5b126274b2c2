"""Asking for a run: its backend, its ledger, Ctrl-C."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from synthneg.llm.ask import Asker, Stopped
from synthneg.llm.interrupt import stopping
from synthneg.llm.ledger import Ledger
from synthneg.llm.open import asking_config, open_backend
from synthneg.run import Run

LEDGER = "ledger.sqlite"

Writer = Callable[[Run, Asker], Awaitable[None]]


def with_asker(run: Run, write: Writer) -> None:
    """Let `write` ask the run's language model, with the run's ledger as memory.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when what was in flight is in the ledger.
    """

    async def work() -> None:
        ledger = Ledger(run.file(LEDGER))
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
