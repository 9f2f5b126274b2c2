"""The connection of this process to a Ray cluster: made once, quiet, and gone with the run that needed it."""

import logging
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from synthneg.config import LLMConfig, RayConfig
from synthneg.errors import ClusterError, SettingsError, require
from synthneg.progress import say
from synthneg.run import Run

if TYPE_CHECKING:
    from types import ModuleType

_PATIENCE_S = 10.0  # with a machine that does not answer
# What Ray would print or send by itself. Who has set one of them otherwise is looking for something.
_OURS: set[int] = set()  # the process that has connected; none where somebody else has
_RUNS: set[Run] = set()  # that need the connection
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


def connect(run: Run) -> None:
    """Connect this process to the cluster of the run's settings until all runs that did so are closed.

    A second time does nothing, and neither does it where whoever embeds synthneg has called `ray.init`.

    Raises:
        MissingExtra, SettingsError: as `check_ray` says.
        ClusterError: there is no cluster at the address, or it is of another version of Ray or Python.
    """
    check_ray(run.config.llm)
    reach(run.config.ray)
    if run not in _RUNS:
        _RUNS.add(run)
        run.at_close(lambda: _leave(run))


def _leave(run: Run) -> None:
    _RUNS.discard(run)
    if not _RUNS:
        disconnect()


def reach(config: RayConfig) -> None:
    """Connect this process to the cluster of the settings until `disconnect`; otherwise as `connect`."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray  # noqa: PLC0415 - heavy, and an extra

    if not ray.is_initialized():
        _start(ray, config)
        _OURS.add(os.getpid())
    _quiet()


def disconnect() -> None:
    """End the connection that `connect` made, and with it all workers of this process; a second time does nothing."""
    if os.getpid() in _OURS:
        import ray  # noqa: PLC0415 - heavy, and an extra

        _OURS.clear()
        ray.shutdown()


def check_ray(llm: LLMConfig) -> None:
    """Refuse what cannot be done on a cluster.

    Raises:
        MissingExtra: Ray is not installed.
        SettingsError: the language model is asked in batches.
    """
    require("ray", "ray", "--engine ray")
    if llm.mode == "batch":
        raise SettingsError(
            "llm.mode: batch leaves the work to the server, and more machines that wait for it make nothing faster;"
            " take --engine local, or llm.mode: live"
        )


def per_worker(config: RayConfig, llm: LLMConfig | None = None) -> dict[str, float]:
    """Return the CPUs and GPUs that Ray sets aside for a worker, by the names that Ray has for them.

    Args:
        config: the settings.
        llm: of the language model that the worker holds, if it holds one.
    """
    gpus = config.gpus_per_worker
    if gpus is None:
        gpus = float(_spread(llm)) if llm is not None and llm.backend == "vllm" else 0.0
    return {"num_cpus": config.cpus_per_worker, "num_gpus": gpus}


def workers(config: RayConfig, room: dict[str, float], most: int) -> int:
    """Return how many workers there are to be: as the settings say, or as many as the cluster now has room for.

    Args:
        config: the settings.
        room: what a worker takes, from `per_worker`.
        most: pieces of work; more workers would have none.

    Raises:
        ClusterError: no machine of the cluster has room for one worker. A cluster that grows by itself is believed to
            grow as far as `workers` says.
    """
    import ray  # noqa: PLC0415 - heavy, and an extra

    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fit = sum(_fitting(machine, room) for machine in machines)
    if config.workers is None and not fit:
        have: dict[str, float] = max(
            machines, key=lambda machine: machine.get("GPU", 0.0), default={}
        )
        raise ClusterError(
            f"a worker needs {room['num_cpus']:g} CPUs and {room['num_gpus']:g} GPUs, and no machine of the Ray cluster"
            f" has them (the largest: {have.get('CPU', 0):g} CPUs, {have.get('GPU', 0):g} GPUs); set"
            " ray.cpus_per_worker and ray.gpus_per_worker, or ray.workers for a cluster that grows by itself"
        )
    return min(config.workers or fit, most)


def _fitting(machine: dict[str, float], room: dict[str, float]) -> int:
    """Return how many workers a machine has room for; one that needs nothing is put on a CPU all the same."""
    needs = {"CPU": room["num_cpus"], "GPU": room["num_gpus"]}
    wanted = {name: need for name, need in needs.items() if need} or {"CPU": 1.0}
    return int(min(machine.get(name, 0.0) / need for name, need in wanted.items()))


def _spread(llm: LLMConfig) -> int:
    sizes = (llm.engine.get(f"{how}_parallel_size", 1) for how in ("tensor", "pipeline"))
    over = 1
    for size in sizes:
        over *= int(size)
    return over


def _start(ray: "ModuleType", config: RayConfig) -> None:
    options: dict[str, Any] = {
        "logging_level": logging.ERROR,
        "log_to_driver": False,  # the workers' output stays in Ray's own log files
    }
    if config.address is None:
        say("starting Ray on this machine")
        # Ray would have its workers yield to whatever else is at work here; they are what the user waits for.
        os.environ.setdefault("RAY_worker_niceness", "0")
        wanted = int((config.workers or 0) * config.cpus_per_worker)
        options |= {
            # "local": a variable RAY_ADDRESS in the environment must not decide what the settings do
            "address": "local",
            "num_cpus": max(os.cpu_count() or 1, wanted),
            "include_dashboard": False,
        }
    else:
        options["address"] = config.address
    try:
        _knock(config.address or "")
        with _nothing_said():
            ray.init(**options)
    except (
        *(ConnectionError, RuntimeError, ValueError, ImportError, OSError),
        ray.exceptions.RayError,
    ) as error:
        where = config.address or "this machine"
        words = " ".join(str(error).split())[:300]
        remedy = (
            "see ray.address: is `ray start` running there, with the same versions of Ray and Python? One that wants a"
            " token needs RAY_AUTH_MODE=token in the environment here, too"
            if config.address
            else "see that its folder for temporary files has space, or set ray.address"
        )
        raise ClusterError(
            f"{where}: no Ray cluster can be used there ({words}); {remedy}"
        ) from error


def _knock(address: str) -> None:
    """Raise OSError where an address names a machine and port at which nothing listens: Ray would try for minutes."""
    found = re.fullmatch(r"(?:ray://)?\[?([^/\]]+)\]?:(\d+)", address)
    if found is not None:
        socket.create_connection((found[1], int(found[2])), timeout=_PATIENCE_S).close()


@contextmanager
def _nothing_said() -> Iterator[None]:
    """Let nothing reach standard output and error, not even from C++; what is raised says what went wrong."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in kept:
            os.dup2(nowhere, number)
        yield
    finally:
        for number, before in kept.items():
            os.dup2(before, number)
            os.close(before)
        os.close(nowhere)


def _quiet() -> None:
    """Keep Ray's own words from the user, who sees our progress and our errors; they go on into Ray's log files."""
    import ray.data  # noqa: F401, PLC0415 - heavy; sets up its loggers when it is imported

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)
