"""Students that are static tables of word vectors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from tiny_model import save_static_model

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
