"""What every encoder promises, kept by the hashing one and by a real model; and errors in one line."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from synthneg.errors import ModelError
from synthneg.scoring.base import Encoder
from synthneg.scoring.encoder import find_model, load_encoder
from synthneg.testing import HashingEncoder

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
PAIRS = {
    "How is green tea made?": "Green tea is made of tea leaves that are not oxidised.",
    "speed of light": "The speed of light in vacuum is 299,792,458 metres a second.",
    "Who painted the Mona Lisa?": "The Mona Lisa was painted by Leonardo da Vinci.",
}


@pytest.fixture(scope="module", params=["hashing", pytest.param("minilm", marks=pytest.mark.slow)])
def encoder(request, tmp_path_factory) -> Encoder:
    """Each encoder that the contract is held against; the real one with its cache."""
    if request.param == "hashing":
        return HashingEncoder()
    return load_encoder(MINILM, batch_size=8, vectors=tmp_path_factory.mktemp("vectors"))


def test_unit_rows_in_the_order_of_the_texts(encoder):
    """(n, d) float32 rows of length 1 as far as half precision goes, the same for the same text wherever it stands."""
    texts = ["tea", "a much longer text about the making of tea", "", "tea"]
    rows = encoder.encode(texts, "document")
    assert rows.dtype == np.float32
    assert rows.shape == (4, rows.shape[1])
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-4)
    assert rows[0] == pytest.approx(rows[3], abs=1e-5)
    assert encoder.encode(texts[::-1], "document") == pytest.approx(rows[::-1], abs=1e-5)


def test_no_texts_give_no_rows(encoder):
    """An empty list gives (0, d), with the d of other lists."""
    assert encoder.encode([], "query").shape == (0, encoder.encode(["tea"], "query").shape[1])


def test_a_query_is_nearest_to_its_answer(encoder):
    """Of three unrelated passages, each query is nearest to the one that answers it."""
    queries = encoder.encode(list(PAIRS), "query")
    documents = encoder.encode(list(PAIRS.values()), "document")
    assert (queries @ documents.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_odd_texts_are_encoded(encoder):
    """NUL, lone surrogates, right-to-left text, blanks and long words give finite unit rows."""
    odd = ["\0", "a\0b", "\ud800 tea \udfff", "\u202eשלום", "  \n", "x" * 50_000, "\U0001f375"]
    rows = encoder.encode(odd, "document")
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-4)


def test_the_packaged_model_is_found_by_both_names():
    """all-MiniLM-L6-v2 is a folder on disk, other names stay as they are."""
    assert Path(find_model("all-MiniLM-L6-v2"), "model.safetensors").is_file()
    assert find_model("all-MiniLM-L6-v2") == find_model(MINILM)
    assert find_model("someone/model") == "someone/model"


def test_a_folder_is_taken_as_it_is(tmp_path):
    """A folder wins over a name."""
    assert find_model(str(tmp_path)) == str(tmp_path)


@pytest.mark.slow
def test_a_missing_or_broken_folder_is_one_line(tmp_path):
    """A path that is no folder, an empty folder, and cut weights are ModelErrors that name them."""
    broken = tmp_path / "cut"
    shutil.copytree(find_model(MINILM), broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    (tmp_path / "empty").mkdir()
    for name in (tmp_path / "none", tmp_path / "empty", broken):
        with pytest.raises(ModelError) as error:
            load_encoder(str(name), batch_size=8)
        assert str(name) in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.slow
def test_an_unreachable_hub_is_said_at_once(monkeypatch):
    """A name on a Hub that does not answer is one line, and not a minute of tries."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="someone/none: .* the Hub cannot be reached$"):
        load_encoder("someone/none", batch_size=8)


@pytest.mark.slow
def test_the_models_own_prompts_are_applied(tmp_path):
    """A model saved with a query prompt encodes a query as prompt + text, a document as it is."""
    folder = tmp_path / "prompted"
    shutil.copytree(find_model(MINILM), folder)
    (folder / "config_sentence_transformers.json").write_text(
        '{"prompts": {"query": "query: ", "document": ""}}'
    )
    prompted, plain = load_encoder(str(folder), batch_size=8), load_encoder(MINILM, batch_size=8)
    expected = plain.encode(["query: tea", "tea"], "document")
    assert prompted.encode(["tea"], "query")[0] == pytest.approx(expected[0], abs=1e-5)
    assert prompted.encode(["tea"], "document")[0] == pytest.approx(expected[1], abs=1e-5)


@pytest.mark.slow
def test_max_length_cuts_and_never_meets_vectors_of_another_length(tmp_path):
    """At 8 tokens two texts that differ later are the same; the cache keeps the lengths apart."""
    texts = [
        "one two three four five six seven eight tea",
        "one two three four five six seven eight rock",
    ]
    short = load_encoder(MINILM, batch_size=8, max_length=8, vectors=tmp_path)
    whole = load_encoder(MINILM, batch_size=8, vectors=tmp_path)
    a, b = short.encode(texts, "document")
    assert a == pytest.approx(b, abs=1e-6)
    a, b = whole.encode(texts, "document")
    assert float(a @ b) < 0.95
    longest = load_encoder(MINILM, batch_size=8, max_length=100_000)
    assert longest.encode(["tea " * 2000], "document").shape == (1, 384)


@pytest.mark.slow
def test_a_retrained_model_never_meets_old_vectors(tmp_path):
    """The same folder with other weights opens another cache."""
    folder, vectors = tmp_path / "model", tmp_path / "vectors"
    shutil.copytree(find_model(MINILM), folder)
    before = load_encoder(str(folder), batch_size=8, vectors=vectors).encode(["tea"], "query")
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-4096:] = hashlib.sha256(b"other").digest()[:16] * 256
    weights.write_bytes(data)
    after = load_encoder(str(folder), batch_size=8, vectors=vectors)
    assert len(list(vectors.glob("*.keys"))) == 1
    after.encode(["tea"], "query")
    assert len(list(vectors.glob("*.keys"))) == 2
    assert before.shape == (1, 384)


@pytest.mark.slow
def test_weights_that_are_no_numbers_are_said(tmp_path):
    """A model whose training diverged to NaN is a ModelError, and none of its vectors is kept."""
    from safetensors.torch import (  # noqa: PLC0415 - heavy: only here
        load_file,
        save_file,
    )

    folder = tmp_path / "diverged"
    shutil.copytree(find_model(MINILM), folder)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: t * float("nan") for name, t in weights.items() if t.is_floating_point()},
        folder / "model.safetensors",
    )
    with pytest.raises(ModelError, match=r"diverged: expected finite numbers"):
        load_encoder(str(folder), batch_size=8, vectors=tmp_path / "v").encode(["tea"], "query")
    assert [f.stat().st_size for f in (tmp_path / "v").iterdir()] == [0, 0]
