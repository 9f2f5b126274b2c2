"""When the corpus is read anew, and when what was read of it stands."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from examples import settings

from synthneg import stages
from synthneg.records import Passage
from synthneg.run import Run
from synthneg.stages import read_corpus

LINES = [b'{"_id": "a", "text": "one two three four five"}', b'{"_id": "b", "text": "too few"}']


def write(file: Path, lines: list[bytes]) -> None:
    """Write a corpus, with a time of its own."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    os.utime(file, ns=(before + 10**9, before + 10**9))


def read_once(folder: Path, seed: int = 7, **corpus: object) -> tuple[int, list[str]]:
    """Read the corpus of `folder` in a run there; return the number of the file on the disk and the passages' ids."""
    chosen = settings(seed=seed, corpus={"path": str(folder / "corpus.jsonl"), **corpus})
    with closing(Run(folder, chosen)) as run:
        read_corpus(run)
        assert run.books()["corpus"]["in"] == len(rejects(folder)) + run.books()["corpus"]["kept"]
        ids = [passage.id for passage in run.read("passages.jsonl", Passage)]
        return run.file("passages.jsonl").stat().st_ino, ids


def rejects(folder: Path) -> list[str]:
    """Return the ids of what was dropped."""
    lines = (folder / "small" / "rejects.jsonl").read_bytes().splitlines()
    return [orjson.loads(line)["id"] for line in lines]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a corpus of two passages, one of which is too short."""
    write(tmp_path / "corpus.jsonl", LINES)
    return tmp_path


@pytest.mark.parametrize("corpus", [{}, {"limit": 1}, {"sample": "all"}])
def test_an_unchanged_corpus_is_not_read_again(folder: Path, corpus: dict[str, object]) -> None:
    """A second start leaves passages.jsonl as it lies there; which passages get queries does not matter to it."""
    first = read_once(folder)
    assert first[1] == ["a"]
    assert read_once(folder, **corpus) == first
    assert rejects(folder) == ["b"]


def other_documents(folder: Path) -> None:
    """Change a document."""
    write(folder / "corpus.jsonl", [LINES[0], LINES[1].replace(b"few", b"many words by far")])


def altered(folder: Path) -> None:
    """Change a letter of passages.jsonl, and neither its length nor its time."""
    file = folder / "small" / "passages.jsonl"
    time = file.stat().st_mtime_ns
    file.write_bytes(file.read_bytes().replace(b"three", b"trees"))
    os.utime(file, ns=(time, time))


def cut_short(folder: Path) -> None:
    """Lose the end of passages.jsonl."""
    os.truncate(folder / "small" / "passages.jsonl", 20)


def gone(folder: Path) -> None:
    """Lose passages.jsonl."""
    (folder / "small" / "passages.jsonl").unlink()


def no_books(folder: Path) -> None:
    """Lose the books."""
    (folder / "small" / "books.json").unlink()


@pytest.mark.parametrize("change", [other_documents, altered, cut_short, gone, no_books])
def test_whatever_has_changed_is_read_again(folder: Path, change: Callable) -> None:
    """Where documents or the run's own files are not as they were, the corpus is read as if for the first time."""
    first = read_once(folder)
    change(folder)
    inode, ids = read_once(folder)
    assert inode != first[0] or change is gone  # the number may be given again
    assert ids == (["a", "b"] if change is other_documents else ["a"])


@pytest.mark.parametrize("other", [{"seed": 8}, {"min_words": 2}, {"held_out": 0.5}])
def test_other_settings_read_the_corpus_again(folder: Path, other: dict[str, object]) -> None:
    """A seed or setting that decides over passages or their splits makes the corpus be read again."""
    first = read_once(folder)
    inode, ids = read_once(folder, **other)
    assert inode != first[0]
    assert ids == (["a", "b"] if "min_words" in other else ["a"])


def test_another_version_reads_the_corpus_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another version of the program has read is not taken for what this one would read."""
    first = read_once(folder)
    monkeypatch.setattr(stages, "__version__", "0.0.0")
    assert read_once(folder)[0] != first[0]


def test_a_corpus_that_cannot_be_watched_is_read_each_time(tmp_path: Path) -> None:
    """Docstrings of packages are read at every start: no file here says that they have changed."""
    chosen = settings(corpus={"path": "docstrings:markupsafe"})
    with closing(Run(tmp_path, chosen)) as run:
        inodes = []
        for _ in range(2):
            read_corpus(run)
            inodes.append(run.file("passages.jsonl").stat().st_ino)
    assert inodes[0] != inodes[1]
