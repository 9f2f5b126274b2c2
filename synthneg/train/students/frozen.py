"""A student of which only the side of the queries is trained: documents keep the vectors of its base.

An index of the documents stays valid, and a step costs what the queries cost: as ANCE's authors and ADORE
(arXiv:2104.08051) train, whose documents' vectors are fixed. What is saved is one model with two routes
(sentence-transformers' Router): `encode_query` takes the trained one, `encode_document` and `encode` the base's.
"""

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Module, Router
from torch import Tensor, nn

from synthneg.scoring.base import Encoder


def freeze_documents(model: Any, documents: Encoder, texts: Sequence[str]) -> Any:
    """Return the student whose documents are looked up among the base's vectors while it is trained.

    Args:
        model: the student, a bi-encoder with one way for all texts.
        documents: its base, with the cache of its vectors.
        texts: documents that training will ask for; others are encoded when they come.
    """
    return _routed(model, list(model.children()), [Known(documents, texts)])


def thaw_documents(model: Any, base: Any) -> Any:
    """Return the trained student with the modules of its base in the place of the vectors that were looked up."""
    return _routed(model, list(model[0].sub_modules["query"]), list(base.children()))


def _routed(model: Any, queries: list[nn.Module], documents: list[nn.Module]) -> Any:
    made = SentenceTransformer(
        modules=[Router.for_query_document(queries, documents)],
        prompts=model.prompts,
        default_prompt_name=model.default_prompt_name,
        similarity_fn_name=model.similarity_fn_name,
        device=str(model.device),
    )
    made.model_card_data = model.model_card_data
    made.model_card_data.register_model(made)
    return made


class Known(Module):  # type: ignore[misc]  # the library is untyped
    """Stands where a document's vector would be computed: the number of a text, and for a number its vector."""

    def __init__(self, encoder: Encoder | None, texts: Sequence[str]) -> None:
        """Take in who encodes, and texts that will come; None where no text will, as in a checkpoint that is read."""
        super().__init__()
        self._encoder = encoder
        self._places: dict[str, int] = {}
        self._vectors = torch.zeros(0, 0)
        self._add(list(dict.fromkeys(texts)))

    def preprocess(
        self, inputs: Sequence[str], prompt: str | None = None, **_: Any
    ) -> dict[str, Tensor]:
        """Return (B, 1) numbers of the texts, as tokens would be; the prompt is the encoder's own."""
        self._add([text for text in dict.fromkeys(inputs) if text not in self._places])
        numbers = torch.tensor([[self._places[text]] for text in inputs])
        return {"input_ids": numbers, "attention_mask": torch.ones_like(numbers)}

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add (B, d) vectors, of which nothing is learnt."""
        numbers = features["input_ids"].flatten()
        vectors = self._vectors[numbers.to(self._vectors.device)].to(numbers.device)
        return features | {"sentence_embedding": vectors}

    def get_embedding_dimension(self) -> int:
        """Return the length of the vectors."""
        return self._vectors.shape[1]

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write nothing: a checkpoint holds what is learnt."""

    @classmethod
    def load(cls, *_: Any, **__: Any) -> "Known":
        """Return an empty one; a checkpoint's weights are copied into the student that has the vectors."""
        return cls(None, ())

    def _add(self, texts: list[str]) -> None:
        if not texts:
            return
        assert self._encoder is not None, "expected no texts without an encoder"
        vectors = torch.from_numpy(self._encoder.encode(texts, "document"))
        self._places |= {text: place for place, text in enumerate(texts, len(self._places))}
        self._vectors = torch.cat([self._vectors, vectors]) if len(self._vectors) else vectors
