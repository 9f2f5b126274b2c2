"""The stage `train` of the run `small` in a process of its own, which is killed at a point.

`step:3` is the end of step 3; `unmarked:3`, its checkpoint is written, the mark is not; `marked:3`, the mark is; `end`,
not killed. A checkpoint is written wherever a point of the loss curve is made.

`killed_together` does the same with `synthneg train` in two processes, at the ends of steps: `worker:3` kills the
second of them, `launcher:3` the command itself, and `keyboard:3` is Ctrl-C, which reaches them all.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import yaml
from forked import Forked

from synthneg.cli import main
from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.train import checkpoints, fit, loop
from synthneg.train.fit import train

CURVE_POINTS = 8
TIMEOUT_S = 600  # on a machine that has much else to do
ENDS_WITHIN_S = 20.0


def killed_at(outputs: Path, points: Sequence[str]) -> tuple[list[int | None], list[str]]:
    """Train in one process after the other, killed at these points; return exit statuses and what each has said."""
    statuses, said = [], []
    for point in points:
        process = Forked(_train, outputs, point)
        said.append("".join(process.communicate(TIMEOUT_S)))
        statuses.append(process.returncode)
    return statuses, said


class End(NamedTuple):
    """How a command ended."""

    status: int | None
    said: str
    left: list[int]  # processes that outlive it


def killed_together(outputs: Path, points: Sequence[str]) -> list[End]:
    """Train in two processes, once for each point, and return how each command ended."""
    ends = []
    for point in points:
        pids = outputs / "pids"
        pids.unlink(missing_ok=True)
        process = Forked(_command, outputs, point)
        said = "".join(process.communicate(TIMEOUT_S))
        until = time.monotonic() + ENDS_WITHIN_S
        workers = [int(line) for line in pids.read_text().split()]
        while any(map(_lives, workers)) and time.monotonic() < until:
            time.sleep(0.05)
        ends.append(End(process.returncode, said, [pid for pid in workers if _lives(pid)]))
    return ends


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _command(outputs: Path, point: str) -> None:
    os.setpgrp()  # a keyboard's Ctrl-C goes to all of a group
    fit._fit_shared = partial(_take_part, outputs / "pids", point)
    sys.argv = ["synthneg", "train", "small", "--outputs", str(outputs)]
    main()


def _take_part(pids: Path, point: str, *given: Any) -> Any:
    """Do what a process of a training does, up to the point."""
    with pids.open("a") as file:
        file.write(f"{os.getpid()}\n")
    _watch(partial(_end_at, point))
    return _FIT_SHARED(*given)


_FIT_SHARED = fit._fit_shared


def _end_at(point: str, place: str, step: int) -> None:
    name, _, at = point.partition(":")
    if place != "step" or str(step) != at:
        return
    if name == "worker" and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "launcher" and os.environ["RANK"] == "0":
        os.kill(os.getppid(), signal.SIGKILL)
    if name == "keyboard" and os.environ["RANK"] == "0":
        os.killpg(0, signal.SIGINT)


def _train(outputs: Path, point: str) -> None:
    def die_at(place: str, step: int) -> None:
        if f"{place}:{step}" == point:
            os.kill(os.getpid(), signal.SIGKILL)

    _watch(die_at)
    settings = yaml.safe_load((outputs / "small" / "run.yaml").read_text())
    run = Run(outputs, resolve(settings, "test"))
    train(run)
    run.close()


def _watch(die_at: Callable[[str, int], None]) -> None:
    """Have a checkpoint written wherever one may be, and `die_at` called at each point that a process can die at."""
    checkpoints._FIRST_AFTER_S = checkpoints._TIMES_ITS_COST = 0
    loop._LOSSES_KEPT = CURVE_POINTS
    show, finish = loop._Show.on_step_end, checkpoints.Checkpoints.finish

    def on_step_end(self: Any, args: Any, state: Any, *rest: Any, **others: Any) -> None:
        show(self, args, state, *rest, **others)
        die_at("step", state.global_step)

    def finished(self: Any, at: int) -> None:
        die_at("unmarked", at)
        finish(self, at)
        die_at("marked", at)

    loop._Show.on_step_end = on_step_end
    checkpoints.Checkpoints.finish = finished
