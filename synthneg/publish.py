"""A run's dataset to the Hub: shown first, sent when told.

`plan` reads the folder `dataset/` of a run and reaches no network, `describe` shows what would be sent, `upload`
sends it. The exported files go up as they lie on disk, in one commit, instead of through `DatasetDict.push_to_hub`:
that would write new Parquet files and a new card, so that what was shown would not be what is sent; and it knows
neither the BEIR files nor the licence and provenance that the card states.
"""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from synthneg.config import RunConfig
from synthneg.errors import HubError, RunError, SettingsError
from synthneg.progress import say
from synthneg.run import read_books

CARD = "README.md"
_TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
# Shorter values are placeholders such as EMPTY, given to servers that want no key; they are words of ordinary text.
_SECRET_FROM_CHARS = 8
_READ_BYTES = 1 << 20
# The errors of hf_xet, which carries the large files, say the status in their text alone.
_XET_STATUS = re.compile(r"HTTP status (?:client|server) error \((\d{3})")


class UploadFile(NamedTuple):
    """A file to be sent."""

    path: str  # in the repository, with forward slashes
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """What would be sent, and where to."""

    folder: Path
    repo: str
    private: bool
    files: tuple[UploadFile, ...]
    card: str
    message: str  # of the commit
    key_variables: tuple[str, ...]  # environment variables whose values must not be in the files
    local_paths: tuple[str, ...]  # of this machine; must not be in the card


def plan(run_folder: Path, config: RunConfig) -> Upload:
    """Return what publishing the run in `run_folder` would send. Reaches no network.

    Raises:
        SettingsError: publish.repo is not set, or no name that the Hub could know.
        RunError: the run has no exported dataset, one older than its records, or one that holds a secret.
    """
    repo = _repo(config.publish.repo)
    folder = run_folder / "dataset"
    files = tuple(_files(folder))
    if CARD not in {file.path for file in files}:
        raise RunError(
            f"{folder}: expected an exported dataset with its {CARD}, found none; run `synthneg export` first"
        )
    books = read_books(run_folder)
    if books and "export" not in books:
        raise RunError(
            f"{folder}: expected the dataset of the run's present records, found an older one; run `synthneg export`"
        )
    planned = Upload(
        folder=folder,
        repo=repo,
        private=config.publish.private,
        files=files,
        card=(folder / CARD).read_text(encoding="utf-8", errors="replace"),
        message=f"Dataset of the synthneg run {config.run}",
        key_variables=(config.llm.api_key_env, *_TOKEN_VARIABLES),
        local_paths=tuple(_local_paths(run_folder, config)),
    )
    _refuse_secrets(planned)
    return planned


def describe(planned: Upload) -> str:
    """Return for a person what would be sent: target, files with sizes, the card, and how to send it."""
    width = max(len(file.path) for file in planned.files)
    sizes = [f"  {file.path:<{width}}  {_size(file.size):>9}" for file in planned.files]
    return "\n".join(
        [
            f"{planned.folder} -> dataset {planned.repo} ({_visibility(planned.private)}),"
            f" as one commit: {planned.message}",
            *sizes,
            f"  {f'{len(sizes)} files':<{width}}  {_size(_total(planned)):>9}",
            "",
            f"The card, {CARD}:",
            "",
            planned.card.rstrip(),
            "",
            "Nothing has been sent. To send exactly this, give the same command with --yes.",
        ]
    )


def upload(planned: Upload) -> str:
    """Send the files in one commit, making the repository where there is none; return its address.

    The token comes from huggingface_hub's own places: HF_TOKEN, or `hf auth login`. What the Hub has already is not
    sent again. Files of the repository that the run does not have are left alone.

    Raises:
        HubError: the Hub cannot be reached or refuses; the commit is whole or not there.
        RunError: a file holds a secret of this machine.
    """
    # Heavy, and it reads its environment when imported: only when something is sent.
    from huggingface_hub import CommitOperationAdd, HfApi, errors  # noqa: PLC0415
    from huggingface_hub.utils import disable_progress_bars  # noqa: PLC0415

    _refuse_secrets(planned)  # again: the files may have changed since they were shown
    if not sys.stderr.isatty():
        disable_progress_bars()
    api = HfApi(token=True)
    try:
        api.create_repo(planned.repo, repo_type="dataset", private=planned.private, exist_ok=True)
        _check_visibility(planned, bool(api.dataset_info(planned.repo).private))
        say(f"publish  {len(planned.files)} files, {_size(_total(planned))}, to {planned.repo}")
        api.create_commit(
            planned.repo,
            [CommitOperationAdd(path, planned.folder / path) for path, _ in planned.files],
            commit_message=planned.message,
            repo_type="dataset",
        )
    except (errors.HTTPError, OSError, ValueError, RuntimeError) as error:
        raise HubError(f"{planned.repo}: {_explain(error, api.endpoint)}") from error
    return f"{api.endpoint}/datasets/{planned.repo}"


def _repo(name: str | None) -> str:
    """Return the repository's full name, checked by the rules of the Hub's client."""
    from huggingface_hub.utils import validate_repo_id  # noqa: PLC0415  # heavy: only when publishing

    if name is None:
        raise SettingsError(
            "publish.repo is not set, and there is no default; give it with --set publish.repo=name/dataset"
        )
    try:
        validate_repo_id(name)
    except ValueError as error:
        raise SettingsError(f"publish.repo: {_one_line(error)}") from error
    if "/" not in name:
        raise SettingsError(
            f"publish.repo: expected name/dataset with your name or organization on the Hub, got {name!r}"
        )
    return name


def _files(folder: Path) -> Iterator[UploadFile]:
    """Yield the exported files, without hidden ones and those that a killed export has left half-written."""
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in path.parts)
        if file.is_file() and not hidden and file.suffix != ".part":
            yield UploadFile(path.as_posix(), file.stat().st_size)


def _local_paths(run_folder: Path, config: RunConfig) -> Iterator[str]:
    """Yield the paths that tell of this machine and its user: home, the run's folder, and those in the settings."""
    yield f"{os.path.expanduser('~')}/"
    yield str(run_folder.resolve())
    for value in _strings(config.model_dump(mode="json")):
        # "/data" alone would be found in the name of any repository ann/data.
        if value.startswith("/") and value.rstrip("/").count("/") > 1:
            yield value


def _strings(value: object) -> Iterator[str]:
    """Yield every string in nested dicts and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _refuse_secrets(planned: Upload) -> None:
    """Raise RunError where a file holds a key or token of the environment, or the card a path of this machine."""
    secrets = {
        f"the value of {name}": value.encode()
        for name in planned.key_variables
        if len(value := os.environ.get(name, "").strip()) >= _SECRET_FROM_CHARS
    }
    # Only in the card: a passage may speak of a path with good reason, and was not written by this machine.
    paths = {f"the path {path}": path.encode() for path in planned.local_paths}
    for file in planned.files:
        wanted = secrets | paths if file.path == CARD else secrets
        for what in _found(planned.folder / file.path, wanted):
            raise RunError(
                f"{planned.folder / file.path}: holds {what}, which nobody but you should see;"
                " remove it from what was read or written, run `synthneg export` again, then publish"
            )


def _found(file: Path, wanted: dict[str, bytes]) -> Iterator[str]:
    """Yield the names of the byte strings that occur in `file`, also where they lie across two reads."""
    overlap = max(map(len, wanted.values()), default=1) - 1
    tail = b""
    with file.open("rb") as stream:
        while block := stream.read(_READ_BYTES):
            window = tail + block
            yield from (name for name, value in wanted.items() if value in window)
            tail = window[-overlap:] if overlap else b""


def _check_visibility(planned: Upload, is_private: bool) -> None:
    # The Hub ignores the wish for a repository that exists; the files would be seen by others than was shown.
    if is_private != planned.private:
        raise HubError(
            f"{planned.repo}: exists and is {_visibility(is_private)}, and was shown as {_visibility(planned.private)};"
            f" change it on the Hub, or --set publish.private={str(is_private).lower()}"
        )


def _explain(error: BaseException, endpoint: str) -> str:
    """Return in one line what went wrong at the Hub and what to do."""
    from huggingface_hub import errors  # noqa: PLC0415  # heavy: only when an upload failed

    status = _status(error)
    if isinstance(error, errors.LocalTokenNotFoundError):
        return "no token for the Hub was found; put one with write access into HF_TOKEN, or run `hf auth login`"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so the Hub is not asked; unset it to publish"
    if status == 401:
        return "the Hub does not accept the token (401); put a valid one into HF_TOKEN, or run `hf auth login`"
    if status in (403, 404) or isinstance(error, PermissionError):
        return (
            f"the token may not write there ({status or 'refused'}: {_one_line(error)}); publish.repo must begin with"
            " your own name or organization, and the token needs write access"
        )
    if status is None and isinstance(error, (errors.HTTPError, ConnectionError)):
        return (
            f"{endpoint} cannot be reached ({_one_line(error)}); check the network, the proxy and HF_ENDPOINT,"
            " then give the same command again"
        )
    answer = f"the Hub answered {status}" if status else "the upload failed"
    return f"{answer} ({_one_line(error)}); give the same command again later, what has arrived is not sent twice"


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status behind an error; the client wraps those of single files."""
    while error is not None:
        if said := _XET_STATUS.search(str(error)):
            return int(said[1])
        if (response := getattr(error, "response", None)) is not None:
            return int(response.status_code)
        error = error.__cause__
    return None


def _one_line(error: BaseException) -> str:
    """Return the innermost message that the error stands for, cut to a line."""
    while error.__cause__ is not None and not str(getattr(error, "server_message", "") or ""):
        error = error.__cause__
    text = " ".join(
        str(getattr(error, "server_message", None) or error or type(error).__name__).split()
    )
    return text[:200]


def _visibility(private: bool) -> str:
    return "private" if private else "public"


def _total(planned: Upload) -> int:
    return sum(file.size for file in planned.files)


def _size(count: int) -> str:
    """Return a number of bytes as people read it, in powers of 1000 as the Hub does.

    >>> _size(999), _size(1_200), _size(34_500_000)
    ('999 B', '1.2 kB', '34.5 MB')
    """
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
