"""The model of a run as it is published: the library's card, with the data behind it and its measures."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from synthneg.config import RunConfig
from synthneg.dataset.gather import gather_asked
from synthneg.dataset.held import read_examples
from synthneg.dataset.markdown import code, fenced, folded, plain
from synthneg.dataset.names import model_name
from synthneg.dataset.prompts import Asked
from synthneg.dataset.settings import is_here, portable
from synthneg.dataset.told import told_of
from synthneg.errors import RunError
from synthneg.evaluate.compare import MEAN, Evaluation
from synthneg.publish.dataset import files_of
from synthneg.publish.measures import measures_text, read_evaluations, title
from synthneg.publish.planned import CARD, Upload, UploadFile

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_TUNED = "tuned"
_BEFORE = re.compile(r"^## ", re.MULTILINE)  # the first heading of the library's card
_MOST_PROMPTS = 30_000  # characters of their texts in the card, where they have no other place


def plan_model(folder: Path, config: RunConfig, repo: str, dataset: str | None) -> Upload:
    """Return what publishing the model of the run in `folder` would send.

    Args:
        folder: the run's.
        config: its settings.
        repo: the model's name on the Hub.
        dataset: that of the dataset on which it was trained; None where it is not there.

    Raises:
        RunError: there is no model that was trained on the run's present examples.
    """
    model = folder / "model"
    if not ((model / CARD).is_file() and (folder / "parts" / "train.done").exists()):
        raise RunError(
            f"{model}: expected a model trained on the run's present examples, found none; run `synthneg train` first"
        )
    examples = read_examples(folder / "examples.jsonl").where(lambda e: e.split == "train")
    told = told_of(examples, sum(1 for _ in examples))
    found = gather_asked(config, folder, told)
    evaluations = read_evaluations(folder)
    about = "\n\n".join(
        [*_against_base(evaluations), *_data(config, told.examples, found, dataset)]
    )
    text = _card(model / CARD, config, about, evaluations, told.languages, dataset)
    others = (file for file in files_of(model) if file.path != CARD)
    return Upload(
        kind="model",
        folder=model,
        repo=repo,
        private=config.publish.private,
        files=(UploadFile(CARD, text.encode()), *others),
        message=f"Model of the synthneg run {config.run}",
    )


def _card(
    file: Path,
    config: RunConfig,
    about: str,
    evaluations: Sequence[Evaluation],
    spoken: list[str],
    dataset: str | None,
) -> str:
    """Return the library's card with what is known `about` the model before its first heading, and in its metadata."""
    from huggingface_hub import ModelCard  # noqa: PLC0415  # heavy: only when publishing

    card = ModelCard(file.read_text(encoding="utf-8"), ignore_metadata_errors=False)
    data: Any = card.data  # takes any field of the Hub's metadata
    if spoken:
        data.language = spoken
    if config.publish.model_license is not None:
        data.license = config.publish.model_license
    if dataset is not None:
        data.datasets = [dataset]
    data.tags = [*(data.tags or []), "synthneg"]
    if results := [result for e in evaluations for result in _results(e)]:
        data.model_name, data.eval_results = f"tuned on {config.run}", results
    place = _BEFORE.search(card.text)
    at = place.start() if place else len(card.text)
    text = f"{card.text[:at].rstrip()}\n\n{about}\n\n{card.text[at:].lstrip()}"
    return f"---\n{data.to_yaml(line_break=chr(10))}\n---\n\n{text.strip()}\n"


def _results(evaluation: Evaluation) -> Iterator["EvalResult"]:
    """Yield the tuned model's measures on queries of people, as the Hub's index of models has them."""
    from huggingface_hub import EvalResult  # noqa: PLC0415  # heavy: only when publishing

    if evaluation.synthetic or evaluation.collection == MEAN:
        return
    for name, value in evaluation.models.get(_TUNED, {}).items():
        yield EvalResult(
            task_type="information-retrieval",
            task_name="Information Retrieval",
            dataset_type=evaluation.collection.lower(),  # the Hub tells results apart by it
            dataset_name=evaluation.collection,
            dataset_split=evaluation.split,
            metric_type=name.lower(),
            metric_name=f"{name} (95 % interval {value.low:.4f} to {value.high:.4f})",
            metric_value=round(value.mean, 4),
        )


def _against_base(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    yield "## Against its base"
    if not (text := measures_text(evaluations)):
        yield "Nothing was measured: whether this model is better than its base is not known."
        return
    yield text
    if all(evaluation.synthetic for evaluation in evaluations):
        names = " and ".join(title(evaluation) for evaluation in evaluations)
        yield f"The queries of {names} are synthetic too: they prove nothing about those of people."


def _data(config: RunConfig, queries: int, found: Asked, dataset: str | None) -> Iterator[str]:
    """Yield where the training data come from, and how they were trained on."""
    known = portable(config, found.named, is_here)["train"]
    link = (
        "" if dataset is None else f", published as [{dataset}](https://hf.co/datasets/{dataset})"
    )
    yield "## Training data"
    yield (
        f"{queries:,} verified training queries of the synthneg run `{config.run}` with seed {config.seed}{link}."
        f" Queries and written documents are a language model's; negatives were verified with"
        f" {code(model_name(config.verify.encoder))}. Base model: {plain(model_name(config.train.base_model))}. Loss:"
        f" `{config.train.loss}`."
    )
    yield _prompts(found, dataset)
    settings: str = yaml.safe_dump(known, sort_keys=False, allow_unicode=True, width=1000)
    yield folded("settings of the training", fenced(settings, "yaml"))


def _prompts(found: Asked, dataset: str | None) -> str:
    if dataset is not None:
        place = f"https://hf.co/datasets/{dataset}/blob/main"
        lines = "\n".join(f"- [{code(f.tag)}]({place}/{f.path})" for f in found.files)
        return f"Prompts, each under the hash of its text:\n\n{lines}"
    if sum(len(file.source) for file in found.files) > _MOST_PROMPTS:
        lines = "\n".join(f"- {code(file.tag)}" for file in found.files)
        return f"Prompts, each under the hash of its text:\n\n{lines}"
    blocks = [folded(file.tag, fenced(file.source, "jinja")) for file in found.files]
    return "\n\n".join(["Prompts in full, each under the hash of its text:", *blocks])
