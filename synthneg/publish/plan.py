"""Gather what publishing a run would send. No network is reached."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import yaml

from synthneg.config import CorpusConfig, RunConfig
from synthneg.dataset.settings import FILE
from synthneg.errors import SettingsError
from synthneg.publish.dataset import plan_dataset
from synthneg.publish.measures import read_evaluations
from synthneg.publish.model import plan_model
from synthneg.publish.planned import Plan, Upload
from synthneg.publish.secrets import local_paths, refuse_secrets, strings

What = Literal["dataset", "model", "both"]
_MOST_TITLE = 59  # characters of a collection's
WHATS: tuple[What, ...] = ("dataset", "model", "both")


def plan(folder: Path, config: RunConfig, what: What = "dataset") -> Plan:
    """Return what publishing the run in `folder` would send.

    Raises:
        SettingsError: the name of a repository is not set, or none that the Hub could know.
        RunError: there is no exported dataset or no trained model, an old one, or one that would tell a secret.
    """
    wanted = config.publish
    dataset = None if wanted.repo is None else _repo("publish.repo", "name/dataset", wanted.repo)
    model = None
    if what != "dataset":
        model = _repo("publish.model_repo", "name/model", wanted.model_repo)
    uploads: list[Upload] = []
    if what != "model":
        named = _repo("publish.repo", "name/dataset", wanted.repo)
        uploads.append(plan_dataset(folder, config, named, model))
    if model is not None:
        uploads.append(plan_model(folder, config, model, dataset))
    planned = Plan(
        run=config.run,
        uploads=tuple(uploads),
        collection=(wanted.collection or config.run[:_MOST_TITLE]) if what == "both" else None,
        key_variable=config.llm.api_key_env,
        paths=local_paths(folder, config),
        names=tuple(_names(folder, config, uploads)),
    )
    refuse_secrets(planned)
    return planned


def _repo(setting: str, such_as: str, name: str | None) -> str:
    """Return the repository's full name, checked by the rules of the Hub's client."""
    from huggingface_hub.utils import validate_repo_id  # noqa: PLC0415  # heavy: only when publishing

    if name is None:
        raise SettingsError(
            f"{setting} is not set, and there is no default; give it with --set {setting}={such_as}"
        )
    try:
        validate_repo_id(name)
    except ValueError as error:
        raise SettingsError(f"{setting}: {' '.join(str(error).split())}") from error
    if "/" not in name:
        raise SettingsError(
            f"{setting}: expected {such_as} with your name or organization on the Hub, got {name!r}"
        )
    return name


def _names(folder: Path, config: RunConfig, uploads: list[Upload]) -> Iterator[str]:
    """Yield what of the user's own words is published beside prompts and texts: names, and settings that were set."""
    yield config.run
    yield from (evaluation.collection for evaluation in read_evaluations(folder))
    usual = set(strings(RunConfig(run="run", corpus=CorpusConfig(path="docs")).model_dump()))
    for upload in uploads:
        yield from (file.path for file in upload.files)
        for file in upload.files:
            if file.path == FILE and isinstance(file.source, Path):
                values = yaml.safe_load(file.source.read_text(encoding="utf-8"))
                yield from (text for text in strings(values) if text not in usual)
