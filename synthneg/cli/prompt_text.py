"""The text of a prompt that a run has asked: from its own copy, else from git."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthneg.errors import PromptError, SettingsError
from synthneg.prompts.kept import FOLDER, tags, text_of
from synthneg.prompts.shelf import shipped_folder, split
from synthneg.settings import load as load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synthneg.prompts.history import Found


def of_run(name: str, folder: Path) -> "Found":
    """Return the text of the prompt `name` that the run in `folder` has asked.

    Args:
        name: name@hash8, as records carry it; without the hash where the run has one prompt of that name.
        folder: the run's folder.

    Raises:
        PromptError: it is nowhere, or several have this name.
    """
    if "@" in name:
        return text_of(name, folder / FOLDER, _files(name.partition("@")[0], folder))
    kept = [tag for tag in tags(folder / FOLDER) if tag.startswith(f"{name}@")]
    if len(kept) != 1:
        known = ", ".join(kept or tags(folder / FOLDER)) or "none"
        raise PromptError(
            f"{folder}: {len(kept) or 'no'} prompts called {name} are kept there; name one with its hash: {known}"
        )
    return text_of(kept[0], folder / FOLDER, [])


def _files(name: str, folder: Path) -> list[Path]:
    """Return the files that may hold or have held a prompt of this name: the shipped one, and those of the settings."""
    files = [shipped_folder() / f"{name}.j2"]
    try:
        settings = load_settings(folder / "run.yaml").model_dump(mode="json")
    except SettingsError:  # of another version
        settings = {}
    named = (split(reference)[0] for reference in _references(settings))
    files += [Path(file) for file in named if file.endswith(".j2")]
    return [file for file in dict.fromkeys(files) if file.stem == name.rpartition("/")[2]]


def _references(settings: Any) -> "Iterator[str]":
    """Yield the prompts that settings name, wherever in them."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            if key == "prompts":
                yield from value
            else:
                yield from _references(value)
