"""Asking for a run: its backend, its ledger, Ctrl-C. The backend stays open from one stage that asks to the next."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol
from weakref import WeakKeyDictionary

from synthneg.cluster.collect import collect
from synthneg.generate.jobs import all_prompts
from synthneg.llm.ask import Asker, Stopped
from synthneg.llm.base import Backend, Reply, Request
from synthneg.llm.interrupt import stopping
from synthneg.llm.jobs import Desk
from synthneg.llm.ledger import Ledger
from synthneg.llm.open import asking_config, open_backend
from synthneg.prompts.kept import FOLDER, keep
from synthneg.run import Run

LEDGER = "ledger.sqlite"

Writer = Callable[[Run, Desk], Awaitable[None]]


class _Open(Protocol):
    """What is open for a run that asks, and the event loop that it belongs to."""

    runner: asyncio.Runner

    def desk(self) -> Desk:
        """Return what asks for one stage."""
        ...

    def close(self) -> None:
        """Let go of weights, connections and ledger."""
        ...


class _Nobody:
    """What a run without prompts asks: no weights are loaded, and no server has to be there."""

    identity = ""

    async def complete(self, request: Request) -> Reply:
        """Say that there is no model: without prompts nothing is sent."""
        raise AssertionError(f"a run without prompts asks for {request.messages}")

    def waits_for(self) -> str:
        """Return that nothing is waited for."""
        return ""

    async def close(self) -> None:
        """Let go of nothing."""


class _Here:
    """A run's ledger and backend in this process."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._ledger = Ledger(run.file(LEDGER))
        try:
            collect(run, self._ledger)
            self._backend = _backend(run, self._ledger)
        except BaseException:
            self._ledger.close()
            raise
        self.runner = asyncio.Runner()

    def desk(self) -> Asker:
        """Return what asks for one stage."""
        config = self._run.config
        return Asker(
            self._backend,
            self._ledger,
            asking_config(config.llm),
            config.seed,
            self._run.asked_s,
        )

    def close(self) -> None:
        """Let go of the weights or connections."""
        try:
            self.runner.run(self._backend.close())
        finally:
            self.runner.close()
            self._ledger.close()


_OPEN: WeakKeyDictionary[Run, _Open] = WeakKeyDictionary()


def with_asker(run: Run, write: Writer) -> None:
    """Let `write` ask the run's language model, by the engine of the run and with its ledger as memory.

    What was opened for it stays open until `release`, or the run's end: weights take long to load. The prompts are
    written into the run's folder first, so that each record's prompt can be read whatever becomes of its file.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when what was in flight is in the ledger.
    """
    for prompt in all_prompts(run.config):
        keep(prompt, run.file(FOLDER))
    if run not in _OPEN:
        _OPEN[run] = _opened(run)
        run.at_close(lambda: release(run))
    opened, start = _OPEN[run], time.monotonic()

    async def work() -> None:
        desk = opened.desk()
        with stopping(desk):
            await write(run, desk)
        run.from_ledger += desk.from_ledger

    try:
        opened.runner.run(work())
    except BaseException as error:
        release(run)
        if isinstance(error, (Stopped, asyncio.CancelledError)):
            raise KeyboardInterrupt from error
        raise
    finally:
        run.asked_s += time.monotonic() - start


def _backend(run: Run, ledger: Ledger) -> Backend:
    return open_backend(run.config.llm, ledger) if all_prompts(run.config) else _Nobody()


def _opened(run: Run) -> _Open:
    if run.engine == "local" or not all_prompts(run.config):
        return _Here(run)
    from synthneg.cluster.asking import Cluster  # noqa: PLC0415 - not needed on one machine

    return Cluster(run, run.file(LEDGER))


def release(run: Run) -> None:
    """Close what is open for asking, so that an encoder or a training has the memory; a second time does nothing."""
    opened = _OPEN.pop(run, None)
    if opened is not None:
        opened.close()
