"""The stage `train` in processes that are killed: python killed_training.py OUTPUTS POINT POINT ...

For each POINT a process is started that trains the run `small` under OUTPUTS and is killed there. `step:3` is the end
of step 3; `unmarked:3`, its checkpoint is written, the mark is not; `marked:3`, the mark is; `end`, not killed. A line
`POINT STATUS` follows on standard output. A checkpoint is written wherever a point of the loss curve is made. The
processes are forks of one that has imported what they need and has done nothing with it.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import yaml
from datasets import Dataset as Dataset  # of each process, were it not imported before they part
from sentence_transformers import SentenceTransformerTrainer as SentenceTransformerTrainer

from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.train import checkpoints, loop
from synthneg.train.fit import train

CURVE_POINTS = 8


def main(outputs: Path, points: list[str]) -> None:
    """Train again and again, killed at each of these points."""
    for point in points:
        child = os.fork()
        if child == 0:
            _train(outputs, point)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for stream, line in ((sys.stdout, f"{point} {status}\n"), (sys.stderr, f"-- {point}\n")):
            stream.write(line)
            stream.flush()


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


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
