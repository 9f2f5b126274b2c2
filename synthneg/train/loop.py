"""One training by a trainer of sentence-transformers: shown, taken up where it was killed, and checked at its end.

This module imports torch and transformers, so it is imported where a training begins.
"""

import math
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback

from synthneg.config import RunConfig
from synthneg.errors import ModelError
from synthneg.progress import Progress, say
from synthneg.train.checkpoints import Checkpoints, Pace, step_of

_LOSSES_KEPT = 50  # points of the loss curve
Curve = list[dict[str, float]]


def shared_arguments(
    config: RunConfig, checkpoints: Checkpoints, batches: Any, steps: int
) -> dict[str, Any]:
    """Return the arguments that trainers of all kinds of students have in common.

    Args:
        config: of the run.
        checkpoints: where the trainer writes.
        batches: the batch sampler.
        steps: of the whole training.
    """
    settings = config.train
    return {
        "output_dir": str(checkpoints.folder),
        "seed": config.seed,
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "warmup_steps": math.ceil(settings.warmup * steps),
        "batch_sampler": _Made(batches),
        "logging_steps": max(1, steps // _LOSSES_KEPT),
        "save_strategy": "no",  # but as `Checkpoints` are due
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


def run_trainer(trainer: Any, steps: int, checkpoints: Checkpoints) -> Curve:
    """Train, from the newest checkpoint where there is one, and return the loss curve: steps, mean loss up to each.

    Raises:
        ModelError: training has diverged.
    """
    trainer.remove_callback(PrinterCallback)  # prints to standard output
    checkpoint = checkpoints.newest()
    done = step_of(checkpoint) if checkpoint else 0
    if checkpoint:
        say(f"train: taken up at step {done} of {steps}")
    with Progress("train", steps, "steps", done) as progress:
        trainer.add_callback(_Show(progress))
        trainer.add_callback(_Save(checkpoints))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if not all(bool(torch.isfinite(p).all()) for p in trainer.model.parameters()):
        checkpoints.remove()
        raise ModelError(
            f"{checkpoints.folder.parent}: expected finite weights after training, but it has diverged;"
            f" lower train.learning_rate, which is {trainer.args.learning_rate}"
        )
    logged = [row for row in trainer.state.log_history if "loss" in row]
    _describe_training(trainer.model.model_card_data, logged)
    return [{"step": row["step"], "loss": float(row["loss"])} for row in logged]


def _describe_training(card: Any, logged: Curve) -> None:
    """Let the model card say the same of a training that was killed in between."""
    card.training_logs = [
        {"Epoch": row["epoch"], "Step": row["step"], "Training Loss": row["loss"]} for row in logged
    ]
    # The card would say how long it took, and two equal trainings would differ by that.
    card._training_start_time = None


class _Made:
    """Gives the trainer the batches that are made already; a checkpoint holds the arguments, but no batches."""

    def __init__(self, batches: Any) -> None:
        self._batches = batches

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self._batches

    def __getstate__(self) -> None:
        return None


class _Show(TrainerCallback):  # type: ignore[misc]  # the library is untyped
    """Turns the trainer's events into progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._note = ""

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Count a step, with the loss that was logged last."""
        self._progress.advance(note=self._note)

    def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
        """Take note of the mean loss since the last log."""
        if "loss" in logs:
            self._note = f"loss {float(logs['loss']):.3f}"


class _Save(TrainerCallback):  # type: ignore[misc]  # as above
    """Has a checkpoint written when one is due."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints, self._pace = checkpoints, Pace()

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        """Ask for a checkpoint where one is due.

        Only where a point of the loss curve is made: the mean up to the next one would lose what was before.
        """
        last = state.global_step >= state.max_steps
        if control.should_log and not last and self._pace.begin():
            control.should_save = True

    def on_save(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Mark as whole what has been written."""
        self._checkpoints.finish(state.global_step)
        self._pace.end()
