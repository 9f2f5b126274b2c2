"""The processes of a training on several GPUs, or several shares of the cores: torchrun's launcher, as a library.

It starts one process for each, and ends all of them where one fails. None outlives the command, however it ends.
"""

import logging
import os
import signal
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from synthneg import errors
from synthneg.config import TrainConfig
from synthneg.errors import ModelError, SettingsError, SynthnegError

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    from synthneg.train.share import Share

T = TypeVar("T")

_LOOPBACK = {"linux": "lo", "darwin": "lo0"}  # its name, by platform
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_QUIET = {
    # Of parameters that might be unused: which have none depends on the student, and looking costs next to nothing.
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    # Of semaphores that a killed process has left, after the one line that says that it was killed.
    "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
}
_LOGS = ("torch.distributed.elastic", "torch.multiprocessing")  # the launcher's
_END_S = 10  # that processes are given to end when another has failed


def processes_of(settings: TrainConfig) -> int:
    """Return how many processes train: as many as the settings say, or one for each GPU; at least one.

    With `auto` that is the largest number of GPUs that a batch can be dealt out to evenly.

    Raises:
        SettingsError: there are fewer GPUs, or this process is one of several that another launcher has started.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "LOCAL_RANK" in os.environ:
        raise SettingsError(
            f"train.processes: expected to be started once, but a launcher has started {os.environ['WORLD_SIZE']} of"
            f" these; run the command without it, and set train.processes to {os.environ['WORLD_SIZE']}"
        )
    if settings.processes == 1:
        return 1
    import torch  # noqa: PLC0415 - heavy: only where there may be several

    gpus = torch.cuda.device_count()
    if settings.processes == "auto":
        fitting = (n for n in range(gpus, 0, -1) if settings.batch_size % n == 0)
        return next(fitting, 1)
    if 0 < gpus < settings.processes:
        raise SettingsError(
            f"train.processes: expected at most {gpus}, the GPUs of this machine, got {settings.processes}"
        )
    return settings.processes


def in_processes(count: int, work: Callable[..., T], *given: Any) -> T:
    """Return what `work(*given)` returns in the first of `count` processes that all run it.

    What the others write to standard error goes nowhere. `work` must be found by its name, and `given` be picklable.

    Raises:
        SynthnegError: that of the process that failed first.
        ModelError: a process was killed.
    """
    from torch.distributed.elastic.multiprocessing import (  # noqa: PLC0415 - heavy: only where there are several
        DefaultLogsSpecs,
        SignalException,
    )
    from torch.distributed.elastic.multiprocessing.errors import (  # noqa: PLC0415 - as above
        ChildFailedError,
    )
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # noqa: PLC0415 - as above

    _free_gpu()
    ended = None
    with tempfile.TemporaryDirectory(prefix="synthneg-train-") as errors_at, _as_before():
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=errors_at),
            signals_to_handle=",".join(s.name for s in _SIGNALS if not _is_ignored(s)),
            shutdown_timeout=_END_S,
        )
        try:
            found: T = elastic_launch(config, _begin)(work, *given)[0]
        except ChildFailedError as error:
            raise _of_process(error) from error
        except SignalException as error:
            ended = error.sigval
    if ended is not None:
        os.kill(os.getpid(), ended)  # as it would have ended without the launcher
    return found


def _begin(work: Callable[..., T], *given: Any) -> T:
    """Do the work as one of several processes."""
    from torch.distributed.elastic.multiprocessing.errors import record  # noqa: PLC0415 - heavy, as above
    from torch.multiprocessing import (  # type: ignore[attr-defined]  # noqa: PLC0415 - as above
        _prctl_pr_set_pdeathsig,
    )

    # By SIGKILL, not torch's SIGINT: a process that waits for others in a collective would not see that.
    _prctl_pr_set_pdeathsig(signal.SIGKILL)
    if not _is_ignored(signal.SIGINT):
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # what is to be said, the command says
    warnings.simplefilter("ignore", FutureWarning)  # of what one library calls in another
    with ExitStack() as stack:
        if os.environ["RANK"] != "0":
            nowhere = stack.enter_context(Path(os.devnull).open("w"))
            stack.enter_context(redirect_stderr(nowhere))
        found: T = record(work)(*given)  # type: ignore[assignment]  # None only where `work` exits
        return found


@contextmanager
def joined() -> "Iterator[Share]":
    """Open the group of the processes, of which this is one, and yield its share."""
    import torch  # noqa: PLC0415 - heavy: only where there are several

    from synthneg.train.share import PATIENCE, Share  # noqa: PLC0415 - as above

    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    # All are on this machine, whose name may lead nowhere.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK.get(sys.platform, "lo"))
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
    else:
        threads = os.environ.setdefault(
            "OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count))
        )
        torch.set_num_threads(int(threads))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    torch.distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Share(rank, count)
    finally:
        torch.distributed.destroy_process_group()


def _is_ignored(number: signal.Signals) -> bool:
    """Whether this process ignores a signal, as under nohup or in the background; then it goes on doing so."""
    return signal.getsignal(number) is signal.SIG_IGN


def _free_gpu() -> None:
    """Give back what this process keeps of a GPU for later, which its processes need now."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


@contextmanager
def _as_before() -> Iterator[None]:
    """Undo what starting processes changes in this one: handlers of signals, and what their libraries may say."""
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    logs = [logging.getLogger(n) for n in logging.root.manager.loggerDict if n.startswith(_LOGS)]
    before = {name: os.environ.get(name) for name in _QUIET}
    for log in logs:
        log.disabled = True  # what is to be said of an end is in the error
    os.environ.update(_QUIET)
    try:
        yield
    finally:
        for log in logs:
            log.disabled = False
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _of_process(error: "ChildFailedError") -> BaseException:
    """Return the error of the process that failed first."""
    rank, failure = error.get_first_failure()
    if failure.exitcode == -signal.SIGINT:
        return KeyboardInterrupt()
    if failure.exitcode < 0:
        return ModelError(
            f"train.processes: process {rank} of the training was ended by {failure.signal_name()}, as where memory is"
            " short; the same command goes on from the last checkpoint"
        )
    message: Any = failure.message
    said = message["message"] if isinstance(message, dict) else message
    name, _, text = said.partition(": ")
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, SynthnegError):
        return kind(text)
    return RuntimeError(f"process {rank} of the training failed\n{error}")
