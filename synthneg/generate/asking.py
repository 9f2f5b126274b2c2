"""Asking for a run: its backend, its ledger, Ctrl-C. The backend stays open from one stage that asks to the next."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from synthneg.generate.jobs import all_prompts
from synthneg.llm.ask import Asker, Stopped
from synthneg.llm.base import Backend
from synthneg.llm.interrupt import stopping
from synthneg.llm.ledger import Ledger
from synthneg.llm.open import asking_config, open_backend
from synthneg.prompts.kept import FOLDER, keep
from synthneg.run import Run

LEDGER = "ledger.sqlite"

Writer = Callable[[Run, Asker], Awaitable[None]]


class _Desk:
    """A run's ledger and backend, and the event loop that they belong to."""

    def __init__(self, run: Run) -> None:
        self.ledger = Ledger(run.file(LEDGER))
        try:
            self.backend: Backend = open_backend(run.config.llm, self.ledger)
        except BaseException:
            self.ledger.close()
            raise
        self.runner = asyncio.Runner()

    def close(self) -> None:
        """Let go of the weights or connections."""
        try:
            self.runner.run(self.backend.close())
        finally:
            self.runner.close()
            self.ledger.close()


_DESKS: WeakKeyDictionary[Run, _Desk] = WeakKeyDictionary()


def with_asker(run: Run, write: Writer) -> None:
    """Let `write` ask the run's language model, with the run's ledger as memory.

    What was opened for it stays open until `release`, or the run's end: weights take long to load. The prompts are
    written into the run's folder first, so that each record's prompt can be read whatever becomes of its file.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when what was in flight is in the ledger.
    """
    for prompt in all_prompts(run.config):
        keep(prompt, run.file(FOLDER))
    if run not in _DESKS:
        _DESKS[run] = _Desk(run)
        run.at_close(lambda: release(run))
    desk, start = _DESKS[run], time.monotonic()

    async def work() -> None:
        llm = run.config.llm
        asker = Asker(desk.backend, desk.ledger, asking_config(llm), run.config.seed, run.asked_s)
        with stopping(asker):
            await write(run, asker)
        run.from_ledger += asker.from_ledger

    try:
        desk.runner.run(work())
    except BaseException as error:
        release(run)
        if isinstance(error, (Stopped, asyncio.CancelledError)):
            raise KeyboardInterrupt from error
        raise
    finally:
        run.asked_s += time.monotonic() - start


def release(run: Run) -> None:
    """Close what is open for asking, so that an encoder or a training has the memory; a second time does nothing."""
    desk = _DESKS.pop(run, None)
    if desk is not None:
        desk.close()
