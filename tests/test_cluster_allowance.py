"""Limits of a cluster on real Ray: processes that hammer one server, whose own clock says what came."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from llm_server import MODEL, arrivals, started
from pace_simulator import busiest_minute

from synthneg.cluster.allowance import carrier, keeping
from synthneg.cluster.board import open_board
from synthneg.cluster.keeper import NOTHING
from synthneg.cluster.leased import Leased
from synthneg.cluster.session import QUIET
from synthneg.config import LLMConfig
from synthneg.llm.ask import Asker, Failure, Job
from synthneg.llm.http import open_server
from synthneg.llm.ledger import Ledger
from synthneg.prompts.render import Message

pytestmark = [pytest.mark.slow, pytest.mark.trial, pytest.mark.timeout(600)]

WORKERS = 4
KILLED_AT = 450  # requests


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Start Ray on this machine."""
    os.environ.update(QUIET)
    options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests
    ray.init(address="local", num_cpus=WORKERS, object_store_memory=80 * 2**20, **options)
    yield
    ray.shutdown()


def hammer(keeper: Any, board: Any, config: LLMConfig, file: Path, jobs: int) -> int:
    """Ask so many jobs as a worker does; return how many had no answer for the budget's sake."""

    async def work() -> int:
        ledger = Ledger(file)
        backend = open_server(config, ledger)
        said = (Message("user", f"[id:{file.stem}-{n}] Of teas and breads.") for n in range(jobs))
        asked = [(None, Job(str(n), "t@1", (m,), {}, "text", n, {})) for n, m in enumerate(said)]
        try:
            async with Leased(config, carrier(keeper, board)) as share:
                asker = Asker(backend, ledger, config, 7, share=share)
                outcomes = [o async for *_, o in asker.ask(asked, lambda count=1, note=None: None)]
        finally:
            await backend.close()
            ledger.close()
        return sum(isinstance(o, Failure) and o.reason == "budget" for o in outcomes)

    return asyncio.run(work())


def begin(
    keeper: Any, board: Any, config: LLMConfig, folder: Path, jobs: int, first: int = 0
) -> list[Any]:
    """Start the workers, whose numbers begin with `first`; return what to wait for."""
    worker = ray.remote(max_retries=0)(hammer)
    files = [folder / f"{number}.sqlite" for number in range(first, first + WORKERS)]
    return [worker.remote(keeper, board, config, file, jobs) for file in files]


def wait_for(log: Path, requests: int, waiting: list[Any]) -> None:
    """Wait until the server has so many requests; a worker that ends before that has failed."""
    while not log.exists() or len(arrivals(log)) < requests:
        ended, _ = ray.wait(waiting, timeout=0.05)
        ray.get(ended)
        assert not ended, "it was over too soon"


def kill(keeper: Any) -> None:
    """Kill the keeper's process."""
    os.kill(ray.get(keeper.__ray_call__.remote(lambda _: os.getpid())), signal.SIGKILL)


def test_the_server_sees_no_more_than_the_limit(tmp_path: Path) -> None:
    """Four workers together use 95 % of 600 requests a minute, and no minute has more, though the keeper is killed."""
    log = tmp_path / "requests.log"
    with started("--log", str(log), "--latency-ms", "50") as url:
        config = LLMConfig(
            backend="openai", base_url=url, model=MODEL, concurrency=32, requests_per_minute=600
        )
        board = open_board()
        with keeping(config, NOTHING, 0.0, board) as keeper:
            waiting = begin(keeper, board, config, tmp_path, 190)
            wait_for(log, KILLED_AT, waiting)
            before = arrivals(log)
            kill(keeper)
            assert ray.get(waiting) == [0] * WORKERS
        seen = arrivals(log)
    assert len(seen) == 190 * WORKERS
    assert busiest_minute([(at, 1) for at in sorted(seen)]) <= 601
    assert len(before) / (before[-1] - before[0]) > 0.95 * 10
    # The gap in which its successor hears the workers, and then the old speed.
    after = [at for at in seen if at > before[-1] + 15]
    assert len(after) / (after[-1] - after[0]) > 0.93 * 10


def test_a_budget_of_requests_is_kept_to_by_all_together(tmp_path: Path) -> None:
    """Of a budget of 150 requests four workers send 150, though the keeper is killed; the other jobs fail for it."""
    log = tmp_path / "requests.log"
    with started("--log", str(log), "--latency-ms", "100") as url:
        config = LLMConfig(
            backend="openai", base_url=url, model=MODEL, concurrency=8, budget={"requests": 150}
        )
        board = open_board()
        with keeping(config, NOTHING, 0.0, board) as keeper:
            waiting = begin(keeper, board, config, tmp_path, 80)
            wait_for(log, 50, waiting)
            kill(keeper)
            refused = sum(ray.get(waiting))
        assert len(arrivals(log)) == 150
        assert refused == 80 * WORKERS - 150


def test_what_workers_used_that_have_left_is_not_lost_with_the_keeper(tmp_path: Path) -> None:
    """Where the keeper is killed when all workers have left, those that come have what these left of the budget."""
    log = tmp_path / "requests.log"
    with started("--log", str(log)) as url:
        config = LLMConfig(
            backend="openai", base_url=url, model=MODEL, concurrency=8, budget={"requests": 100}
        )
        board = open_board()
        with keeping(config, NOTHING, 0.0, board) as keeper:
            assert ray.get(begin(keeper, board, config, tmp_path, 15)) == [0] * WORKERS
            kill(keeper)
            ray.get(begin(keeper, board, config, tmp_path, 15, first=WORKERS))
        assert len(arrivals(log)) == 100
