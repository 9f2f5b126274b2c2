"""The stage `train`: a sentence-transformers model, tuned on the run's verified queries."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from synthneg.config import RunConfig
from synthneg.errors import ModelError
from synthneg.files import fingerprint, recover_folder, replace_folder, write_whole
from synthneg.progress import Progress, say
from synthneg.run import Run
from synthneg.scoring.encoder import find_model, load_model
from synthneg.train.data import Pair
from synthneg.train.losses import LOSSES
from synthneg.train.losses.build import build_loss, is_static
from synthneg.train.rows import guide_of, rows_inputs, training_examples, training_rows, unlisted
from synthneg.train.sampler import DistinctBatches

if TYPE_CHECKING:
    from transformers import TrainerCallback

_LOSSES_KEPT = 50  # points of the loss curve
_LEAST_FOR_TABLES = 0.01  # learning rate; the vectors are far longer than the steps of smaller ones


def train(run: Run) -> Path:
    """Train `train.base_model` on the examples of the training split and return the folder of the tuned model.

    Writes `model/`, which `SentenceTransformer` loads, and `train_log.jsonl`, the loss by step; does nothing where
    both were made of these examples, settings and base model. On a CPU, the same inputs give the same bytes; on a
    GPU the weights may differ in their last bits.

    Raises:
        RunError: the examples are missing, or are of fewer than two passages.
        ModelError: the base model cannot be loaded, or training has diverged.
    """
    config, folder = run.config.train, run.file("model")
    recover_folder(folder)
    examples = training_examples(run)
    found = find_model(config.base_model)
    base = Path(found) if Path(found).is_dir() else found
    settings = config.model_dump(mode="json")
    inputs = fingerprint(rows_inputs(run), settings, run.config.seed, base)
    if not (run.is_done("train", inputs) and folder.is_dir()):
        pairs = training_rows(run, examples)
        part = run.file("model.part")
        try:
            losses = _fit(run.config, pairs, part, guide_of(run))
            log = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in losses)
            write_whole(run.file("train_log.jsonl"), log)
            replace_folder(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        run.mark_done("train", inputs)
    return folder


def _fit(
    config: RunConfig, pairs: Sequence[Pair], part: Path, guide: str
) -> list[dict[str, float]]:
    """Train, write the model to the folder `part`, and return the loss curve: steps with the mean loss up to each."""
    import torch  # noqa: PLC0415 - heavy: only when training
    from datasets import Dataset  # noqa: PLC0415 - heavy: only when training
    from sentence_transformers import SentenceTransformerTrainer  # noqa: PLC0415 - heavy
    from transformers import PrinterCallback  # noqa: PLC0415 - heavy: only when training

    settings = config.train
    taken = LOSSES[settings.loss]
    batches = DistinctBatches(unlisted(pairs, taken), settings.batch_size, config.seed)
    steps = math.ceil(settings.epochs * len(batches))
    model = load_model(settings.base_model, settings.max_length)
    _describe(model, config, pairs)
    if is_static(model) and settings.learning_rate < _LEAST_FOR_TABLES:
        say(
            f"train: {settings.base_model} is a static table of word vectors, which a learning rate of"
            f" {settings.learning_rate} hardly moves; about 0.2 does"
        )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=_arguments(config, model, batches, steps, part, len(pairs[0].negatives)),
        train_dataset=Dataset.from_list([_row(pair, taken != "pairs") for pair in pairs]),
        loss=build_loss(model, settings, guide),
    )
    trainer.remove_callback(PrinterCallback)  # prints to standard output
    losses: list[dict[str, float]] = []
    with Progress("train", steps, "steps") as progress:
        trainer.add_callback(_show(progress, losses))
        trainer.train()
    if not all(bool(torch.isfinite(p).all()) for p in model.parameters()):
        raise ModelError(
            f"{settings.base_model}: expected finite weights after training, but it has diverged;"
            f" lower train.learning_rate, which is {settings.learning_rate}"
        )
    # The card would say how long it took, and two equal trainings would differ by that.
    model.model_card_data._training_start_time = None
    model.save_pretrained(str(part))
    return losses


def _row(pair: Pair, labelled: bool) -> dict[str, object]:
    negatives = {f"negative_{i}": text for i, text in enumerate(pair.negatives, start=1)}
    labels = {"label": list(pair.labels)} if labelled else {}
    return {"query": pair.query, "positive": pair.positive, **negatives, **labels}


def _describe(model: Any, config: RunConfig, pairs: Sequence[Pair]) -> None:
    """Name the run's dataset and the base model in the library's model card, but no folder of this machine."""
    base, card = config.train.base_model, model.model_card_data
    card.train_datasets = [{"name": config.run}]
    card.model_name = f"{Path(base).name} tuned on {config.run}"
    if not Path(base).expanduser().is_dir():
        card.base_model = base
    # Given here, because the library looks for examples of its own under a bar of its own.
    first = pairs[0]
    other = next(pair.positive for pair in pairs if pair.positive != first.positive)
    card.usage_examples = [first.query, first.positive, other]
    card.widget = [{"source_sentence": first.query, "sentences": [first.positive, other]}]


def _arguments(
    config: RunConfig,
    model: Any,
    batches: DistinctBatches,
    steps: int,
    part: Path,
    negatives: int,
) -> Any:
    import torch  # noqa: PLC0415 - heavy: only when training
    from sentence_transformers import (  # noqa: PLC0415 - heavy: only when training
        SentenceTransformerTrainingArguments,
    )

    settings = config.train
    return SentenceTransformerTrainingArguments(
        output_dir=str(part),
        seed=config.seed,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=math.ceil(settings.warmup * steps),
        batch_sampler=lambda *_, **__: batches,
        prompts=column_prompts(model.prompts, negatives),
        logging_steps=max(1, steps // _LOSSES_KEPT),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def column_prompts(prompts: dict[str, str], negatives: int) -> dict[str, str]:
    """Return the prompt of each column, so that a model is trained with the prefixes that it is used with.

    >>> column_prompts({"query": "query: ", "passage": "passage: "}, 1)
    {'query': 'query: ', 'positive': 'passage: ', 'negative_1': 'passage: '}
    """
    # The names that `encode_document` tries, in its order.
    names = ("document", "passage", "corpus")
    document = next((prompts[name] for name in names if name in prompts), "")
    columns = {"query": prompts.get("query", ""), "positive": document}
    columns |= {f"negative_{i}": document for i in range(1, negatives + 1)}
    return {column: prompt for column, prompt in columns.items() if prompt}


def _show(progress: Progress, losses: list[dict[str, float]]) -> "TrainerCallback":
    """Return a callback that counts steps and keeps the loss curve."""
    from transformers import TrainerCallback  # noqa: PLC0415 - heavy: only when training

    class Show(TrainerCallback):  # type: ignore[misc]  # the library is untyped
        """Turns the trainer's events into progress."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            """Count a step, with the loss that was logged last."""
            progress.advance(note=f"loss {losses[-1]['loss']:.3f}" if losses else "")

        def on_log(self, _: Any, state: Any, __: Any, logs: dict[str, float], **___: Any) -> None:
            """Keep the mean loss since the last log."""
            if "loss" in logs:
                losses.append({"step": state.global_step, "loss": float(logs["loss"])})

    return Show()
