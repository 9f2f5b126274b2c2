"""Vectors on disk: the same numbers as in memory, found under the same keys, whatever order they are asked in."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from synthneg.errors import ModelError
from synthneg.scoring import ids, rows, search
from synthneg.scoring.base import vectors_of
from synthneg.scoring.half import narrow, widen
from synthneg.scoring.ids import Ids
from synthneg.scoring.keys import Keys
from synthneg.scoring.rows import StoredRows
from synthneg.scoring.search import count_above, top_k
from synthneg.scoring.store import RowStore
from synthneg.scoring.vectors import CachedEncoder
from synthneg.testing import HashingEncoder

FINITE = st.floats(width=16, allow_nan=False, allow_infinity=False)
KEYS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=9)


def test_every_half_is_widened_to_its_value() -> None:
    """All finite float16, the smallest ones and both zeros too, keep value and sign."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)].reshape(-1, 2)
    found = widen(every)
    assert found.tobytes() == every.astype(np.float32).tobytes()


@given(arrays.arrays(np.float32, (3, 2), elements=st.floats(-60000, 60000, width=32)))
def test_narrowing_is_the_nearest_half(given_rows: np.ndarray) -> None:
    """Whatever is narrowed and widened is what numpy rounds it to."""
    assert np.array_equal(widen(narrow(given_rows)), given_rows.astype(np.float16).astype("f4"))


@given(st.lists(KEYS, max_size=6), KEYS)
def test_keys_are_numbered_as_a_dict_would(added: list, asked: list) -> None:
    """However they come, in halves that are often equal, each key has its number and each other one -1."""
    keys, expected = Keys(), {}
    for part in added:
        new = [key for key in dict.fromkeys(part) if key not in expected]
        assert keys.missing(halves(part)).tolist() == [part.index(key) for key in new]
        keys.add(halves(new))
        expected |= {key: number for number, key in enumerate(new, len(expected))}
    assert len(keys) == len(expected)
    assert keys.find(halves(asked)).tolist() == [expected.get(key, -1) for key in asked]


def halves(keys: list) -> np.ndarray:
    """Return keys as the store has them."""
    return np.array(keys, np.uint64).reshape(-1, 2)


@given(st.lists(st.text(max_size=3), unique=True, max_size=20), st.text(max_size=3))
def test_ids_are_a_list_and_its_index(some: list[str], other: str) -> None:
    """Rows and ids are those of a list and a dict, also where all ids have one of two hashes."""
    for hashed in (hash, lambda id: len(id) % 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ids, "_hash", hashed)
            found = Ids(some[:5])
            found.extend(some[5:])
            assert list(found) == some == [found[row] for row in range(len(found))]
            assert [found.row(id) for id in some] == list(range(len(some)))
            assert (other in found) == (other in some)
    with pytest.raises(IndexError, match="expected a row below"):
        found[len(some)]


@pytest.fixture
def stored(tmp_path: Path) -> tuple[StoredRows, np.ndarray]:
    """Return rows on disk in an order of their own, and the same in memory."""
    random = np.random.default_rng(5)
    held = random.standard_normal((50, 7)).astype(np.float16)
    (tmp_path / "rows").write_bytes(held.tobytes())
    numbers = np.concatenate([np.arange(10, 40), random.integers(0, 50, 30)])
    return StoredRows(tmp_path / "rows", numbers, 7, "f16"), held[numbers].astype(np.float32)


def test_an_index_gives_what_an_array_would_give(stored: tuple[StoredRows, np.ndarray]) -> None:
    """One row, a slice, a list, an array, nothing: as numpy has it."""
    on_disk, held = stored
    assert on_disk.shape == held.shape
    assert len(on_disk) == len(held)
    for which in (
        3,
        -1,
        slice(5, 50),
        slice(None),
        [2, 2, 59, 0],
        np.array([31, 30]),
        [],
        slice(9, 2),
    ):
        assert np.array_equal(on_disk[which], held[which])
    with pytest.raises(IndexError):
        on_disk[60]


def test_a_file_that_was_cut_is_an_error_and_no_zeros(tmp_path: Path) -> None:
    """Where the file ends before a row, nothing is made up."""
    (tmp_path / "rows").write_bytes(b"\0" * 20)
    cut = StoredRows(tmp_path / "rows", np.arange(40) % 4, 3, "f16")
    assert not cut[2].any()
    for which in (3, slice(4), [3] * 20):
        with pytest.raises(OSError, match="ends before"):
            cut[which]


@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("shard", [1, 7 * 4, 7 * 9, 7 * 1000])
def test_shards_do_not_change_a_bit(
    stored: tuple[StoredRows, np.ndarray], shard: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In however many shards they are read, vectors on disk give the bytes that those in memory give, ties by index."""
    on_disk, held = stored
    monkeypatch.setattr(search, "_DOCUMENTS", block)
    monkeypatch.setattr(rows, "_READ_VALUES", shard)
    queries = np.random.default_rng(1).standard_normal((9, 7)).astype(np.float32)
    for k in (0, 1, 5, 60, 99):
        for found, expected in zip(
            top_k(queries, on_disk, k), top_k(queries, held, k), strict=True
        ):
            assert found.tobytes() == expected.tobytes()
    bounds = queries[:, 0]
    assert np.array_equal(count_above(queries, on_disk, bounds), count_above(queries, held, bounds))


class Ahead:
    """Computes rows of texts when it has taken three lists of them, or all; it keeps the lists."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, chunks):
        """Rows in the order of the lists."""
        waiting = []
        for chunk in chunks:
            self.asked.append(chunk)
            waiting.append(chunk)
            if len(waiting) == 3:
                yield HashingEncoder(8).encode(waiting.pop(0), "document")
        yield from (HashingEncoder(8).encode(chunk, "document") for chunk in waiting)


TEXTS = st.lists(st.lists(st.sampled_from("abcdefghijklm"), min_size=1, max_size=6), max_size=6)


@settings(deadline=None)  # writes and syncs files
@given(before=TEXTS, blocks=TEXTS)
def test_working_ahead_asks_and_keeps_the_same(tmp_path_factory, before, blocks) -> None:
    """Whether rows come at once or lists later, the same lists are asked for and the same bytes are on disk."""
    seen = []
    for compute in (Ahead(), None):
        store_ = RowStore(tmp_path_factory.mktemp("cache"), "model", "i", "f16")
        asked: list[list[str]] = compute.asked if compute else []

        def at_once(chunks, asked=asked):
            for chunk in chunks:
                asked.append(chunk)
                yield HashingEncoder(8).encode(chunk, "document")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("synthneg.scoring.store.CHUNK", 2)
            for some in (before, blocks):
                found = store_.keep(
                    some, lambda text: text.encode().rjust(16), compute or at_once, "test", "texts"
                )
        flat = [text for block in blocks for text in block]
        assert len(found) == len(flat)
        if flat:
            right = HashingEncoder(8).encode(flat, "document").astype(np.float16)
            assert np.array_equal(found[:], right.astype(np.float32))
        folder = store_._rows.parent
        seen.append((asked, sorted(file.read_bytes() for file in folder.iterdir())))
    assert seen[0] == seen[1]


def test_what_half_precision_cannot_hold_is_refused(tmp_path: Path) -> None:
    """A vector with a component beyond the largest half is a ModelError that names the model, not infinity on disk."""

    class Long(HashingEncoder):
        """Its vectors are too long."""

        def encode(self, texts, role):
            """Hashed words, a million times as long."""
            return super().encode(texts, role) * np.float32(1e6)

    with pytest.raises(ModelError, match=r"hashing-8.*up to 65,504, got .*half precision"):
        CachedEncoder(Long(8), tmp_path, "i").encode(["tea"], "query")


def test_what_was_just_encoded_is_what_is_read_later(tmp_path: Path) -> None:
    """The first answer of a cache is rounded as every later one; without a cache vectors are what the model gave."""
    texts = ["green tea", "black tea", "a pot of tea"]
    first, second = (
        CachedEncoder(HashingEncoder(8), tmp_path, "i").encode(texts, "query") for _ in range(2)
    )
    exact = vectors_of(HashingEncoder(8), [texts[:2], texts[2:]], "query")
    assert first.tobytes() == second.tobytes() == exact.astype(np.float16).astype("f4").tobytes()
    assert first.tobytes() != exact.tobytes()
