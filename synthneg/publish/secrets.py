"""What may not leave this machine: keys and tokens in any file, paths and the user's name in what tells of the run."""

import getpass
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from synthneg.config import RunConfig
from synthneg.errors import RunError
from synthneg.progress import track
from synthneg.publish.planned import Plan, Upload, UploadFile

_VARIABLES = re.compile(
    r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASS|CREDENTIALS?)S?$"
)
# Shorter values are placeholders such as EMPTY, given to servers that want no key; they are words of ordinary text.
_SECRET_FROM_CHARS = 8
_READ_BYTES = 1 << 20
# Keys by their shapes, for those that stand in no variable of this process.
_SHAPES = {
    "what looks like a token of the Hub": rb"\bhf_[A-Za-z]{30,}",
    "what looks like an API key": rb"\bsk-[A-Za-z0-9_-]{20,}",
    "what looks like a key of AWS": rb"\bAKIA[0-9A-Z]{16}\b",
    "what looks like a token of GitHub": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{30,})",
    "what looks like a key of Google": rb"\bAIza[0-9A-Za-z_-]{35}",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY",
}
_SHAPE = {what: re.compile(shape) for what, shape in _SHAPES.items()}
# Files that the run has written about itself; all others hold texts, which may speak of paths with good reason.
_TOLD = re.compile(r"README\.md|synthneg\.yaml|(?:.*/)?[\w.-]*config[\w.-]*\.json|modules\.json")
# Accounts that many machines have; their names tell of nobody, and are words of ordinary text.
_NOBODY = {"root", "user", "users", "home", "ubuntu", "admin", "docker", "runner", "jovyan", "app"}
_NAME_FROM_CHARS = 3


class Secret(NamedTuple):
    """Bytes that may not leave, and what they are called in an error."""

    what: str
    value: bytes


def refuse_secrets(plan: Plan) -> None:
    """Refuse a plan that would send a key, or tell of this machine and its user.

    Looks through every byte of every file, of Parquet also through the texts that lie packed in it, for values of
    environment variables that hold keys. Cards, settings and the configuration of models may hold no path of this
    machine and nothing that has the shape of a key, and the settings not the name of its user.

    Raises:
        RunError: the first of these that is found: in which file, and what to do. The value itself is not said.
    """
    _refuse_names(plan)
    keys = list(_keys(plan.key_variable))
    paths = [Secret(f"the path {path}", path.encode()) for path in plan.paths]
    files = [(upload, file) for upload in plan.uploads for file in upload.files]
    for upload, file in track(files, "publish  looked through for secrets", "files", len(files)):
        told = _TOLD.fullmatch(file.path) is not None
        wanted = [*keys, *paths] if told else keys
        for what in _found(file, wanted, told):
            raise RunError(_refusal(upload, file, what))


def _refusal(upload: Upload, file: UploadFile, what: str) -> str:
    made = "`synthneg export`" if upload.kind == "dataset" else "`synthneg train`"
    return (
        f"{upload.folder / file.path}: holds {what}, which nobody but you should see; remove it from what was read or"
        f" written, run {made} again, then publish"
    )


def _refuse_names(plan: Plan) -> None:
    for name in _user_names():
        word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE)
        for text in plan.names:
            if word.search(text):
                raise RunError(
                    f"{plan.run}: {text[:100]!r} would be published and holds the name of your account on this"
                    f" machine, {name}; change it in the run's settings (a run is renamed with its folder), then"
                    " publish again"
                )


def _user_names() -> set[str]:
    """Return what the user of this machine is called by it."""
    names = {Path.home().name}
    try:
        names.add(getpass.getuser())
    except (OSError, KeyError):
        pass  # an account without a name, as in some containers
    return {n for n in names if len(n) >= _NAME_FROM_CHARS and n.casefold() not in _NOBODY}


def _keys(variable: str) -> Iterator[Secret]:
    """Yield the keys that this process can see, each also as it stands in an address."""
    from huggingface_hub import get_token  # noqa: PLC0415  # heavy: only when publishing

    found = {
        f"the value of {name}": value
        for name, value in os.environ.items()
        if name == variable or _VARIABLES.search(name)
    }
    found["your token of the Hub"] = get_token() or ""
    for what, value in found.items():
        value = value.strip()
        if len(value) >= _SECRET_FROM_CHARS and not Path(value).is_file():
            for form in dict.fromkeys((value, quote(value, safe=""))):
                yield Secret(what, form.encode())


def local_paths(folder: Path, config: RunConfig) -> tuple[str, ...]:
    """Return the paths that tell of this machine and its user: home, folders at work, and those in the settings."""
    found = [f"{Path.home()}/", f"{folder.resolve()}", f"{Path.cwd()}/"]
    for value in strings(config.model_dump(mode="json")):
        path = value.removeprefix("queries:")
        # "/data" alone would be found in the name of any repository ann/data.
        if path.startswith(("/", "~")) and path.rstrip("/").count("/") > 1:
            found.append(path)
    return tuple(dict.fromkeys(path for path in found if path.strip("/")))


def strings(value: object) -> Iterator[str]:
    """Yield every string in nested dicts and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from strings(inner)


def _found(file: UploadFile, wanted: list[Secret], told: bool) -> Iterator[str]:
    """Yield what of the wanted, and of what has the shape of a key where the file tells of the run, is in the file."""
    overlap = max((len(secret.value) for secret in wanted), default=1) - 1
    for stream in _contents(file):
        tail = b""
        for block in stream:
            window = tail + block
            yield from (secret.what for secret in wanted if secret.value in window)
            if told:
                yield from (what for what, shape in _SHAPE.items() if shape.search(window))
            tail = window[-overlap:] if overlap else b""


def _contents(file: UploadFile) -> Iterator[Iterator[bytes]]:
    """Yield what a file holds as streams of bytes: itself, and of Parquet each column of texts unpacked."""
    if isinstance(file.source, bytes):
        yield iter((file.source,))
        return
    yield _blocks(file.source)
    if file.path.endswith(".parquet"):
        yield from _columns(file.source)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(_READ_BYTES):
            yield block


def _columns(path: Path) -> Iterator[Iterator[bytes]]:
    """Yield the texts of a Parquet file, those of one batch of a column end to end."""
    import pyarrow as pa  # noqa: PLC0415  # heavy: only when publishing
    import pyarrow.parquet as pq  # noqa: PLC0415  # as above

    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=4096):
                yield from (_texts(column) for column in batch.columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(
            f"{path}: cannot be read, so nobody can say what it holds ({' '.join(str(error).split())[:200]}); run"
            " `synthneg export` again"
        ) from error


def _texts(column: object) -> Iterator[bytes]:
    """Yield the bytes of all buffers of a column; those of nested lists and structures are among them."""
    for buffer in column.buffers():  # type: ignore[attr-defined]
        if buffer is not None:
            yield bytes(buffer)
