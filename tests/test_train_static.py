"""Students that are static tables of word vectors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from tiny_model import save_static_model

from synthneg.train.losses.base import same_texts
from synthneg.train.losses.infonce import InfoNCE
from synthneg.train.losses.kl import ListKL
from synthneg.train.students.static import ReadOnce

WORDS = ["tea", "bread", "moon", "iron"]
BATCH = st.lists(
    st.lists(st.sampled_from([*WORDS, "unheard"]), max_size=5).map(" ".join), min_size=1, max_size=6
)


@given(batches=st.lists(st.tuples(BATCH, st.sampled_from([None, "query: "])), max_size=5))
def test_texts_are_read_as_the_library_reads_them(
    batches: list[tuple[list[str], str | None]], tmp_path_factory: Any
):
    """Tokens and where each text begins are those of the library, with each text given to it once for each prompt."""
    folder = save_static_model(Path(tmp_path_factory.getbasetemp()) / "table", WORDS)
    model = SentenceTransformer(str(folder), device="cpu")
    given: list[tuple[str | None, str]] = []

    def preprocess(inputs: Sequence[str], prompt: str | None = None) -> dict[str, torch.Tensor]:
        given.extend((prompt, text) for text in inputs)
        return model.preprocess(inputs, prompt=prompt)

    once = ReadOnce(preprocess)
    for texts, prompt in batches:
        found, expected = once(texts, prompt=prompt), model.preprocess(texts, prompt=prompt)
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            assert found[name].dtype == tensor.dtype
            assert torch.equal(found[name], tensor)
    assert len(given) == len(set(given))


@pytest.mark.parametrize("infonce", [False, True])
def test_each_text_of_a_batch_is_embedded_once(infonce: bool, tmp_path: Path):
    """The loss and the table's gradient are those of one call for each column, from one with each text once."""
    model = SentenceTransformer(str(save_static_model(tmp_path / "table", WORDS)), device="cpu")
    columns = [
        ["tea", "moon iron", "bread"],
        ["tea bread", "moon", "iron iron"],
        ["moon", "tea bread", "unheard"],
        ["", "moon", "tea bread tea"],
    ]
    features = [model.preprocess(column) for column in columns]
    labels = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    make = (lambda: InfoNCE(model)) if infonce else (lambda: ListKL(model))
    calls: list[int] = []
    model[0].register_forward_pre_hook(lambda _, given: calls.append(len(given[0]["offsets"])))
    found = []
    for read in (
        lambda loss: loss(features, labels),
        lambda loss: loss.of_embeddings(
            [model(dict(f))["sentence_embedding"] for f in features], labels, same_texts(features)
        ),
    ):
        model.zero_grad()
        loss = read(make())
        loss.backward()
        found.append((loss.detach(), model[0].embedding.weight.grad.clone()))
    torch.testing.assert_close(*found)
    assert calls == [9, 3, 3, 3, 3]
