"""The settings and prompts that made a published dataset, written to a folder from which they make it again.

What comes from the Hub is somebody else's: settings are checked and cleaned once more, so that they name no path and no
server of this machine and run nobody's code, and of the files only prompts are taken, which can do nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from synthneg.config import RunConfig
from synthneg.dataset.prompts import FILE as PROMPT_FILE
from synthneg.dataset.prompts import references
from synthneg.dataset.settings import FILE, portable, rename_prompts, text
from synthneg.errors import HubError, PromptError, SettingsError
from synthneg.prompts.file import parse
from synthneg.prompts.history import decoded
from synthneg.publish.explain import hub_errors
from synthneg.settings import resolve_as, unfilled

_MOST_BYTES = 1_000_000  # of a settings file or a prompt
_CODE = "trust_remote_code"

Get = Callable[[str], bytes]  # path in the dataset -> its content


@dataclass(frozen=True, slots=True)
class Written:
    """What was written, and what of it is to be filled in: dotted keys of settings, each with what belongs there."""

    file: Path
    prompts: tuple[Path, ...]
    left: tuple[tuple[str, str], ...]
    round: int  # which one the dataset is of


def write_again(source: str, folder: Path) -> Written:
    """Write the settings and prompts behind a dataset to `folder`, all or none.

    Args:
        source: name/dataset on the Hub, or the folder of one.
        folder: made where it is missing.

    Raises:
        HubError: the Hub does not have the dataset, or it was made otherwise.
        SettingsError: settings that this version cannot read, or a file is in the way.
        PromptError: a prompt that is not well formed.
    """
    get = _of_folder(Path(source)) if Path(source).is_dir() else _of_hub(source)
    config = _settings(get(FILE), source)
    names = references(config)
    files = {name: _prompt(get, name, source) for name in names if _is_file(name, source)}
    values = portable(config, {name: name for name in names}, lambda _: False)
    here = {name: (folder / name).as_posix() if name in files else name for name in names}
    rename_prompts(values, config, here)
    values["llm"]["engine"].pop(_CODE, None)
    head = f"Made from the settings of {source}. What is to be filled in stands in angle brackets."
    written = {folder / name: content for name, content in files.items()}
    _write(written | {folder / FILE: text(values, head).encode()})
    return Written(folder / FILE, tuple(written), tuple(unfilled(values)), config.rounds.number)


def _settings(content: bytes, source: str) -> RunConfig:
    where = f"{source}/{FILE}"
    try:
        values = yaml.safe_load(content.decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{where}: expected YAML, but {' '.join(str(error).split())}"
        ) from error
    if not isinstance(values, dict):
        raise SettingsError(f"{where}: expected settings, got {type(values).__name__}")
    return resolve_as(RunConfig, values, where)


def _is_file(name: str, source: str) -> bool:
    """Whether a prompt is a file of the dataset; else it is one that comes with synthneg."""
    if not name.endswith(".j2"):
        return False
    if PROMPT_FILE.fullmatch(name) is None:
        raise SettingsError(
            f"{source}/{FILE}: expected prompts such as prompts/query/question.j2, got {name!r}"
        )
    return True


def _prompt(get: Get, name: str, source: str) -> bytes:
    content = get(name)
    try:
        parse(decoded(content), None, Path(source) / name)
    except UnicodeDecodeError as error:
        raise PromptError(f"{source}/{name}: expected UTF-8, byte {error.start} is not") from error
    return content


def _of_folder(folder: Path) -> Get:
    def get(path: str) -> bytes:
        try:
            return (folder / path).read_bytes()
        except OSError as error:
            raise SettingsError(
                f"{folder / path}: cannot be read ({error.strerror}); expected a dataset that synthneg has exported,"
                " such as outputs/RUN/dataset"
            ) from error

    return get


def _of_hub(name: str) -> Get:
    from huggingface_hub import HfApi, errors  # noqa: PLC0415  # heavy: only when the Hub is asked
    from huggingface_hub.utils import disable_progress_bars, validate_repo_id  # noqa: PLC0415

    try:
        validate_repo_id(name)
    except ValueError as error:
        raise SettingsError(
            f"--from {name}: expected name/dataset on the Hub, or the folder of a dataset"
        ) from error
    disable_progress_bars()
    api = HfApi()
    with hub_errors(name, "--from"):
        try:
            info = api.dataset_info(name)
        except errors.RepositoryNotFoundError as error:
            raise HubError(
                f"{name}: neither a folder here nor a dataset that the Hub shows to you; correct --from, or put a token"
                " that may read it into HF_TOKEN"
            ) from error
    there = {file.rfilename for file in info.siblings or ()}

    def get(path: str) -> bytes:
        if path not in there:
            raise HubError(
                f"{name}: has no {path}, so it was not published by synthneg, or by an older one; nothing says how it"
                " was made"
            )
        with hub_errors(name, "--from"):
            # One revision for all files, whoever publishes meanwhile.
            found = api.hf_hub_download(name, path, repo_type="dataset", revision=info.sha)
            return _bounded(Path(found), f"{name}/{path}")

    return get


def _bounded(file: Path, where: str) -> bytes:
    with file.open("rb") as stream:
        content = stream.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise HubError(f"{where}: expected at most {_MOST_BYTES:,} bytes, got more")
    return content


def _write(files: dict[Path, bytes]) -> None:
    """Write all files, the settings last; nothing where one of them is there."""
    there: Iterable[Path] = (file for file in files if file.exists())
    if (taken := next(iter(there), None)) is not None:
        raise SettingsError(
            f"{taken} exists already; name another folder: synthneg init DIR --from NAME"
        )
    try:
        for file, content in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("xb") as stream:
                stream.write(content)
    except OSError as error:
        raise SettingsError(
            f"{error.filename} cannot be written ({error.strerror}); name another folder: synthneg init DIR --from NAME"
        ) from error
