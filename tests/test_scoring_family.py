"""Models of known families read what they were trained to read, and settings stand above that."""

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tiny_model import save_tiny_model

from synthneg.config import EncodingConfig
from synthneg.errors import ModelError
from synthneg.scoring.encoder import SentenceEncoder, load_encoder, load_model
from synthneg.scoring.family import family_of

TEXTS = ["tea", "green tea in a pot"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """A model of no family."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "plain")


@pytest.fixture(scope="module")
def e5(tmp_path_factory) -> Path:
    """The same weights under a name of E5."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "e5-small-v2")


def encoded(folder: Path, texts: list[str], role, **encoding) -> np.ndarray:
    """What load_encoder's encoder gives."""
    config = EncodingConfig(**encoding)
    return load_encoder(str(folder), batch_size=4, encoding=config).encode(texts, role)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("intfloat/e5-base-v2", "E5"),
        ("models/multilingual-E5-large", "E5"),
        ("intfloat/multilingual-e5-large-instruct", None),
        ("intfloat/e5-mistral-7b-instruct", None),
        ("BAAI/bge-large-en-v1.5", "BGE"),
        ("BAAI/bge-m3", None),
        ("BAAI/bge-reranker-base", None),
        ("thenlper/gte-base", "GTE"),
        ("Alibaba-NLP/gte-base-en-v1.5", None),
        ("facebook/contriever-msmarco", "Contriever"),
        ("facebook/mcontriever", "Contriever"),
        ("sentence-transformers/all-MiniLM-L6-v2", None),
    ],
)
def test_families_are_known_by_name(name, family):
    """The last part of a name tells the family; models with instructions or settings of their own are of none."""
    found = family_of(name)
    assert (found and found.name) == family


def test_a_family_s_prefixes_are_put_before_texts(plain, e5):
    """A model called e5-small-v2 reads "query: " and "passage: " before texts, in training too; another reads none."""
    for role, prefix in (("query", "query: "), ("document", "passage: ")):
        right = encoded(plain, [prefix + text for text in TEXTS], role)
        assert encoded(e5, TEXTS, role) == pytest.approx(right, abs=1e-5)
        assert np.abs(encoded(plain, TEXTS, role) - right).max() > 1e-2
    assert load_model(str(e5), None).prompts == {"query": "query: ", "document": "passage: "}


def test_prompts_of_its_own_stand_above_the_family(tmp_path, plain):
    """A model of E5's name that brings a prompt reads that one."""
    folder = save_tiny_model(tmp_path / "e5-base", {"query": "ask "})
    assert encoded(folder, TEXTS, "query") == pytest.approx(
        encoded(plain, ["ask " + text for text in TEXTS], "query"), abs=1e-5
    )
    assert encoded(folder, TEXTS, "document") == pytest.approx(
        encoded(plain, TEXTS, "document"), abs=1e-5
    )


def test_settings_stand_above_all(plain, e5):
    """A prefix from the settings is read, and an empty one turns the family's off."""
    assert encoded(e5, TEXTS, "query", query_prefix="") == pytest.approx(
        encoded(plain, TEXTS, "query"), abs=1e-5
    )
    right = encoded(plain, ["of " + text for text in TEXTS], "document")
    assert encoded(plain, TEXTS, "document", document_prefix="of ") == pytest.approx(
        right, abs=1e-5
    )


def test_bare_weights_are_pooled_as_their_family_is(tmp_path, plain):
    """Weights without sentence-transformers' files take BGE's first token by name; the mean where settings say so."""
    save_tiny_model(tmp_path / "bge-small-en")
    bare = (tmp_path / "bge-small-en-bert").rename(tmp_path / "bge-base-en-v1.5")
    first = encoded(plain, TEXTS, "document", pooling="cls")
    mean = encoded(plain, TEXTS, "document")
    assert np.abs(first - mean).max() > 1e-2
    assert encoded(bare, TEXTS, "document") == pytest.approx(first, abs=1e-5)
    assert encoded(bare, TEXTS, "document", pooling="mean") == pytest.approx(mean, abs=1e-5)


def test_a_model_that_pools_nothing_is_said(plain, monkeypatch):
    """A pooling asked of a model without one is a ModelError that names the setting."""
    bare = SentenceTransformer(modules=[next(iter(SentenceTransformer(str(plain))))])
    monkeypatch.setattr("synthneg.scoring.encoder.load", lambda *_: bare)
    with pytest.raises(ModelError, match=r"plain: .* leave out verify\.encoding\.pooling"):
        encoded(plain, TEXTS, "query", pooling="cls")


def test_each_way_of_reading_has_vectors_of_its_own(plain, tmp_path):
    """Another prefix, pooling or precision opens another cache; the same again opens none."""
    ways = [{}, {"query_prefix": "q "}, {"pooling": "cls"}, {"precision": "bfloat16"}, {}]
    found = []
    for way in ways:
        config = EncodingConfig(**way)
        encoder = load_encoder(str(plain), batch_size=4, vectors=tmp_path, encoding=config)
        found.append(encoder.encode(TEXTS, "query"))
    assert len(list(tmp_path.glob("*.keys"))) == 4
    assert len({rows.tobytes() for rows in found}) == 4
    assert np.array_equal(found[0], found[4])


def test_a_second_run_encodes_nothing(e5, tmp_path, monkeypatch):
    """What one run has encoded, in both roles and over several chunks, another reads without asking the model."""
    texts = [f"tea {'abcdefghij'[i % 10] * (i % 40)}" for i in range(1100)]
    first = load_encoder(str(e5), batch_size=64, vectors=tmp_path)
    rows = [first.encode(texts, "document"), first.encode(TEXTS, "query")]
    monkeypatch.setattr(SentenceEncoder, "encode", None)
    second = load_encoder(str(e5), batch_size=64, vectors=tmp_path)
    assert np.array_equal(second.encode(texts, "document"), rows[0])
    assert np.array_equal(second.encode(TEXTS, "query"), rows[1])


def test_rows_have_length_1_in_bfloat16_too(plain):
    """In bfloat16 rows are of length 1 to float32's precision, and near those of float32."""
    rough = encoded(plain, TEXTS, "query", precision="bfloat16")
    assert rough.dtype == np.float32
    assert np.linalg.norm(rough, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert (rough * encoded(plain, TEXTS, "query")).sum(axis=1) == pytest.approx(1.0, abs=1e-2)


def test_contriever_compares_by_dot_product_where_it_is_measured(tmp_path, plain):
    """A bare model of its name is read as mean and dot product: measured, vectors keep their lengths; checking, not."""
    bare = Path(f"{save_tiny_model(tmp_path / 'other')}-bert").rename(tmp_path / "contriever")
    model = load_model(str(bare), None)
    assert (model.similarity_fn_name, model[1].get_config_dict()["pooling_mode"]) == ("dot", "mean")
    measuring = load_encoder(str(bare), batch_size=4, vectors=tmp_path / "v", as_trained=True)
    checking = load_encoder(str(bare), batch_size=4, vectors=tmp_path / "v")
    rows = measuring.encode(TEXTS, "document")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.abs(lengths - 1).max() > 0.1
    assert checking.encode(TEXTS, "document") == pytest.approx(rows / lengths, abs=1e-3)
    cosine = load_encoder(str(plain), batch_size=4, as_trained=True).encode(TEXTS, "document")
    assert np.linalg.norm(cosine, axis=1) == pytest.approx(1, abs=1e-5)
