"""The actors of a run that encode and rerank: started as work comes, answering in the order in which they are asked.

Ray starts an actor again when its process or its machine is gone, and asks it again for what it has not answered. Where
it finds no room for it, the others take over what it was asked: what they compute is the same.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from synthneg.cluster.crew import explained
from synthneg.cluster.scorer import Models, Scorer
from synthneg.cluster.session import connect, per_worker, workers
from synthneg.errors import SynthnegError
from synthneg.progress import say
from synthneg.run import Run

_EACH = 2  # calls that an actor has at a time, so that it need not wait for the next one
_STILL_S = 30.0  # that the first of all calls is waited for before another actor is asked as well
_AT_ONCE = 3  # actors that are asked the same at most
_STARTS = 100  # of an actor that is lost each time, as where memory is short for the model
_MOST = 4096  # actors

_POOLS: dict[Run, "Pool"] = {}


class _Call(NamedTuple):
    method: str
    args: tuple[Any, ...]
    answers: list[Any]  # references to the answer, the same from each actor


class _Member:
    """An actor, and what it has not answered yet."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.open: list[Any] = []
        self.stuck = False  # was overtaken, and has not answered since


def pool_of(run: Run) -> "Pool":
    """Return the actors of a run; they end with it, or when `dismiss` is called."""
    if run not in _POOLS:
        _POOLS[run] = Pool(run)
        run.at_close(lambda: dismiss(run))
    return _POOLS[run]


def dismiss(run: Run) -> None:
    """End the actors of a run, so that others have the room; they start again when they are needed."""
    pool = _POOLS.pop(run, None)
    if pool is not None:
        pool.close()


class Pool:
    """As many actors as the cluster has room for."""

    def __init__(self, run: Run) -> None:
        """Connect; no actor is started yet.

        Raises:
            SynthnegError: as `connect` and `workers` say.
        """
        connect(run)
        self._models = Models.of(run.config.verify)
        self._room = per_worker(run.config.ray)
        self._most = workers(run.config.ray, self._room, _MOST)
        self._members: list[_Member] = []
        say(f"ray: encoding and reranking in up to {self._most} workers")

    def ask(self, method: str, *args: Any) -> Any:
        """Return what any actor answers."""
        return next(self.each(method, [args]))

    def each(self, method: str, calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield the answers to calls of a `Scorer`'s method, in their order; calls are read as there is room for them.

        Raises:
            SynthnegError: what an actor met that no retry will cure.
            ClusterError: the cluster has gone away, or loses each actor that is asked.
        """
        waiting: deque[_Call] = deque()
        for args in calls:
            call = _Call(method, args, [])
            self._send(call)
            waiting.append(call)
            if len(waiting) >= _EACH * self._most:
                yield self._answer(waiting.popleft())
        while waiting:
            yield self._answer(waiting.popleft())

    def close(self) -> None:
        """End the actors."""
        import ray  # noqa: PLC0415 - heavy, and an extra

        for member in self._members:
            ray.kill(member.actor)
        self._members.clear()

    def _send(self, call: _Call) -> None:
        """Ask the actor that has least to do; a new one before any has to queue."""
        self._tidy()
        free = min(self._members, key=lambda one: len(one.open) + _EACH * one.stuck, default=None)
        if free is None or (free.open and len(self._members) < self._most):
            free = self._start()
        self._ask(free, call)

    def _ask(self, member: _Member, call: _Call) -> None:
        answer = getattr(member.actor, call.method).remote(*call.args)
        member.open.append(answer)
        call.answers.append(answer)

    def _answer(self, call: _Call) -> Any:
        import ray  # noqa: PLC0415 - heavy, and an extra

        while not (found := ray.wait(call.answers, timeout=_STILL_S)[0]):
            self._tidy()
            idle = next((member for member in self._members if not member.open), None)
            if idle is not None and len(call.answers) < _AT_ONCE:
                for late in self._members:
                    late.stuck |= any(answer in late.open for answer in call.answers)
                self._ask(idle, call)
        try:
            return ray.get(found[0])
        except (ray.exceptions.RayError, SynthnegError) as error:
            raise _told(error) from error

    def _start(self) -> _Member:
        import ray  # noqa: PLC0415 - heavy, and an extra

        again = {"max_restarts": _STARTS, "max_task_retries": -1}
        actor = ray.remote(Scorer).options(**self._room, **again).remote(self._models)
        member = _Member(actor)
        self._members.append(member)
        return member

    def _tidy(self) -> None:
        """Take note of what has been answered."""
        import ray  # noqa: PLC0415 - heavy, and an extra

        asked = [answer for member in self._members for answer in member.open]
        if not asked:
            return
        done = set(ray.wait(asked, num_returns=len(asked), timeout=0, fetch_local=False)[0])
        for member in self._members:
            left = [answer for answer in member.open if answer not in done]
            member.stuck &= len(left) == len(member.open)
            member.open = left


def _told(error: BaseException) -> BaseException:
    """Return what an actor met as an error that a user can put right, where it is one."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, SynthnegError):
        return type(cause)(f"{cause} (seen on a machine of the Ray cluster)")
    return explained(error)
