"""Encoding on many cores: processes with a copy of the model each, because the threads of one use them badly.

The standard library's pools are not used: where the system kills one of their processes, as it does when memory is
short, Python 3.11's executor turns for ever, and its older pool waits for ever.
"""

import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthneg.errors import ModelError
from synthneg.scoring.base import Encoder, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_END_S = 5.0  # that an idle process is given to end


class Processes:
    """Encodes batches of texts in several processes, which are started when there are first texts for all of them.

    They end with the object, and with the process that started them, though it be killed.
    """

    def __init__(self, count: int, load: Callable[[], Encoder]) -> None:
        """Name what is loaded; nothing is started yet.

        Args:
            count: how many processes; each gets an equal share of the cores.
            load: gives the encoder, in each of them; it must be picklable.
        """
        self._count, self._load = count, load
        self._pipes: list[Connection] = []

    def encode(self, texts: Sequence[str], role: Role, batch: int) -> "NDArray[np.float32]":
        """Return (n, d) rows of at least one text, in their order; texts of about one length share a batch.

        Raises:
            ModelError: a process has died, or what the encoder raises.
        """
        import numpy as np  # noqa: PLC0415 - heavy: only when encoding

        order = np.argsort([-len(text) for text in texts], kind="stable")
        batches = [order[start : start + batch] for start in range(0, len(order), batch)]
        try:
            parts = list(self._dealt(texts, role, batches))
        except (EOFError, OSError) as error:
            raise ModelError(
                f"one of {self._count} processes that encode has died, as where memory is short for as many copies of"
                " the model; lower verify.encode_processes"
            ) from error
        if broken := next((rows for _, rows in parts if isinstance(rows, ModelError)), None):
            raise broken
        found = np.empty((len(texts), parts[0][1].shape[1]), np.float32)
        for places, rows in parts:
            found[places] = rows
        return found

    def _dealt(
        self, texts: Sequence[str], role: Role, batches: "Sequence[NDArray[np.int64]]"
    ) -> "Iterator[tuple[NDArray[np.int64], Any]]":
        """Yield the places of each batch with its rows or an error, as they come; whoever is done gets the next one."""
        waiting = list(reversed(batches))
        busy: dict[Any, NDArray[np.int64]] = {}
        idle: list[Any] = self._started()[: len(waiting)]
        while idle:
            for pipe in idle[: len(waiting)]:
                busy[pipe] = waiting.pop()
                pipe.send((role, [texts[i] for i in busy[pipe]]))
            idle = list(connection.wait(list(busy))) if busy else []
            for pipe in idle:
                yield busy.pop(pipe), pipe.recv()

    def _started(self) -> list[Connection]:
        if not self._pipes:
            context = get_context("spawn")
            threads = max(1, (os.cpu_count() or 1) // self._count)
            processes = []
            for _ in range(self._count):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_work, args=(theirs, self._load, threads), daemon=True
                )
                process.start()
                theirs.close()  # so that the pipe ends when the process does
                self._pipes.append(ours)
                processes.append(process)
            weakref.finalize(self, _end, self._pipes, processes)
        return self._pipes


def _end(pipes: Sequence[Connection], processes: Sequence[SpawnProcess]) -> None:
    for pipe in pipes:
        pipe.close()
    for process in processes:
        process.join(_END_S)


def _work(pipe: Connection, load: Callable[[], Encoder], threads: int) -> None:
    """Encode what comes until the other end is closed, as it is when its process ends in whatever way."""
    import torch  # noqa: PLC0415 - heavy: only when encoding

    torch.set_num_threads(threads)
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        encoder = load()  # what there is to say of it was said where it was loaded first
    try:
        while True:
            role, texts = pipe.recv()
            try:
                pipe.send(encoder.encode(texts, role))
            except ModelError as error:
                pipe.send(error)
    except (EOFError, OSError):
        pass
