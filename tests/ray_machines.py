"""A Ray cluster of several machines on this one: each has a raylet of its own, and can be lost like a machine."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

from synthneg.cluster.session import QUIET


class Machines:
    """A head that works for nobody, and machines that do."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._nodes: list[Any] = []

    @property
    def address(self) -> str:
        """Return where a driver connects to."""
        return str(self._cluster.address)

    def add(self, cpus: int) -> None:
        """Add a machine."""
        self._nodes.append(self._cluster.add_node(num_cpus=cpus, **_SMALL))

    def lose(self) -> None:
        """Lose the machine that was added first: its raylet and all workers on it are killed."""
        node = self._nodes.pop(0)
        self._cluster.remove_node(node, allow_graceful=False)

    def workers(self) -> list[int]:
        """Return the processes that ask, of this cluster and no other."""
        raylets = {node.all_processes["raylet"][0].process.pid for node in self._nodes}
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                pid = int(folder.name)
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent in raylets and "Map(Worker)" in (folder / "cmdline").read_text():
                    found.append(pid)
        return found

    def kill_worker(self) -> None:
        """Kill one of the processes that ask."""
        os.kill(self.workers()[0], signal.SIGKILL)


_SMALL = {"object_store_memory": 80 * 2**20, "include_dashboard": False}


@contextmanager
def machines(*cpus: int) -> Iterator[Machines]:
    """Give a cluster whose machines have so many CPUs each."""
    # Ray's workers would yield to all else that is at work on this machine, for minutes.
    quiet = {**QUIET, "RAY_worker_niceness": "0"}
    before = {name: os.environ.get(name) for name in quiet}
    os.environ.update(quiet)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **_SMALL})
    try:
        found = Machines(cluster)
        for count in cpus:
            found.add(count)
        cluster.wait_for_nodes()
        yield found
    finally:
        cluster.shutdown()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def wait_until(ready: Callable[[], object], longest_s: float = 900) -> None:
    """Wait until something is so."""
    end = time.monotonic() + longest_s
    while not ready():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)
