"""Students of which the queries' side alone is trained."""

from pathlib import Path

import numpy as np
import pytest
from examples import TOPICS, example, run_of
from sentence_transformers import SentenceTransformer

from synthneg.errors import SettingsError
from synthneg.run import Run
from synthneg.scoring.encoder import load_encoder
from synthneg.settings import resolve
from synthneg.train.fit import train
from synthneg.train.students import check_student

pytestmark = pytest.mark.slow

EXAMPLES = [example(topic, i) for topic in TOPICS for i in range(2)]
TEXTS = [text for one in EXAMPLES for text in (one.positive.full_text, one.query)]
LISTS = {
    "among": "batch",
    "length": 4,
    "near": 2,
    "near_depth": 3,
    "further": 1,
    "further_depth": 5,
}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": "kl", "lists": LISTS},
        {"sampling": {"negatives": "star", "depth": 4}},
        {"sampling": {"negatives": "adore", "depth": 4, "refresh_steps": 1}},
        {"matryoshka": {"dimensions": [32, 16]}},
    ],
    ids=["infonce", "kl", "star", "adore", "matryoshka"],
)
def test_documents_keep_the_vectors_of_the_base(
    tiny: str, tmp_path: Path, opened: list[Run], settings: dict[str, object]
):
    """Whatever the loss and the negatives, queries move and documents do not, to the last bit."""
    wanted = {"base_model": tiny, "documents": "frozen", "learning_rate": 1e-2, **settings}
    run = run_of(EXAMPLES, tmp_path, train=wanted, verify={"encoder": tiny})
    opened.append(run)
    tuned, base = (load_encoder(str(m), batch_size=8) for m in (train(run), tiny))
    np.testing.assert_array_equal(tuned.encode(TEXTS, "document"), base.encode(TEXTS, "document"))
    gap = np.abs(tuned.encode(TEXTS, "query") - base.encode(TEXTS, "query")).max(axis=1)
    assert gap.min() > 1e-3


def test_documents_that_the_base_has_encoded_are_not_encoded_again(
    tiny: str, tmp_path: Path, opened: list[Run], capfd: pytest.CaptureFixture[str]
):
    """The tuned model reads its documents' vectors from its base's cache, as long as its files say the same."""
    run = run_of(EXAMPLES, tmp_path, train={"base_model": tiny, "documents": "frozen"})
    opened.append(run)
    folder, cache = train(run), tmp_path / "cache"
    base = load_encoder(tiny, batch_size=8, vectors=cache).encode(TEXTS, "document")
    size = sum(file.stat().st_size for file in cache.glob("*.f16"))
    tuned = load_encoder(str(folder), batch_size=8, vectors=cache)
    np.testing.assert_array_equal(tuned.encode(TEXTS, "document"), base)
    assert sum(file.stat().st_size for file in cache.glob("*.f16")) == size

    settings = folder / "document_0_Transformer" / "sentence_bert_config.json"
    settings.write_text(settings.read_text() + "\n")
    load_encoder(str(folder), batch_size=8, vectors=cache).encode(TEXTS, "document")
    assert sum(file.stat().st_size for file in cache.glob("*.f16")) == 2 * size


def test_the_library_loads_it_with_a_route_for_each_side(
    tiny: str, tmp_path: Path, opened: list[Run]
):
    """`encode` takes a text for a document, and the queries' side reads as many tokens as the base."""
    run = run_of(EXAMPLES, tmp_path, train={"base_model": tiny, "documents": "frozen"})
    opened.append(run)
    model, base = SentenceTransformer(str(train(run))), SentenceTransformer(tiny)
    np.testing.assert_allclose(model.encode(TEXTS), base.encode(TEXTS), atol=1e-6)
    assert model.max_seq_length == min(256, base.max_seq_length)
    assert "tuned on small" in (run.file("model") / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "settings",
    [{"loss": "gist"}, {"student": "cross-encoder"}, {"lora": {"rank": 4}}],
    ids=["gist", "cross-encoder", "lora"],
)
def test_what_cannot_be_frozen_is_refused(tiny: str, settings: dict[str, object]):
    """A guide that reads the student's tokens, adapters, and students without vectors of documents are refused."""
    wanted = {"base_model": tiny, "documents": "frozen", **settings}
    given = {"run": "r", "corpus": {"path": "docs"}, "train": wanted}
    with pytest.raises(SettingsError, match="train.documents: expected trained"):
        check_student(resolve(given, "test").train)
