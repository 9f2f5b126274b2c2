"""The keeper of a cluster's limits as a Ray actor, and what carries a worker's reports to it.

    with keeping(config, used, asked_s, board) as keeper:     # in the driver, for as long as workers ask
        ... ray.data...map(...)                 # each worker: async with Leased(config, carrier(keeper, board))

Where the keeper's process or its machine dies, Ray starts another, and hands it the reports that were on their way.
What workers have used that had left by then, it learns from the board.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from synthneg.cluster.keeper import Grant, Keeper, Report
from synthneg.cluster.leased import Carry
from synthneg.config import LLMConfig
from synthneg.errors import ClusterError
from synthneg.llm.used import Totals

_ANSWER_S = 5.0  # of the board


@contextmanager
def keeping(config: LLMConfig, used: Totals, asked_s: float, board: Any) -> Iterator[Any]:
    """Yield the handle of an actor that deals out what `config` allows; it can be sent to workers.

    Args:
        config: places, limits and budget of the whole cluster.
        used: what the run has used before, in all its ledgers.
        asked_s: seconds of asking that count against the budget already.
        board: handle of a `Board`.
    """
    import ray  # noqa: PLC0415 - heavy, and an extra
    from ray.util.scheduling_strategies import (  # noqa: PLC0415 - as above
        NodeAffinitySchedulingStrategy,
    )

    # Beside the driver, with which the run ends anyway, so that one machine less can take it away.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options = {
        "num_cpus": 0,
        "max_restarts": -1,
        "max_task_retries": -1,
        "scheduling_strategy": here,
    }
    keeper = ray.remote(**options)(_Keeping).remote(config, used, asked_s, board)
    try:
        yield keeper
    finally:
        ray.kill(keeper)


def carrier(keeper: Any, board: Any) -> Carry:
    """Return what carries a worker's reports to the actor and brings its grants."""
    from ray.exceptions import RayError  # noqa: PLC0415 - heavy, and an extra

    async def carry(report: Report) -> Grant:
        if report.leaves:
            # Before the keeper hears it: if that dies, nobody else would know what this worker has used.
            with suppress(RayError):
                await board.leave.remote(report.worker, report.used)
        try:
            grant: Grant = await keeper.answer.remote(report)
        except RayError as error:
            raise ClusterError(
                f"the limits of the cluster cannot be asked for any more ({type(error).__name__}); what was answered is"
                " in the ledgers: give the same command again"
            ) from error
        return grant

    return carry


class _Keeping:
    """A `Keeper` in a process of its own."""

    def __init__(self, config: LLMConfig, used: Totals, asked_s: float, board: Any) -> None:
        import ray  # noqa: PLC0415 - heavy, and an extra

        restarted = ray.get_runtime_context().was_current_actor_reconstructed
        gone: dict[str, Totals] = {}
        if restarted:
            with suppress(ray.exceptions.RayError):
                gone = ray.get(board.gone.remote(), timeout=_ANSWER_S)
        self._keeper = Keeper(config, used, asked_s, restarted=restarted, gone=gone)

    def answer(self, report: Report) -> Grant:
        """See `Keeper`."""
        return self._keeper.answer(report)
