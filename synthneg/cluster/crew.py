"""The workers of one asking: Ray Data maps them over the partitions, and brings them back when they are lost."""

import asyncio
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from synthneg import errors
from synthneg.cluster.allowance import keeping
from synthneg.cluster.board import Seen, open_board
from synthneg.cluster.session import connect, disconnect, per_worker, workers
from synthneg.cluster.worker import Errand, Worker
from synthneg.config import LLMConfig
from synthneg.errors import ClusterError, SynthnegError
from synthneg.llm.ask import Advance, Stopped
from synthneg.llm.used import Totals
from synthneg.run import Run

_TICK_S = 0.5
_PATIENCE_S = 5.0  # for what is in flight, when another worker has met an error
_ANSWER_S = 5.0  # of the board


class Crew:
    """Has workers ask the jobs of partitions.

    Args:
        run: whose settings say where the cluster is.
        errand: what they do.
        used: what the run has used before.
    """

    def __init__(self, run: Run, errand: Errand, used: Totals) -> None:
        connect(run)
        self._config, self._errand = run.config.ray, errand
        self._used, self._asked_s = used, run.asked_s
        self._board = open_board()
        self._stopping = False
        self._rows: asyncio.Queue[dict[str, Any] | BaseException | None] = asyncio.Queue()

    def stop(self) -> int:
        """Have the workers send nothing more; return how many requests are in flight."""
        import ray  # noqa: PLC0415 - an extra

        self._stopping = True
        with suppress(ray.exceptions.RayError):
            return int(ray.get(self._board.stop.remote(), timeout=_ANSWER_S))
        return 0

    async def work(self, jobs: Mapping[int, int], ended: Advance) -> None:
        """Return when the partitions have their outcomes.

        Args:
            jobs: how many of them each partition has.
            ended: told of jobs that have ended, and of what is waited for.

        Raises:
            SynthnegError: what a worker met that no retry will cure; the others have stopped by then.
            ClusterError: the cluster has no room, or has gone away.
            Stopped: `stop` was called.
        """
        llm = self._errand.llm
        room = per_worker(self._config, llm)
        most = min(len(jobs), llm.concurrency) if llm.backend == "openai" else len(jobs)
        count = workers(self._config, room, most)
        loop = asyncio.get_running_loop()

        def put(row: dict[str, Any] | BaseException | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._rows.put_nowait, row)

        # Ray Data waits without end for its next row; a daemon holds up nobody who leaves.
        try:
            with keeping(whole(llm, count), self._used, self._asked_s, self._board) as keeper:
                args = (list(jobs), count, room, keeper, put)
                threading.Thread(target=self._drive, args=args, daemon=True).start()
                await self._watch(jobs, ended)
        except BaseException:
            disconnect()  # and with it goes whatever worker is left
            raise

    def _drive(
        self, partitions: list[int], count: int, room: dict[str, float], keeper: Any, put: Any
    ) -> None:
        """Have Ray Data map workers over the partitions, and put each row that comes back, and None at the end."""
        try:
            for row in _mapped(partitions, count, room, (self._errand, self._board, keeper)):
                put(row)
            put(None)
        except BaseException as error:  # noqa: BLE001  # raised anew by whoever waits for the rows
            put(error)

    async def _watch(self, jobs: Mapping[int, int], ended: Advance) -> None:
        """Tell how far the workers are until their last row is there; raise what has gone wrong."""
        told, done, begun = 0, 0, False
        wrong: SynthnegError | None = None
        until = math.inf
        while (row := await self._next()) is not None and time.monotonic() < until:
            if isinstance(row, BaseException):
                raise wrong or explained(row)
            done += bool(row)
            if row and wrong is None and (wrong := _error_of(row)) is not None:
                self._stopping, until = True, time.monotonic() + _PATIENCE_S
            seen = await self._seen()
            if self._stopping:  # said again and again: the board forgets it when it is started anew
                await asyncio.to_thread(self.stop)
                if seen is not None and not seen.at_work:
                    break
            if seen is None:
                continue
            begun = begun or done > 0 or seen.at_work > 0
            words = f"{done:,} of {len(jobs):,} partitions done, {seen.at_work:,} at work"
            note = f"{words}, {seen.in_flight:,} in flight" if begun else "waiting for workers"
            ended(max(0, seen.ended - told), note)
            told = max(told, seen.ended)
        if wrong is not None:
            raise wrong
        if self._stopping:
            raise Stopped
        ended(sum(jobs.values()) - told, "")

    async def _next(self) -> dict[str, Any] | BaseException | None:
        """Return the next row, an empty one where none has come for a moment, and None behind the last."""
        try:
            async with asyncio.timeout(_TICK_S):
                return await self._rows.get()
        except TimeoutError:
            return {}

    async def _seen(self) -> Seen | None:
        """Return what the workers have told; None where the board does not answer."""
        from ray.exceptions import RayError  # noqa: PLC0415 - an extra

        with suppress(RayError, TimeoutError):
            async with asyncio.timeout(_ANSWER_S):
                return Seen(*await self._board.seen.remote())
        return None


def whole(llm: LLMConfig, workers: int) -> LLMConfig:
    """Return what is allowed to so many workers together: the places of a server, or those of all their models."""
    if llm.backend == "openai":
        return llm
    return llm.model_copy(update={"concurrency": llm.concurrency * workers})


def explained(error: BaseException) -> BaseException:
    """Return what Ray says as an error that a user can put right, where it is one."""
    from ray.exceptions import RayError, RayTaskError  # noqa: PLC0415 - an extra

    words = str(error)
    if "No module named" in words:
        missing = words.partition("No module named")[2].split()[0].strip("'\"")
        return ClusterError(
            f"a machine of the cluster lacks the package {missing}; install synthneg in the same version on all of"
            " them, with the extras that this run needs"
        )
    if isinstance(error, RayError) and not isinstance(error, RayTaskError):
        return ClusterError(
            f"the Ray cluster has ended the work ({' '.join(words.split())[:300]}); nothing answered is lost: when the"
            " cluster is well again, give the same command"
        )
    return error


def _mapped(
    partitions: list[int], count: int, room: dict[str, float], args: tuple[Any, ...]
) -> Iterator[dict[str, Any]]:
    """Yield what each partition has come to, as they end."""
    import ray.data  # noqa: PLC0415 - heavy, and an extra

    rows = [{"partition": partition} for partition in partitions]
    yield from (
        ray.data.from_items(rows, override_num_blocks=len(rows))
        .map(
            Worker,
            fn_constructor_args=args,
            # A partition is not given out before a worker is free for it. Where a machine is lost and the others are
            # full, a worker that has nothing to do makes room.
            compute=ray.data.ActorPoolStrategy(
                min_size=1, max_size=count, initial_size=count, max_tasks_in_flight_per_actor=1
            ),
            **room,
        )
        .iter_rows()
    )


def _error_of(row: dict[str, Any]) -> SynthnegError | None:
    """Return the error that a worker met, as it was raised there."""
    if row["error"] in ("", Stopped.__name__):
        return None
    kind = getattr(errors, row["error"], SynthnegError)
    error: SynthnegError = kind(row["words"])
    return error
