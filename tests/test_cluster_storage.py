"""Shared storage: a folder or a bucket, whose files are whole or not there, and what it says when it cannot be used."""

import importlib
import os
import pickle
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthneg.cluster.storage import Bucket, Storage, storage_at
from synthneg.errors import MissingExtra, RunError, SettingsError


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """Give the address of a bucket of a server that speaks S3."""
    pytest.importorskip("s3fs", reason="needs the extra s3")
    pytest.importorskip("moto", reason="needs moto[server]")
    from object_store import BUCKET, storing  # noqa: PLC0415 - as above

    with storing():
        yield BUCKET


@pytest.fixture(
    params=["folder", "memory", pytest.param("s3", marks=[pytest.mark.slow])],
)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Give an empty storage of each kind: a folder, a server of files where whole ones are renamed, an object store."""
    if request.param == "folder":
        return storage_at(str(tmp_path / "shared"))
    if request.param == "memory":
        return storage_at(f"memory://{uuid.uuid4().hex}/runs")
    return storage_at(f"{request.getfixturevalue('store')}/{uuid.uuid4().hex}")


def test_what_is_written_is_read(storage: Storage) -> None:
    """Bytes come back, in one piece or as a stream, under the names by which they are listed."""
    storage.write_whole("a/007/jobs.gz", b"tea")
    with storage.writing("a/008/jobs.gz") as stream:
        stream.write(b"bread " * 10**6)
    assert storage.list("a") == ["a/007/jobs.gz", "a/008/jobs.gz"]
    assert storage.list("a/008") == ["a/008/jobs.gz"]
    assert storage.list("nowhere") == []
    assert storage.read_bytes("a/007/jobs.gz") == b"tea"
    with storage.reading("a/008/jobs.gz") as stream:
        assert stream.read() == b"bread " * 10**6
    assert [storage.exists(name) for name in ("a/007/jobs.gz", "a/007", "b")] == [
        True,
        False,
        False,
    ]


def test_a_file_is_replaced_in_one_step(storage: Storage) -> None:
    """A block that raises leaves the old content, one that ends the new; nothing else is ever listed."""
    storage.write_whole("a/x", b"old")

    def break_off() -> None:
        with storage.writing("a/x") as stream:
            stream.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert storage.read_bytes("a/x") == b"old"
    with storage.writing("a/x") as stream:
        stream.write(b"new")
        assert storage.read_bytes("a/x") == b"old"
        assert storage.list("") == ["a/x"]
    assert storage.read_bytes("a/x") == b"new"
    assert storage.list("") == ["a/x"]


def test_what_is_not_there_is_said(storage: Storage) -> None:
    """A missing file raises FileNotFoundError when it is read, and nothing when it is deleted."""
    storage.write_whole("a/x", b"")
    storage.delete(["a/x", "a/x", "a/y"])
    assert storage.list("a") == []
    with pytest.raises(FileNotFoundError):
        storage.read_bytes("a/x")
    with pytest.raises(FileNotFoundError), storage.reading("a/x"):
        pass


def test_it_travels_to_a_worker(storage: Storage) -> None:
    """Pickled and unpickled, it is the same place."""
    storage.write_whole("x", b"tea")
    there: Storage = pickle.loads(pickle.dumps(storage))
    assert (there.place, there.read_bytes("x")) == (storage.place, b"tea")
    assert (there.local("x") is None) == isinstance(storage, Bucket)


def test_an_address_that_cannot_be_is_refused() -> None:
    """What fsspec does not know is refused before anything is asked."""
    with pytest.raises(SettingsError, match="expected a folder or a URL that fsspec knows"):
        storage_at("teapot://x/y")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package for a kind of URL, the error says how it is installed."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    known = importlib.import_module("fsspec.registry")
    monkeypatch.delitem(known._registry, "s3", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'synthneg\[s3\]'"):
        storage_at("s3://bucket/x")


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    """A file in the place of the folder is no place: one line, with its name."""
    (tmp_path / "file").write_text("")
    with pytest.raises((RunError, NotADirectoryError, FileExistsError)):
        storage_at(str(tmp_path / "file")).write_whole("x/y", b"")
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(RunError, match="cannot be written"):
            storage_at(str(tmp_path / "locked")).write_whole("x", b"")
        shutil.rmtree(tmp_path / "locked")


@pytest.mark.slow
def test_a_bucket_that_is_missing_is_said(store: str) -> None:
    """Reading, writing and listing in a bucket that is not there end in one line with the remedy."""
    gone = storage_at("s3://no-such-bucket/x")
    with pytest.raises(RunError, match="make the bucket, or set ray.storage"):
        gone.write_whole("a", b"")
    with pytest.raises(RunError, match="make the bucket, or set ray.storage"), gone.writing("a"):
        pass
    with pytest.raises(FileNotFoundError):
        gone.read_bytes("a")


@pytest.mark.slow
def test_a_store_that_cannot_be_reached_is_said(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No credentials, or nobody at the address: one line that names the place and says what to look at."""
    import s3fs  # noqa: PLC0415 - not of every installation

    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(RunError, match=r"credentials are in the environment") as caught:
        storage_at(f"{store}/x").write_whole("a", b"")
    assert "\n" not in str(caught.value)
    s3fs.S3FileSystem.clear_instance_cache()
