"""The student of the settings: opened, given to its trainer, and written as sentence-transformers loads it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sentence_transformers
import torch
import transformers
from sentence_transformers.sparse_encoder.callbacks.splade_callbacks import (
    SpladeRegularizerWeightSchedulerCallback,
)

from synthneg.config import RunConfig, TrainConfig
from synthneg.config.students import Kind
from synthneg.errors import ModelError
from synthneg.progress import say
from synthneg.scoring.encoder import load_model
from synthneg.scoring.kind import kind_of
from synthneg.scoring.models import cut_at, load, load_by, precision_of
from synthneg.train.deal import Fed, dealing
from synthneg.train.losses.build import build_loss, is_static
from synthneg.train.share import Share, give_share
from synthneg.train.students import student_kind
from synthneg.train.students.frozen import thaw_documents
from synthneg.train.students.static import ReadOnce

_CLASSES: dict[Kind, str] = {
    "bi-encoder": "SentenceTransformer",
    "cross-encoder": "CrossEncoder",
    "sparse": "SparseEncoder",
    "multi-vector": "MultiVectorEncoder",
}

_LEAST_FOR_ADAPTERS = 5e-5  # learning rate; they begin at zero, beside weights that do not move


def open_student(config: RunConfig) -> Any:
    """Return the model that is to be trained, with adapters where the settings have them.

    What is new in it, such as the head of a cross-encoder, is drawn by the run's seed.

    Raises:
        ModelError: the base model cannot be loaded.
        SettingsError: no layer is called as the settings of the adapters say.
    """
    settings = config.train
    kind = student_kind(settings)
    transformers.set_seed(config.seed)
    if kind == "bi-encoder":
        model = load_model(settings.base_model, settings.max_length)
    else:
        with _quiet():
            model = _OPEN[kind](settings)
        cut_at(model, settings.max_length)
    if kind in ("sparse", "multi-vector"):
        # The library writes it down only where somebody has asked for it.
        model.similarity_fn_name = model.similarity_fn_name
    if settings.lora is not None:
        from synthneg.train.students.lora import add_adapters  # noqa: PLC0415 - needs an extra

        add_adapters(model, settings.lora)
        if settings.learning_rate < _LEAST_FOR_ADAPTERS:
            say(
                f"train: a learning rate of {settings.learning_rate} hardly moves adapters; about 2e-4 does"
            )
    return model


def make_trainer(
    model: Any,
    config: RunConfig,
    guide: str,
    fed: Fed,
    arguments: dict[str, Any],
    share: Share,
) -> Any:
    """Return the library's trainer of this kind of student.

    Args:
        model: as `open_student` gives it.
        config: of the run.
        guide: name of the model that guides the loss gist.
        fed: a query column, columns of documents, and labels where the loss takes any; and the batches.
        arguments: those that trainers of all kinds take.
        share: of this process.
    """
    kind = student_kind(config.train)
    name, columns = _CLASSES[kind], fed.columns
    if kind != "cross-encoder":  # which reads two columns as one text
        arguments = arguments | {"prompts": column_prompts(model.prompts, columns)}
    if kind == "sparse" or config.train.documents == "frozen":
        tasks = {column: "document" for column in columns} | {"query": "query"}
        arguments = arguments | {"router_mapping": tasks}
    arguments = arguments | {
        "bf16": precision_of(model, config.train.precision) == "bfloat16",
        "use_cpu": model.device.type == "cpu",
    }
    loss = build_loss(model, config.train, guide, kind)
    give_share(loss, share)
    of_kind = getattr(sentence_transformers, f"{name}Trainer")
    made = getattr(sentence_transformers, f"{name}TrainingArguments")(**arguments)
    # One process trains on one GPU, whatever others there are: the library would cut each batch at its rows.
    made._n_gpu = min(made.n_gpu, 1)
    trainer = (of_kind if share.count == 1 else dealing(of_kind, share, fed.batches))(
        model=model,
        args=made,
        train_dataset=fed.dataset,
        loss=loss,
        callbacks=[SpladeRegularizerWeightSchedulerCallback(loss)] if kind == "sparse" else None,
    )
    if kind == "bi-encoder" and is_static(model):
        collator = trainer.data_collator
        collator.preprocess_fn = ReadOnce(collator.preprocess_fn)
    return trainer


def save_student(model: Any, settings: TrainConfig, folder: Path) -> None:
    """Write the trained model; adapters are added to its weights first, and frozen documents get back their encoder."""
    if settings.lora is not None:
        from synthneg.train.students.lora import merge_adapters  # noqa: PLC0415 - needs an extra

        merge_adapters(model)
    if settings.documents == "frozen":
        model = thaw_documents(model, load_model(settings.base_model, settings.max_length))
    model.save_pretrained(str(folder))


def column_prompts(prompts: dict[str, str], columns: list[str]) -> dict[str, str]:
    """Return the prompt of each column, so that a model is trained with the prefixes that it is used with.

    >>> column_prompts({"query": "query: ", "passage": "passage: "}, ["query", "positive"])
    {'query': 'query: ', 'positive': 'passage: '}
    """
    # The names that `encode_document` tries, in its order.
    names = ("document", "passage", "corpus")
    document = next((prompts[name] for name in names if name in prompts), "")
    found = {c: prompts.get("query", "") if c == "query" else document for c in columns}
    return {column: prompt for column, prompt in found.items() if prompt}


def _cross_encoder(settings: TrainConfig) -> Any:
    name = settings.base_model
    model = load("CrossEncoder", name)
    if model.num_labels != 1:
        raise ModelError(
            f"{name}: expected a cross-encoder with one label, the score, but it has {model.num_labels};"
            " choose one that was trained to rank, or an encoder"
        )
    if kind_of(name) != "cross-encoder":
        _say_new(name, "a cross-encoder", "the layer that makes the score")
        # A sigmoid would make all good scores 1.
        model.activation_fn = torch.nn.Sigmoid() if settings.loss == "bce" else torch.nn.Identity()
    return model


def _sparse(settings: TrainConfig) -> Any:
    """Return a SPLADE model (arXiv:2205.04733); of an encoder, with the head that guesses masked tokens."""
    from sentence_transformers.base.modules import Router, Transformer  # noqa: PLC0415 - of these students alone
    from sentence_transformers.sparse_encoder.modules import (  # noqa: PLC0415 - as above
        SparseStaticEmbedding,
        SpladePooling,
    )

    if kind_of(settings.base_model) == "sparse":
        return load("SparseEncoder", settings.base_model)

    def build(found: str, local: bool) -> Any:
        options = {"local_files_only": local}
        reader = Transformer(
            found,
            transformer_task="fill-mask",
            model_kwargs=dict(options),
            processor_kwargs=dict(options),
            config_kwargs=dict(options),
        )
        document: list[Any] = [reader, SpladePooling(pooling_strategy="max")]
        if settings.sparse.inference_free:
            query = SparseStaticEmbedding(tokenizer=reader.tokenizer)
            document = [Router.for_query_document(query_modules=[query], document_modules=document)]
        return sentence_transformers.SparseEncoder(modules=document)

    model = load_by(build, settings.base_model)
    _say_new(
        settings.base_model,
        "a sparse encoder",
        "its head over the vocabulary, where it brings none,",
    )
    return model


def _multi_vector(settings: TrainConfig) -> Any:
    model = load("MultiVectorEncoder", settings.base_model)
    if kind_of(settings.base_model) != "multi-vector":
        _say_new(
            settings.base_model,
            "a multi-vector encoder",
            "the layer that makes each token's vector",
        )
    return model


_OPEN: dict[Kind, Callable[[TrainConfig], Any]] = {
    "cross-encoder": _cross_encoder,
    "sparse": _sparse,
    "multi-vector": _multi_vector,
}


def _say_new(name: str, kind: str, layer: str) -> None:
    say(f"train: {name} becomes {kind}; {layer} begins with random weights")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries from telling at length that layers are new, which `_say_new` says."""
    library = logging.getLogger("sentence_transformers")
    verbosity, level = transformers.logging.get_verbosity(), library.level
    transformers.logging.set_verbosity_error()
    library.setLevel(logging.ERROR)
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        library.setLevel(level)
