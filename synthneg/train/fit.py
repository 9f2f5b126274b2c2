"""The stage `train`: a sentence-transformers model, tuned on the run's verified queries."""

import math
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from synthneg import __version__
from synthneg.config import RunConfig, TrainConfig
from synthneg.files import disk_errors, fingerprint, recover_folder, replace_folder, write_whole
from synthneg.progress import say
from synthneg.records import Example, to_line
from synthneg.run import Run
from synthneg.run.books import read_records
from synthneg.scoring.encoder import find_model
from synthneg.scoring.frozen import write_frozen
from synthneg.train.card import describe
from synthneg.train.checkpoints import Checkpoints
from synthneg.train.data import Pair
from synthneg.train.launch import in_processes, joined, processes_of
from synthneg.train.losses.build import is_static
from synthneg.train.rows import (
    guide_of,
    open_base,
    rows_inputs,
    training_examples,
    training_rows,
)
from synthneg.train.sampling.build import Sampling, build_sampling
from synthneg.train.sampling.table import text_columns
from synthneg.train.students import check_student

if TYPE_CHECKING:
    from synthneg.train.deal import Fed
    from synthneg.train.share import Share

_PACKAGES = ("sentence-transformers", "torch", "transformers")
_LEAST_FOR_TABLES = 0.01  # learning rate; the vectors are far longer than the steps of smaller ones


def train(run: Run, labelled: Sequence[Example] = ()) -> Path:
    """Train `train.base_model` on the examples of the training split and return the folder of the tuned model.

    Writes `model/`, which `SentenceTransformer` loads, and `train_log.jsonl`, the loss by step; does nothing where
    both were made of these examples, settings and base model. On a CPU, the same inputs give the same bytes, also
    where the process was killed and training taken up from a checkpoint; on a GPU, or with another number of
    processes, the weights may differ in their last bits.

    Args:
        run: its examples have been made.
        labelled: examples that people have labelled, to be mixed with the run's as `train.mix` says.

    Raises:
        RunError: the examples are missing, or are of fewer than two passages.
        ModelError: the base model cannot be loaded, training has diverged, or a process of several was killed.
        SettingsError, MissingExtra: as `check_student` and `processes_of` say.
    """
    config, folder = run.config.train, run.file("model")
    check_student(config)
    count = processes_of(config)
    recover_folder(folder)
    training_examples(run)  # there are enough of them
    found = find_model(config.base_model)
    base = Path(found) if Path(found).is_dir() else found
    # Whoever shares the work, it is the same training.
    settings = config.model_dump(mode="json", exclude={"processes"})
    inputs = fingerprint(rows_inputs(run), settings, run.config.seed, base, list(labelled))
    # What another version of these has begun, this one may not go on with.
    versions = [__version__, *map(version, _PACKAGES)]
    checkpoints = Checkpoints(run.file("checkpoints"), fingerprint(inputs, versions))
    if not (run.is_done("train", inputs) and folder.is_dir()):
        part = run.file("model.part")
        try:
            with disk_errors(run.folder):
                losses = _fitted(run, labelled, part, checkpoints, count)
                log = b"".join(orjson.dumps(r, option=orjson.OPT_APPEND_NEWLINE) for r in losses)
                write_whole(run.file("train_log.jsonl"), log)
                replace_folder(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        run.mark_done("train", inputs)
    checkpoints.remove()
    return folder


def _fitted(
    run: Run, labelled: Sequence[Example], part: Path, checkpoints: Checkpoints, count: int
) -> list[dict[str, float]]:
    """Do what `_fit` does, here or in several processes."""
    if count == 1:
        from synthneg.train.share import ALONE  # noqa: PLC0415 - heavy: only when training

        return _fit(run, labelled, part, checkpoints, ALONE)
    with tempfile.NamedTemporaryFile(prefix="synthneg-labelled-") as file:
        file.writelines(map(to_line, labelled))
        file.flush()
        given = (run.folder.parent, run.config, run.vectors, Path(file.name), part, checkpoints)
        return in_processes(count, _fit_shared, *given)


def _fit_shared(
    outputs: Path,
    config: RunConfig,
    vectors: Path,
    labelled: Path,
    part: Path,
    checkpoints: Checkpoints,
) -> list[dict[str, float]]:
    """Take part in a training, in a process of its own."""
    run = Run(outputs, config, joins=True)
    run.vectors = vectors
    with joined() as share:
        examples = list(read_records(labelled, Example)) if share.leads else []
        return _fit(run, examples, part, checkpoints, share)


def _fit(
    run: Run,
    labelled: Sequence[Example],
    part: Path,
    checkpoints: Checkpoints,
    share: "Share",
) -> list[dict[str, float]]:
    """Train, write the model to the folder `part`, and return the loss curve: steps with the mean loss up to each.

    The process that leads makes the batches and writes; the others take their share of each, and see no examples.
    """
    from synthneg.train.deal import like  # noqa: PLC0415 - heavy: only when training
    from synthneg.train.loop import run_trainer, shared_arguments  # noqa: PLC0415 - as above
    from synthneg.train.students.frozen import freeze_documents  # noqa: PLC0415 - as above
    from synthneg.train.students.trainer import (  # noqa: PLC0415 - as above
        make_trainer,
        open_student,
        save_student,
    )

    config, settings = run.config, run.config.train
    with ExitStack() as stack:
        pairs, sampling = _rows(run, labelled) if share.leads else ([], None)
        if sampling is not None:
            stack.callback(sampling.close)
        fed = like(_fed(pairs, sampling) if sampling else None, share)
        steps = math.ceil(settings.epochs * len(fed.batches))
        model = open_student(config)
        if share.leads:
            describe(model, config, pairs)
        base = open_base(run) if settings.documents == "frozen" else None
        if base is not None:
            texts = [text for pair in pairs for text in (pair.positive, *pair.negatives)]
            model = freeze_documents(model, base, texts)
        _say_where_slow(model, settings)
        arguments = shared_arguments(config, checkpoints, fed.batches, steps, share)
        trainer = make_trainer(model, config, guide_of(run), fed, arguments, share)
        if sampling is not None and sampling.parts:
            trainer.add_callback(sampling.callback(config, model, pairs))
        losses = run_trainer(trainer, steps, checkpoints, share)
        if share.leads:
            save_student(model, settings, part)
        if base is not None:
            write_frozen(part, base.known)
    return losses


def _rows(run: Run, labelled: Sequence[Example]) -> tuple[list[Pair], Sampling]:
    """Return the rows, and what they are sampled by; it must be closed."""
    written = training_examples(run)
    examples = [*written, *labelled]
    pairs = training_rows(run, examples)
    return pairs, build_sampling(run, examples, pairs, range(len(written), len(examples)))


def _fed(pairs: Sequence[Pair], sampling: Sampling) -> "Fed":
    from synthneg.train.deal import Fed  # noqa: PLC0415 - heavy: only when training

    columns = text_columns(len(pairs[0].negatives) + sampling.drawn)
    return Fed(sampling.dataset, sampling.batches, columns)


def _say_where_slow(model: Any, settings: TrainConfig) -> None:
    if is_static(model) and settings.learning_rate < _LEAST_FOR_TABLES:
        say(
            f"train: {settings.base_model} is a static table of word vectors, which a learning rate of"
            f" {settings.learning_rate} hardly moves; about 0.2 does"
        )
