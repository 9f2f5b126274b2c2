"""Processes that begin with the heavy packages imported: forks of one that has imported them and done nothing else.

A fork is a process of its own and is killed as any other; importing torch and its kind takes a fresh one seconds, and
tests start processes by the dozen. That a command imports what it needs is seen where a test starts it afresh.
"""

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any

import pytest

HEAVY = [
    "bm25s.stopwords",
    "datasets",
    "markitdown",
    "matplotlib.backends.backend_svg",
    "sentence_transformers.sentence_transformer.trainer",
    "synthneg.cli",
    "synthneg.compare.arms",
    "synthneg.evaluate.compare",
    "synthneg.pipeline",
    "synthneg.preflight",
    "synthneg.report.write",
    "synthneg.scoring.postings",
    "synthneg.train.students.trainer",
]
# Read when the Hub's client is imported.
WHILE_IMPORTING = {"HF_HUB_OFFLINE": "1"}


class Forked:
    """A process at work, with the methods of a Popen that tests use."""

    def __init__(self, work: Callable[..., None], *given: Any) -> None:
        """Begin with `work(*given)`; both must be found by their names in the other process."""
        self._said = tuple(Path(_empty_file()) for _ in ("out", "err"))
        self._process = _context().Process(target=_begin, args=(self._said, work, *given))
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """Return the exit status, the negative number of a signal, or None for one that is at work."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return what `returncode` does."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.returncode is None and self._process.pid:
            os.kill(self._process.pid, number)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for the end and return what was written to standard output and standard error."""
        self._process.join(timeout)
        if self.returncode is None:
            self._process.kill()
            raise TimeoutError(self._said[1].read_text())
        out, err = (file.read_text() for file in self._said)
        for file in self._said:
            file.unlink(missing_ok=True)
        return out, err


def synthneg(folder: Path, environment: Mapping[str, str], *arguments: str) -> Forked:
    """Start `synthneg` in a folder, with this environment and no other."""
    return Forked(_command, folder, dict(environment), arguments)


def _context() -> Any:
    context = get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WHILE_IMPORTING.items():
            patch.setenv(name, value)
        forkserver.ensure_running()
    return context


def _empty_file() -> str:
    handle, name = tempfile.mkstemp(prefix="forked-")
    os.close(handle)
    return name


def _begin(said: tuple[Path, Path], work: Callable[..., None], *given: Any) -> None:
    gc.freeze()  # what it began with stays, and need not be looked through, nor its memory copied
    for number, file in zip((1, 2), said, strict=True):
        handle = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(handle, number)
        os.close(handle)
    # A suite that was started in the background ignores Ctrl-C, and its processes would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    work(*given)


def _command(folder: Path, environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    from synthneg.cli import main  # noqa: PLC0415 - where a test has not imported it either

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["synthneg", *arguments]
    main()
