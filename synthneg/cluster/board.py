"""The board of one asking: workers write on it how far they are and what they have used, and read whether to stop."""

from typing import Any, NamedTuple

from synthneg.llm.used import Totals


class Seen(NamedTuple):
    """What the workers have written, all of them together."""

    ended: int = 0  # jobs that have their outcome
    in_flight: int = 0  # requests
    at_work: int = 0  # workers


class Board:
    """What workers and driver say to each other, in an actor of its own.

    What it knows is lost with its process; the next words of each worker bring it back, except a wish to stop, which
    the driver then says again, and what workers have used that have left, which the keeper knows, too.
    """

    def __init__(self) -> None:
        self._told: dict[int, Seen] = {}
        self._gone: dict[str, Totals] = {}
        self._stopping = False

    def tell(self, partition: int, seen: Seen) -> bool:
        """Take how far a partition is; return whether its worker is to stop."""
        self._told[partition] = seen
        return self._stopping

    def leave(self, worker: str, used: Totals) -> None:
        """Take what a worker has used that has nothing more to ask."""
        self._gone[worker] = used

    def gone(self) -> dict[str, Totals]:
        """Return what the workers have used that have left, by their names."""
        return self._gone

    def stop(self) -> int:
        """Have all workers send nothing more; return how many requests are in flight."""
        self._stopping = True
        return self.seen().in_flight

    def seen(self) -> Seen:
        """Return what all partitions come to."""
        return Seen(*(sum(column) for column in zip(Seen(), *self._told.values(), strict=True)))


def open_board() -> Any:
    """Start the actor, on the driver's machine: while that lives, nobody waits for it."""
    import ray  # noqa: PLC0415 - heavy, and an extra
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415 - as above

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options = {"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": here}
    return ray.remote(Board).options(**options).remote()
