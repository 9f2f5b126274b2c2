"""The cache of vectors: nothing is encoded twice, and no kill makes it lie."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthneg.errors import ModelError
from synthneg.scoring import store
from synthneg.scoring.vectors import CachedEncoder
from synthneg.testing import HashingEncoder

TEXTS = st.lists(st.text(st.characters(), max_size=8), max_size=12)  # surrogates included


def right(texts):
    """Return the vectors as the cache gives them: hashed words in half precision, the same for both roles."""
    return HashingEncoder(8).encode(texts, "query").astype(np.float16).astype(np.float32)


class Counting:
    """A hashing encoder that remembers what it was asked for."""

    def __init__(self) -> None:
        self.name = "some/counting model"
        self.asked: list[list[str]] = []
        self._inner = HashingEncoder(8)

    def encode(self, texts, role):
        """Hashed words, noted."""
        self.asked.append(list(texts))
        return self._inner.encode(texts, role)


@settings(deadline=None)  # writes and syncs files
@given(first=TEXTS, second=TEXTS)
def test_nothing_is_encoded_twice(first, second):
    """After `first`, only the new texts of `second` are asked for, each once, and all rows are right."""
    with tempfile.TemporaryDirectory() as folder:
        inner = Counting()
        CachedEncoder(inner, Path(folder), "i").encode(first, "query")
        cached = CachedEncoder(inner, Path(folder), "i")
        inner.asked.clear()
        rows = cached.encode(second, "query")
        asked = [text for texts in inner.asked for text in texts]
        assert asked == [text for text in dict.fromkeys(second) if text not in first]
        assert np.array_equal(rows, right(second))
        inner.asked.clear()
        assert np.array_equal(cached.encode(second, "query"), rows)
        assert not any(inner.asked)


def test_roles_and_models_do_not_mix(tmp_path):
    """A text is kept per role and per identity of the model."""
    inner = Counting()
    CachedEncoder(inner, tmp_path, "one").encode(["tea"], "query")
    CachedEncoder(inner, tmp_path, "one").encode(["tea"], "document")
    CachedEncoder(inner, tmp_path, "two").encode(["tea"], "query")
    CachedEncoder(inner, tmp_path, "two").encode(["tea"], "query")
    assert len(inner.asked) == 3


def test_files_cut_at_any_byte_still_open(tmp_path, monkeypatch):
    """Whatever a kill leaves of either file, the vectors are right, and whole chunks before the cut are kept."""
    monkeypatch.setattr(store, "CHUNK", 2)
    texts = ["tea", "pot", "green tea", "black tea", "cup"]
    expected_rows = right(texts)
    whole = tmp_path / "whole"
    CachedEncoder(Counting(), whole, "i").encode(texts, "document")
    for suffix in (".keys", ".f16"):
        (file,) = whole.glob("*" + suffix)
        for size in range(file.stat().st_size + 1):
            cut = tmp_path / "cut"
            shutil.copytree(whole, cut)
            with (cut / file.name).open("r+b") as stream:
                stream.truncate(size)
            inner = Counting()
            rows = CachedEncoder(inner, cut, "i").encode(texts, "document")
            assert np.array_equal(rows, expected_rows)
            kept = size // 16 if suffix == ".f16" else _rows_marked(size)
            expected = [chunk for chunk in (texts[:2], texts[2:4], texts[4:]) if chunk]
            assert inner.asked == expected[_chunks(kept) :]
            for other in whole.iterdir():
                assert (cut / other.name).read_bytes() == other.read_bytes()
            shutil.rmtree(cut)


def _chunks(rows: int) -> int:
    """How many of the chunks of 2, 2 and 1 rows are whole."""
    return 3 if rows >= 5 else rows // 2


def _rows_marked(size: int) -> int:
    """Rows whose mark lies within `size` bytes: a head of 16, then 2, 2 and 1 keys of 16, a mark after each."""
    return 5 if size >= 144 else 4 if size >= 112 else 2 if size >= 64 else 0


def test_an_interrupted_append_leaves_no_trace(tmp_path, monkeypatch):
    """When the model fails in the second chunk, the first is kept, and the same encoder can go on."""
    monkeypatch.setattr(store, "CHUNK", 2)
    texts = ["a", "b", "c", "d"]

    class Failing(Counting):
        """Stopped by the user in its second chunk."""

        def encode(self, texts, role):
            """Hashed words, but not the second time."""
            if len(self.asked) == 1:
                self.asked.append([])
                raise KeyboardInterrupt
            return super().encode(texts, role)

    inner = Failing()
    cached = CachedEncoder(inner, tmp_path, "i")
    with pytest.raises(KeyboardInterrupt):
        cached.encode(texts, "query")
    assert np.array_equal(cached.encode(texts, "query"), right(texts))
    assert inner.asked == [["a", "b"], [], ["c", "d"]]


def test_rows_without_keys_are_written_over(tmp_path, monkeypatch):
    """Stopped after the rows of a chunk and before its keys, the same encoder goes on with right vectors."""
    cached = CachedEncoder(Counting(), tmp_path, "i")
    cached.encode(["a"], "query")
    with monkeypatch.context() as patch:
        patch.setattr(store.os, "fsync", _stop)
        with pytest.raises(KeyboardInterrupt):
            cached.encode(["b", "c"], "query")
    texts = ["d", "c", "b", "a"]
    expected_rows = right(texts)
    assert np.array_equal(cached.encode(texts, "query"), expected_rows)
    assert np.array_equal(
        CachedEncoder(Counting(), tmp_path, "i").encode(texts, "query"), expected_rows
    )


def _stop(descriptor: int) -> None:
    """The user's Ctrl-C."""
    raise KeyboardInterrupt


def test_keys_whose_rows_are_lost_do_not_come_back(tmp_path, monkeypatch):
    """When rows are gone, their keys go at once: rows written by a run that is killed are not taken for theirs."""
    texts = ["tea", "pot", "cup"]
    CachedEncoder(Counting(), tmp_path, "i").encode(texts, "query")
    (rows,) = tmp_path.glob("*.f16")
    rows.write_bytes(b"")
    with monkeypatch.context() as patch:
        patch.setattr(store.os, "fsync", _stop)
        with pytest.raises(KeyboardInterrupt):
            CachedEncoder(Counting(), tmp_path, "i").encode(["one", "two", "three"], "query")
    found = CachedEncoder(Counting(), tmp_path, "i").encode(texts, "query")
    assert np.array_equal(found, right(texts))


def test_two_encoders_on_one_cache_see_each_others_vectors(tmp_path):
    """What one has added, the other reads, though it had opened the files before."""
    inner = Counting()
    one, two = CachedEncoder(inner, tmp_path, "i"), CachedEncoder(inner, tmp_path, "i")
    one.encode(["a"], "query")
    two.encode(["a", "b"], "query")
    rows = one.encode(["b", "a", "c"], "query")
    assert inner.asked == [["a"], ["b"], ["c"]]
    assert np.array_equal(rows, right(["b", "a", "c"]))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    """A file where the folder should be is a ModelError that names it."""
    (tmp_path / "vectors").write_text("")
    with pytest.raises(ModelError, match=r"vectors: .* must be writable"):
        CachedEncoder(Counting(), tmp_path / "vectors", "i").encode(["a"], "query")


def test_a_cache_that_another_process_writes_is_waited_for_aloud(tmp_path, capfd):
    """While another process holds the cache, it is said what is waited for; its vectors are taken, not made anew."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout.readline() == "holds\n"
        inner = Counting()
        waiting = Thread(
            target=lambda: CachedEncoder(inner, tmp_path, "i").encode(["green tea"], "query")
        )
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        holder.communicate("go on\n")
        waiting.join(30)
    assert not any(inner.asked)
    assert "waiting for its vectors" in capfd.readouterr().err


HOLDER = """
import sys
from pathlib import Path
from threading import Thread
from synthneg.scoring.vectors import CachedEncoder
from synthneg.testing import HashingEncoder

class Slow:
    name = "some/counting model"
    def encode(self, texts, role):
        print("holds", flush=True)
        sys.stdin.readline()
        return HashingEncoder(8).encode(texts, role)

CachedEncoder(Slow(), Path(sys.argv[1]), "i").encode(["green tea"], "query")
"""
