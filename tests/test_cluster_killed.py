"""What is lost when workers, a machine or the driver of a Ray cluster die, or Ctrl-C ends it: no reply that came.

The machines are real raylets, the server counts for itself, and everything is killed with SIGKILL.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import Asking, sentence
from llm_server import started
from ray_machines import Machines, machines, wait_until
from world import KEY, answered, snapshot

pytestmark = [pytest.mark.slow, pytest.mark.trial, pytest.mark.timeout(1500)]

PASSAGES, WORKERS, IN_FLIGHT, PARTITIONS = 90, 3, 6, 9
OUTCOMES = "partitions/*/outcomes.gz"
_LONGEST_S = 900  # of a command, on a machine that has much else to do
KEPT = "synthneg: stopped; every reply that came is kept, the same command goes on from there"


@pytest.fixture
def cluster() -> Iterator[Machines]:
    """Give a cluster of two machines with two CPUs each."""
    with machines(2, 2) as found:
        yield found


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    """Give a run of queries, its server, and the files that a run of one machine makes of it."""
    log = str(tmp_path / "requests.log")
    with started("--log", log, "--latency-ms", "400") as url:
        made = Asking(tmp_path, url)
        made.build_small(PASSAGES, concurrency=IN_FLIGHT)
        yield made


def on(cluster: Machines) -> list[str]:
    """Return the arguments with which a command asks on the cluster."""
    changes = {"address": cluster.address, "partitions": PARTITIONS, "workers": WORKERS}
    words = [("--set", f"ray.{key}={value}") for key, value in changes.items()]
    return ["--engine", "ray", *(word for pair in words for word in pair)]


def generated(asking: Asking, *arguments: str, status: int = 0) -> str:
    """Run `synthneg generate` to its end, however slowly workers start; return what it said of its progress."""
    process = asking.start("generate", *arguments)
    _, err = process.communicate(timeout=_LONGEST_S)
    assert process.returncode == status, err
    return err


def finished(run: Path) -> dict[str, Any]:
    """Return the bytes and the times of the partitions that have all their outcomes, and whose ledger is closed."""
    return {
        file.relative_to(run).as_posix(): (file.read_bytes(), file.stat().st_mtime_ns)
        for outcomes in run.glob(OUTCOMES)
        if not outcomes.with_name("ledger.sqlite-wal").exists()
        for file in outcomes.parent.iterdir()
    }


def same_as_one_machine(asking: Asking) -> None:
    """Assert that the run's files are those that one machine makes of the same replies."""
    generated(asking, "--outputs", "undisturbed")
    found, expected = (
        {
            name: data
            for name, data in snapshot(asking.run_folder(outputs)).items()
            if not name.endswith(".done") and not name.startswith(("partitions/", "run.yaml"))
        }
        for outputs in ("outputs", "undisturbed")
    )
    assert found == expected


def test_workers_and_a_machine_are_lost(asking: Asking, cluster: Machines) -> None:
    """A worker and then a machine with its workers are killed: the run is complete all the same.

    What is asked twice is at most what was in flight there, of each time all places, which workers lend each other;
    partitions that were finished stay as they were.
    """
    seen: dict[str, Any] = {}

    def kill() -> None:
        wait_until(lambda: len(asking.asked()) >= 12)
        cluster.kill_worker()
        wait_until(lambda: finished(asking.run))
        seen.update(finished(asking.run))
        cluster.lose()

    killer = threading.Thread(target=kill)
    killer.start()
    said = generated(asking, *on(cluster))
    killer.join()

    assert asking.books()["kept"] == PASSAGES
    again = Counter(asking.asked())
    assert len(again) == PASSAGES
    assert again.total() - len(again) <= 2 * IN_FLIGHT
    after = finished(asking.run)
    assert seen
    assert {name: after[name] for name in seen} == seen
    assert "Traceback" not in said
    same_as_one_machine(asking)


def test_the_driver_is_stopped_and_then_killed(asking: Asking, cluster: Machines) -> None:
    """Ctrl-C lets all workers' requests come in; a driver that is killed leaves every reply that had come.

    The next command asks for none of them again, and leaves finished partitions alone.
    """
    process = asking.start("generate", *on(cluster))
    wait_until(lambda: len(asking.asked()) >= 12)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=_LONGEST_S)
    assert process.returncode == 130, err
    assert sentence(err) == KEPT
    assert set(asking.asked()) == answered(asking.run)
    stopped_at = len(asking.asked())

    process = asking.start("generate", *on(cluster))
    done = len(list(asking.run.glob(OUTCOMES)))
    wait_until(lambda: len(list(asking.run.glob(OUTCOMES))) > done)
    wait_until(lambda: len(asking.asked()) > stopped_at + 12)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    wait_until(lambda: not cluster.workers())
    time.sleep(0.5)  # what was on its way to the server is in its log
    before = finished(asking.run)
    kept = set().union(*(answered(ledger.parent) for ledger in asking.run.glob("**/ledger.sqlite")))
    killed_at = len(asking.asked())
    assert stopped_at < len(kept) < PASSAGES

    generated(asking, *on(cluster))
    asked_after = asking.asked()[killed_at:]
    assert asking.books()["kept"] == PASSAGES
    assert kept.isdisjoint(asked_after)
    assert Counter(asked_after).total() == PASSAGES - len(kept)
    after = finished(asking.run)
    assert {name: after[name] for name in before if after[name] != before[name]} == {}
    # When all is answered, no cluster is needed.
    generated(asking, "--engine", "ray", "--set", "ray.address=nowhere:1")
    same_as_one_machine(asking)


def test_what_no_retry_cures_is_one_line(asking: Asking, cluster: Machines) -> None:
    """A wrong key ends all workers and the command, with status 2 and the line that one machine says."""
    with started("--key", KEY) as url:
        wrong = ["--set", f"llm.base_url={url}", "--set", "llm.api_key_env=NO_SUCH_KEY"]
        lines = [
            sentence(generated(asking, *engine, *wrong, status=2)) for engine in ([], on(cluster))
        ]
    assert lines[0] == lines[1]
    assert "NO_SUCH_KEY" in lines[0]
    full = ["--set", "ray.workers=null", "--set", "ray.gpus_per_worker=3"]
    said = sentence(generated(asking, *on(cluster), *full, status=2))
    assert "a worker needs 1 CPUs and 3 GPUs, and no machine of the Ray cluster has them" in said
