"""Where the machines of a cluster share files: a folder that all of them see, or a bucket at any fsspec URL.

    storage = storage_at("s3://bucket/runs/tea")
    with storage.writing("partitions/007/jobs.zst") as stream: ...     # whole, or not there
    with storage.reading("partitions/007/jobs.zst") as stream: ...

Names are paths below the place, with "/" between their parts. A file is whole or not there, whatever is killed
meanwhile, as in `synthneg.files`; two writers of one name leave the bytes of one of them. Access comes from the
environment, as each storage's library reads it; nothing secret is in a place's name, since settings are written down.
"""

import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from synthneg.errors import MissingExtra, RunError, SettingsError
from synthneg.files import beside, disk_errors, unpublished

# A write there is seen when it is complete, and not before; others get a file beside it, which is then renamed.
_WRITES_WHOLE = {"s3", "gs", "gcs", "abfs", "az", "oss"}
_EXTRAS = {"s3": "run: pip install 'synthneg[s3]'"}


class Storage(Protocol):
    """What the machines of a cluster share. Objects of this kind can be pickled and sent to a worker.

    Each method raises RunError, in one line with the remedy, where the place cannot be used.
    """

    place: str

    def reading(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file for reading; FileNotFoundError where there is none."""
        ...

    def read_bytes(self, name: str) -> bytes:
        """Return what a file holds; FileNotFoundError where there is none."""
        ...

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file for writing; it is there when the block has ended, and as before where the block raises."""
        ...

    def write_whole(self, name: str, data: bytes) -> None:
        """Write a file, in one step for whoever reads it."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def list(self, folder: str) -> list[str]:
        """Return the names of all files below a folder, sorted; none where there is no such folder."""
        ...

    def delete(self, names: Sequence[str]) -> None:
        """Delete files; those that are gone already are no error."""
        ...

    def local(self, name: str) -> Path | None:
        """Return the path of a file where the place is a folder; None where it is a bucket."""
        ...


def storage_at(place: str) -> Storage:
    """Return the storage at a folder or fsspec URL. Nothing is asked of it yet.

    Raises:
        MissingExtra: the package for URLs of this kind is not installed.
        SettingsError: fsspec knows no such URL.
    """
    protocol, mark, rest = place.partition("://")
    if not mark:
        return Folder(Path(place).expanduser().resolve())
    if protocol == "file":
        return Folder(Path(rest))
    return Bucket(place.rstrip("/"))


class Folder:
    """A folder that all machines see under the same path."""

    def __init__(self, root: Path) -> None:
        self.place = str(root)
        self._root = root

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        """See `Storage`."""
        with (self._root / name).open("rb") as stream:
            yield stream

    def read_bytes(self, name: str) -> bytes:
        """See `Storage`."""
        return (self._root / name).read_bytes()

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """See `Storage`."""
        path = self._root / name
        own = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")  # not another writer's
        with disk_errors(self._root):
            path.parent.mkdir(parents=True, exist_ok=True)
            with unpublished(own) as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(beside(own), path)

    def write_whole(self, name: str, data: bytes) -> None:
        """See `Storage`."""
        with self.writing(name) as stream:
            stream.write(data)

    def exists(self, name: str) -> bool:
        """See `Storage`."""
        return (self._root / name).is_file()

    def list(self, folder: str) -> list[str]:
        """See `Storage`."""
        below = (self._root / folder).rglob("*")
        return sorted(
            path.relative_to(self._root).as_posix()
            for path in below
            if path.is_file() and not path.name.endswith(".part")
        )

    def delete(self, names: Sequence[str]) -> None:
        """See `Storage`."""
        with disk_errors(self._root):
            for name in names:
                (self._root / name).unlink(missing_ok=True)

    def local(self, name: str) -> Path | None:
        """See `Storage`."""
        return self._root / name


class Bucket:
    """What fsspec reaches by a URL: an object store, or a server of files."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._files, self._root = _opened(place)
        self._whole = not _WRITES_WHOLE.isdisjoint(_protocols(self._files))

    def __reduce__(self) -> tuple[type["Bucket"], tuple[str]]:
        """Be opened anew where it is sent to: connections do not travel, and access is the machine's own."""
        return Bucket, (self.place,)

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        """See `Storage`: a copy on this machine, so that nothing breaks off in the middle."""
        with tempfile.NamedTemporaryFile() as copy:
            with self._errors("read", name):
                self._files.get_file(self._path(name), copy.name)
            with Path(copy.name).open("rb") as stream:
                yield stream

    def read_bytes(self, name: str) -> bytes:
        """See `Storage`."""
        with self._errors("read", name):
            return bytes(self._files.cat_file(self._path(name)))

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """See `Storage`: first on this machine, then sent as a whole."""
        with disk_errors(Path(tempfile.gettempdir())), tempfile.NamedTemporaryFile() as copy:
            yield copy  # type: ignore[misc]  # it has all that a BinaryIO has
            copy.flush()
            with self._published(name) as path:
                self._files.put_file(copy.name, path)

    def write_whole(self, name: str, data: bytes) -> None:
        """See `Storage`."""
        with self._published(name) as path:
            self._files.pipe_file(path, data)

    def exists(self, name: str) -> bool:
        """See `Storage`."""
        with self._errors("read", name):
            return bool(self._files.isfile(self._path(name)))

    def list(self, folder: str) -> list[str]:
        """See `Storage`."""
        with self._errors("listed", folder):
            found = self._files.find(self._path(folder))
        start = len(self._root) + 1
        return sorted(path[start:] for path in found if not path.endswith(".part"))

    def delete(self, names: Sequence[str]) -> None:
        """See `Storage`."""
        for name in names:
            with self._errors("deleted", name), suppress(FileNotFoundError):
                self._files.rm_file(self._path(name))

    def local(self, name: str) -> Path | None:  # noqa: ARG002  # see `Storage`
        """See `Storage`."""
        return None

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _published(self, name: str) -> Iterator[str]:
        """Yield the path to write to; what is there at the end of the block has the name in one step."""
        path = self._path(name)
        with self._errors("written", name):
            if self._whole:
                yield path
                return
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            own = f"{path}.{uuid.uuid4().hex[:8]}.part"  # not another writer's
            yield own
            self._files.mv(own, path)

    @contextmanager
    def _errors(self, doing: str, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if doing == "read":
                raise FileNotFoundError(f"{self.place}/{name}") from error
            raise RunError(
                f"{self.place}: there is no such place to be {doing} ({_words(error)}); make the bucket, or set"
                " ray.storage to one that is there"
            ) from error
        except Exception as error:  # each library behind fsspec has errors of its own
            raise RunError(
                f"{self.place}/{name}: cannot be {doing} ({_words(error)}); see that the address and the rights are"
                " those meant and that the credentials are in the environment, then give the same command again:"
                " nothing that was answered is lost"
            ) from error


def _opened(place: str) -> tuple[Any, str]:
    """Return what reaches a URL, and the path in it."""
    from fsspec.core import url_to_fs  # noqa: PLC0415  # needed for buckets alone

    protocol = place.partition("://")[0]
    try:
        # Other machines write, too: a listing that was kept would be wrong.
        files, root = url_to_fs(place, use_listings_cache=False)
    except ImportError as error:
        install = _EXTRAS.get(protocol, f"install it ({_words(error)})")
        raise MissingExtra(f"{place} needs a package that is not installed; {install}") from error
    except ValueError as error:
        raise SettingsError(
            f"{place}: expected a folder or a URL that fsspec knows, such as s3://bucket/path ({_words(error)})"
        ) from error
    return files, str(root)


def _protocols(files: Any) -> set[str]:
    named = files.protocol
    return {named} if isinstance(named, str) else set(named)


def _words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
