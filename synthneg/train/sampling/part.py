"""A part of the training's state: what of sampling depends on the model as it is while it is trained."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Encode = Callable[[], "NDArray[np.float32]"]  # (n, d): the training queries by the model as it is


class Part:
    """Is told what happens in a training (by `live.Live`), and is kept in its checkpoints."""

    def begin(self, encode: Encode) -> None:
        """Before the first batch is asked for, and after `restore` where training goes on."""

    def epoch_begins(self, epoch: int, encode: Encode) -> None:
        """Before an epoch's first batch is asked for; once more where training goes on within the epoch."""

    def step_ends(self, step: int, last: bool, encode: Encode) -> None:
        """After so many steps; batch number `step`, counted from 0, has been taken by the trainer already."""

    def state(self) -> dict[str, Any]:
        """Return what goes into a checkpoint, as JSON."""
        raise NotImplementedError

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        raise NotImplementedError
