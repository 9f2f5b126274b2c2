"""Checkpoints of a training: taken so seldom that they cost little, whole or not there, and of these inputs alone.

A training that was killed is taken up from the newest one and ends in the very weights that it would have ended in
(on one CPU). Whatever a training remembers beside weights, optimizer and random numbers goes with the checkpoint
where it is the state of a callback: one that is transformers' `ExportableState` has what its `state()` gives saved as
JSON, and finds it in `on_train_begin` as `state.stateful_callbacks[its class's name]`, before the first batch is
asked for. A batch sampler is asked for the batches of the epoch anew, and those that were trained on are skipped.
"""

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from synthneg.files import files_under, write_whole

_MARK = "inputs.sha256"  # written last: with it a checkpoint is whole
_FIRST_AFTER_S = 60.0  # what a kill may cost where nothing is known of what saving costs
_TIMES_ITS_COST = 50  # seconds of training before the next one, for each second of the last: 2 %


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The folder of a training's checkpoints, and a fingerprint of what the training is made of."""

    folder: Path
    inputs: str

    def newest(self) -> Path | None:
        """Return the newest whole checkpoint of these inputs; all others are removed."""
        whole = [c for c in self.folder.glob("checkpoint-*") if self._is_whole(c)]
        newest = max(whole, key=step_of, default=None)
        for other in self.folder.glob("*"):
            if other != newest:
                shutil.rmtree(other, ignore_errors=True)
        return newest

    def finish(self, step: int) -> None:
        """Mark the checkpoint of a step, all of whose files are written, as whole, and remove those before it."""
        checkpoint = self.folder / f"checkpoint-{step}"
        for file in files_under(checkpoint):
            _to_disk(file)  # else a power cut could leave the mark on files that are not whole
        write_whole(checkpoint / _MARK, self.inputs.encode())
        self.newest()

    def remove(self) -> None:
        """Remove all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_whole(self, checkpoint: Path) -> bool:
        mark = checkpoint / _MARK
        return mark.is_file() and mark.read_text() == self.inputs


class Pace:
    """Says when the next checkpoint is due: so that all of them take about a fiftieth of the time."""

    def __init__(self) -> None:
        self._due_at = time.monotonic() + _FIRST_AFTER_S
        self._begun_at = 0.0

    def begin(self) -> bool:
        """Whether one is due; it is then taken to be written from now on."""
        self._begun_at = time.monotonic()
        return self._begun_at >= self._due_at

    def end(self) -> None:
        """Set when the next one is due, now that one has been written."""
        now = time.monotonic()
        self._due_at = now + _TIMES_ITS_COST * (now - self._begun_at)


def step_of(checkpoint: Path) -> int:
    """Return how many steps had been made when the checkpoint was written.

    >>> step_of(Path("checkpoint-120"))
    120
    """
    return int(re.sub(r"\D", "", checkpoint.name) or 0)


def _to_disk(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
