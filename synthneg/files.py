"""Files that are whole or not there, and fingerprints of what they hold."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson

from synthneg.errors import RunError

# Of a file that is written line by line: with the usual 8 kB, every second line is a call of the system.
_BUFFER = 2**20
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES}


def write_whole(file: Path, data: bytes) -> None:
    """Write `file` so that a kill leaves the old content or the new, never a mixture."""
    with unpublished(file) as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside(file), file)


def replace_folder(part: Path, folder: Path) -> None:
    """Put the finished folder `part` in the place of `folder`.

    No system call swaps a folder that is not empty, so the old one is moved aside first; `recover_folder` puts it
    back where a kill came between the two moves.
    """
    aside = folder.with_name(folder.name + ".old")
    if folder.exists():
        os.replace(folder, aside)
    os.replace(part, folder)
    shutil.rmtree(aside, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Undo what a killed `replace_folder` left half done, and remove its leavings."""
    aside = folder.with_name(folder.name + ".old")
    if aside.exists() and not folder.exists():
        os.replace(aside, folder)
    for leaving in (aside, folder.with_name(folder.name + ".part")):
        shutil.rmtree(leaving, ignore_errors=True)


def beside(path: Path) -> Path:
    """Return where the content of `path` is written until it is complete."""
    return path.with_name(path.name + ".part")


@contextmanager
def unpublished(path: Path) -> Iterator[BinaryIO]:
    """Open the `.part` of `path`; it is removed again where something is raised."""
    part = beside(path)
    try:
        with part.open("w+b", buffering=_BUFFER) as stream:
            yield stream
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk, a `folder` that may not be written, or one that is gone, into a RunError."""
    try:
        yield
    except OSError as error:
        place = Path(str(error.filename)).resolve() if error.filename else folder.resolve()
        # Without the right to read a file elsewhere, making room would not help.
        elsewhere = error.errno == errno.EACCES and not place.is_relative_to(folder.resolve())
        if error.errno == errno.ENOENT and not folder.exists():
            raise RunError(
                f"{folder}: the run's folder was deleted while the run was at work in it;"
                " give the same command again to make it anew"
            ) from error
        if error.errno not in _DISK_ERRORS or elsewhere:
            raise
        raise RunError(
            f"{error.filename or folder}: cannot be written ({error.strerror});"
            " make room, then give the same command again: nothing that was answered is lost"
        ) from error


def files_under(path: Path) -> list[Path]:
    """Return the files that `path` stands for, sorted: itself, or all in the folder but those of runs.

    A run's own cards and measures are nobody's documents, wherever its folder lies.
    """
    if not path.is_dir():
        return [path] if path.is_file() else []
    runs = {settings.parent for settings in path.rglob("run.yaml")}
    return sorted(f for f in path.rglob("*") if f.is_file() and runs.isdisjoint(f.parents))


def states(*paths: str) -> list[tuple[str, int, int]]:
    """Return (path, bytes, time of change) of every file that the paths stand for."""
    return [
        (str(file), file.stat().st_size, file.stat().st_mtime_ns)
        for path in paths
        for file in files_under(Path(path))
    ]


def fingerprint(*parts: object) -> str:
    """Return a hash of files (a Path stands for its content, a folder for all files in it) and of plain values.

    >>> fingerprint("a", 1) == fingerprint("a", 1), fingerprint("a", 1) == fingerprint("a", 2)
    (True, False)
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            files = sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]
            for file in files:
                digest.update(file.name.encode())
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
        else:
            digest.update(orjson.dumps(part))
        digest.update(b"\0")
    return digest.hexdigest()
