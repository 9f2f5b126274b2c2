"""The stage `train`: a sentence-transformers model, tuned on the run's verified queries."""

import math
import shutil
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import orjson

from synthneg import __version__
from synthneg.files import disk_errors, fingerprint, recover_folder, replace_folder, write_whole
from synthneg.progress import say
from synthneg.records import Example
from synthneg.run import Run
from synthneg.scoring.encoder import find_model
from synthneg.scoring.frozen import write_frozen
from synthneg.train.card import describe
from synthneg.train.checkpoints import Checkpoints
from synthneg.train.data import Pair
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

_PACKAGES = ("sentence-transformers", "torch", "transformers")
_LEAST_FOR_TABLES = 0.01  # learning rate; the vectors are far longer than the steps of smaller ones


def train(run: Run, labelled: Sequence[Example] = ()) -> Path:
    """Train `train.base_model` on the examples of the training split and return the folder of the tuned model.

    Writes `model/`, which `SentenceTransformer` loads, and `train_log.jsonl`, the loss by step; does nothing where
    both were made of these examples, settings and base model. On a CPU, the same inputs give the same bytes, also
    where the process was killed and training taken up from a checkpoint; on a GPU the weights may differ in their
    last bits.

    Args:
        run: its examples have been made.
        labelled: examples that people have labelled, to be mixed with the run's as `train.mix` says.

    Raises:
        RunError: the examples are missing, or are of fewer than two passages.
        ModelError: the base model cannot be loaded, or training has diverged.
        SettingsError, MissingExtra: as `check_student` says.
    """
    config, folder = run.config.train, run.file("model")
    check_student(config)
    recover_folder(folder)
    written = training_examples(run)
    examples = [*written, *labelled]
    found = find_model(config.base_model)
    base = Path(found) if Path(found).is_dir() else found
    settings = config.model_dump(mode="json")
    inputs = fingerprint(rows_inputs(run), settings, run.config.seed, base, list(labelled))
    # What another version of these has begun, this one may not go on with.
    versions = [__version__, *map(version, _PACKAGES)]
    checkpoints = Checkpoints(run.file("checkpoints"), fingerprint(inputs, versions))
    if not (run.is_done("train", inputs) and folder.is_dir()):
        pairs = training_rows(run, examples)
        part = run.file("model.part")
        try:
            with (
                disk_errors(run.folder),
                closing(
                    build_sampling(run, examples, pairs, range(len(written), len(examples)))
                ) as sampling,
            ):
                losses = _fit(run, pairs, sampling, part, checkpoints)
                log = b"".join(orjson.dumps(r, option=orjson.OPT_APPEND_NEWLINE) for r in losses)
                write_whole(run.file("train_log.jsonl"), log)
                replace_folder(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        run.mark_done("train", inputs)
    checkpoints.remove()
    return folder


def _fit(
    run: Run,
    pairs: Sequence[Pair],
    sampling: Sampling,
    part: Path,
    checkpoints: Checkpoints,
) -> list[dict[str, float]]:
    """Train, write the model to the folder `part`, and return the loss curve: steps with the mean loss up to each."""
    from synthneg.train.loop import run_trainer, shared_arguments  # noqa: PLC0415 - heavy: only when training
    from synthneg.train.students.frozen import freeze_documents  # noqa: PLC0415 - as above
    from synthneg.train.students.trainer import (  # noqa: PLC0415 - as above
        make_trainer,
        open_student,
        save_student,
    )

    config, settings = run.config, run.config.train
    steps = math.ceil(settings.epochs * len(sampling.batches))
    model = open_student(config)
    describe(model, config, pairs)
    base = open_base(run) if settings.documents == "frozen" else None
    if base is not None:
        texts = [text for pair in pairs for text in (pair.positive, *pair.negatives)]
        model = freeze_documents(model, base, texts)
    if is_static(model) and settings.learning_rate < _LEAST_FOR_TABLES:
        say(
            f"train: {settings.base_model} is a static table of word vectors, which a learning rate of"
            f" {settings.learning_rate} hardly moves; about 0.2 does"
        )
    arguments = shared_arguments(config, checkpoints, sampling.batches, steps)
    columns = text_columns(len(pairs[0].negatives) + sampling.drawn)
    trainer = make_trainer(model, config, guide_of(run), sampling.dataset, columns, arguments)
    if sampling.parts:
        trainer.add_callback(sampling.callback(config, model, pairs))
    losses = run_trainer(trainer, steps, checkpoints)
    save_student(model, settings, part)
    if base is not None:
        write_frozen(part, base.known)
    return losses
