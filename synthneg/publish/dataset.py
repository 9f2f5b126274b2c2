"""The dataset of a run as it is published: its files, with a card that knows the run's measures and cost."""

from collections.abc import Iterator
from pathlib import Path

import orjson

from synthneg import __version__
from synthneg.config import RunConfig
from synthneg.dataset.card import card
from synthneg.dataset.finished import Finished, Used
from synthneg.dataset.gather import gather_exported
from synthneg.dataset.settings import FILE
from synthneg.errors import RunError
from synthneg.llm.budget import cost_usd
from synthneg.llm.history import History
from synthneg.publish.measures import measures_text, read_evaluations
from synthneg.publish.planned import CARD, Upload, UploadFile
from synthneg.run.books import read_books


def plan_dataset(folder: Path, config: RunConfig, repo: str, model: str | None) -> Upload:
    """Return what publishing the dataset of the run in `folder` would send.

    Args:
        folder: the run's.
        config: its settings.
        repo: the dataset's name on the Hub.
        model: that of the model that goes there with it; None where none does.

    Raises:
        RunError: there is no exported dataset, or one older than the run's records.
    """
    dataset = folder / "dataset"
    if missing := [name for name in (CARD, FILE) if not (dataset / name).is_file()]:
        raise RunError(
            f"{dataset}: expected an exported dataset with its {missing[0]}, found none; run `synthneg export` first"
        )
    if "export" not in read_books(folder):
        raise RunError(
            f"{dataset}: expected the dataset of the run's present records, found an older one; run `synthneg export`"
        )
    made = gather_exported(config, folder)
    text = card(made, finished(folder, config, model), repo).encode()
    others = [file for file in files_of(dataset) if file.path != CARD]
    return Upload(
        kind="dataset",
        folder=dataset,
        repo=repo,
        private=config.publish.private,
        files=(UploadFile(CARD, text), *others),
        message=f"Dataset of the synthneg run {config.run}",
    )


def files_of(folder: Path) -> Iterator[UploadFile]:
    """Yield the files of a folder, without hidden ones and those that a killed command has left half-written."""
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in path.parts)
        if file.is_file() and not hidden and file.suffix != ".part":
            yield UploadFile(path.as_posix(), file)


def finished(folder: Path, config: RunConfig, model: str | None) -> Finished:
    """Return what is known of the run in `folder` beyond its dataset."""
    end = folder / "run.json"
    facts = orjson.loads(end.read_bytes()) if end.exists() else {}
    return Finished(
        measures=measures_text(read_evaluations(folder)),
        used=_used(folder / "ledger.sqlite", config),
        finished=facts.get("finished", ""),
        versions=facts.get("versions", {"synthneg": __version__}),
        model=model,
    )


def _used(ledger: Path, config: RunConfig) -> Used | None:
    if not ledger.exists():
        return None
    history = History(ledger)
    try:
        totals, seconds = history.totals(), history.asked_s()
    finally:
        history.close()
    usd = cost_usd(config.llm.price, totals.tokens_in, totals.tokens_out)
    return Used(totals.replies, totals.failures, totals.tokens_in, totals.tokens_out, usd, seconds)
