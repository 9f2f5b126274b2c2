"""The stage `train` of the run `small` in a process of its own, which is killed at a point.

`step:3` is the end of step 3; `unmarked:3`, its checkpoint is written, the mark is not; `marked:3`, the mark is; `end`,
not killed. A checkpoint is written wherever a point of the loss curve is made.
"""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from forked import Forked

from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.train import checkpoints, loop
from synthneg.train.fit import train

CURVE_POINTS = 8
TIMEOUT_S = 240


def killed_at(outputs: Path, points: Sequence[str]) -> tuple[list[int | None], list[str]]:
    """Train in one process after the other, killed at these points; return exit statuses and what each has said."""
    statuses, said = [], []
    for point in points:
        process = Forked(_train, outputs, point)
        said.append("".join(process.communicate(TIMEOUT_S)))
        statuses.append(process.returncode)
    return statuses, said


def _train(outputs: Path, point: str) -> None:
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

    def die_at(place: str, step: int) -> None:
        if f"{place}:{step}" == point:
            os.kill(os.getpid(), signal.SIGKILL)

    loop._Show.on_step_end = on_step_end
    checkpoints.Checkpoints.finish = finished
    settings = yaml.safe_load((outputs / "small" / "run.yaml").read_text())
    run = Run(outputs, resolve(settings, "test"))
    train(run)
    run.close()
