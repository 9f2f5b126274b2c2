"""What of sampling depends on the model as it is while it is trained: asked at the right time, and kept in checkpoints.

This module imports transformers, so it is imported where a training begins.
"""

from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from synthneg.scoring.encoder import SentenceEncoder
from synthneg.train.sampling.part import Encode, Part


class Live(TrainerCallback, ExportableState):  # type: ignore[misc]  # the library is untyped
    """Tells the parts what happens, and lets them see the queries by the live model."""

    def __init__(
        self, parts: Sequence[Part], model: Any, queries: Sequence[str], batch_size: int, steps: int
    ) -> None:
        """Take in what is to be told.

        Args:
            parts: the samplers, in an order that stays the same.
            model: the student; it is read, not changed.
            queries: of the rows.
            batch_size: texts of a forward pass.
            steps: batches of an epoch.
        """
        self._parts, self._steps = parts, steps
        encoder = SentenceEncoder("the student", model, batch_size)
        # Dropout is off while it encodes, so nothing is drawn; the trainer turns it on before each step.
        self._encode: Encode = lambda: encoder.encode(queries, "query")

    def on_train_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Take up what a checkpoint holds."""
        found = state.stateful_callbacks.get(type(self).__name__, {}).get("parts")
        for part, own in zip(self._parts, found or [None] * len(self._parts), strict=True):
            if own is not None and state.global_step:
                part.restore(own)
            part.begin(self._encode)

    def on_epoch_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Tell of an epoch."""
        for part in self._parts:
            part.epoch_begins(state.global_step // self._steps, self._encode)

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Tell of a step."""
        for part in self._parts:
            last = state.global_step >= state.max_steps
            part.step_ends(state.global_step, last, self._encode)

    def state(self) -> dict[str, Any]:
        """Return what goes into a checkpoint."""
        return {"parts": [part.state() for part in self._parts]}
