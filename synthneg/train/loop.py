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
from synthneg.train.share import Share

_LOSSES_KEPT = 50  # points of the loss curve
Curve = list[dict[str, float]]


def shared_arguments(
    config: RunConfig, checkpoints: Checkpoints, batches: Any, steps: int, share: Share
) -> dict[str, Any]:
    """Return the arguments that trainers of all kinds of students have in common.

    Args:
        config: of the run.
        checkpoints: where the trainer writes.
        batches: the batch sampler.
        steps: of the whole training.
        share: of this process.
    """
    settings = config.train
    together = {
        "ddp_find_unused_parameters": True,
        "ddp_broadcast_buffers": False,
        "dataloader_drop_last": True,  # of loaders of the library's own, which would warn of it
    }
    return (together if share.count > 1 else {}) | {
        "output_dir": str(checkpoints.folder),
        "seed": config.seed,
        "num_train_epochs": settings.epochs,
        # Of all processes: the batches are made already, and a checkpoint may go on in another number of them.
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


def run_trainer(trainer: Any, steps: int, checkpoints: Checkpoints, share: Share) -> Curve:
    """Train, from the newest checkpoint where there is one, and return the loss curve: steps, mean loss up to each.

    Raises:
        ModelError: training has diverged.
    """
    trainer.remove_callback(PrinterCallback)  # prints to standard output
    checkpoint = share.agree(checkpoints.newest)
    done = step_of(checkpoint) if checkpoint else 0
    if checkpoint:
        say(f"train: taken up at step {done} of {steps}")
    with Progress("train", steps, "steps", done) as progress:
        trainer.add_callback(_Show(progress))
        trainer.add_callback(_Save(checkpoints, share))
        if not share.leads:
            trainer.add_callback(_OwnDraws(share.rank))
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

    def __init__(self, checkpoints: Checkpoints, share: Share) -> None:
        self._checkpoints, self._pace, self._share = checkpoints, Pace(), share

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        """Ask for a checkpoint where one is due.

        Only where a point of the loss curve is made: the mean up to the next one would lose what was before.
        """
        last = state.global_step >= state.max_steps
        if control.should_log and not last and self._share.agree(self._pace.begin):
            control.should_save = True

    def on_save(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Mark as whole what has been written, by all processes."""
        self._share.wait()
        if self._share.leads:
            self._checkpoints.finish(state.global_step)
            self._pace.end()


class _OwnDraws(TrainerCallback):  # type: ignore[misc]  # as above
    """Has a process draw other dropout than the leading one, on whose rows it works no more."""

    def __init__(self, rank: int) -> None:
        self._rank = rank

    def on_train_begin(self, arguments: Any, *_: Any, **__: Any) -> None:
        """Begin with a seed of its own; where training goes on, a checkpoint has the state of each process."""
        torch.manual_seed(arguments.seed + self._rank)
