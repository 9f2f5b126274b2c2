"""What the losses have in common: a query column, document columns, and whole batches.

A loss is a function of the batch's embeddings (`of_embeddings`). `ColumnLoss` brings it to sentence-transformers'
trainer, with gradients cached (GradCache, arXiv:2101.06983) where a mini-batch is given, else in one forward pass.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.base.losses.merged_forward import embed_columns
from torch import Tensor, nn
from torch.nn.functional import normalize

from synthneg.train.share import ALONE, Share, Sharing

PADDED = float("-inf")  # label of a document that only fills up a list
Features = dict[str, Any]


class ColumnLoss(Sharing, CachedLossMixin, nn.Module):  # type: ignore[misc]  # the library is untyped
    """A loss over one column of queries and G columns of documents, each of B texts.

    The result with cached gradients is that of the whole batch; memory is that of `mini_batch_size` texts.
    """

    def __init__(
        self, model: Any, *, mini_batch_size: int | None = None, cosine: bool = True
    ) -> None:
        """Take in the student.

        Args:
            model: the SentenceTransformer that is trained.
            mini_batch_size: texts per forward pass; None: a whole batch, as static tables of word vectors need it.
            cosine: whether a score is a cosine; False: a dot product.
        """
        super().__init__()
        self.model = model
        self.cosine = cosine
        self.uses_gradient_cache = mini_batch_size is not None
        self.mini_batch_size = mini_batch_size or 0
        self._seen: Tensor | None = None  # the texts of the batch at work: this process's own
        self._texts: Tensor | None = None  # and all of them

    def of_embeddings(
        self, embeddings: Sequence[Tensor], labels: Tensor | None, texts: Tensor | None
    ) -> Tensor:
        """Return the loss of a batch.

        Args:
            embeddings: 1 + G tensors (B, d): queries first, then each column of documents.
            labels: (B, G), what the loss takes; None where it takes none.
            texts: (1 + G, B) numbers, equal for equal texts; None: nothing is known of them.
        """
        raise NotImplementedError

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None) -> Tensor:
        """Return the loss of a batch as the trainer's collator gives it."""
        features = list(sentence_features)
        self.see(features)
        if self.uses_gradient_cache:
            cached: Tensor = CachedLossMixin.forward_cached(self, features, labels)
            return cached
        if self._seen is not None and "offsets" in features[0]:
            embedded = embed_once(self.model, features, self._seen)
        else:
            embedded = embed_columns(self.model, features)
        return self.of_own(embedded, labels)

    def see(self, features: Sequence[Features]) -> None:
        """Take note of the texts of the batch, for whoever makes the embeddings itself."""
        self._seen = same_texts(features)
        self._texts = self._seen if self.share.count == 1 else same_texts(features, self.share)

    def of_own(self, embeddings: Sequence[Tensor], labels: Tensor | None) -> Tensor:
        """Return the loss of the batch that was seen last, of which this process has these vectors and labels."""
        whole = None if labels is None else self.share.whole(labels)
        return self.of_embeddings(self.share.columns(embeddings), whole, self._texts)

    def compute_loss_from_embeddings(
        self, embeddings: Sequence[Tensor], labels: Tensor | None
    ) -> Tensor:
        """Return the loss of the batch that was seen last, all of it, as the library's losses around one ask for it."""
        return self.of_embeddings(embeddings, labels, self._texts)

    def calculate_loss(
        self,
        reps: Sequence[Sequence[Tensor]],
        labels: Tensor | None = None,
        *,
        with_backward: bool = False,
    ) -> Tensor:
        """Return the loss of embeddings that came in mini-batches; the library calls it between its two passes."""
        loss = self.of_own([torch.cat(list(r)) for r in reps], labels)
        if with_backward:
            torch.autograd.backward(loss)
            loss = loss.detach()
        return loss

    def scaled(self, embeddings: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return (B, d) queries and (G, B, d) documents whose dot products are the scores."""
        queries, documents = embeddings[0], torch.stack(list(embeddings[1:]))
        if self.cosine:
            queries, documents = normalize(queries, dim=-1), normalize(documents, dim=-1)
        return queries, documents

    def of_lists(self, embeddings: Sequence[Tensor]) -> Tensor:
        """Return (B, G) scores of each query with the documents of its own list."""
        queries, documents = self.scaled(embeddings)
        return torch.einsum("bd,gbd->bg", queries, documents)

    def of_batch(self, embeddings: Sequence[Tensor]) -> Tensor:
        """Return (B, G·B) scores of each query with all documents, column after column: see `own`."""
        queries, documents = self.scaled(embeddings)
        return queries @ documents.flatten(0, 1).T

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        return {"cosine": self.cosine, "mini_batch_size": self.mini_batch_size or None}


class ListLoss(ColumnLoss):
    """A loss over each query's own list: of the (B, G) scores that a student gives it, however it makes them."""

    def of_scores(self, scores: Tensor, labels: Tensor | None) -> Tensor:
        """Return the mean over the queries of a batch.

        Args:
            scores: (B, G) of each query with the documents of its own list, the positive first.
            labels: (B, G), what the loss takes, `PADDED` for filling; None where it takes none.
        """
        raise NotImplementedError

    def of_embeddings(
        self, embeddings: Sequence[Tensor], labels: Tensor | None, texts: Tensor | None
    ) -> Tensor:
        """Return the loss of a batch of vectors."""
        return self.of_scores(self.of_lists(embeddings), labels)


def embed_once(model: Any, features: Sequence[Features], numbers: Tensor) -> list[Tensor]:
    """Return the (B, d) vectors of each column of a static table of word vectors, each text read once.

    Column by column, every one would bring a gradient as large as the table, and lists share most of their texts.

    Args:
        model: the student.
        features: of each column, tokens end to end and where each text begins.
        numbers: of the texts, as `same_texts` gives them.
    """
    texts = [
        ids
        for column in features
        for ids in column["input_ids"].tensor_split(column["offsets"].cpu()[1:])
    ]
    flat = numbers.flatten()
    first = torch.full((int(flat.max()) + 1,), len(flat))
    first = first.scatter_reduce(0, flat, torch.arange(len(flat)), "amin")
    read = [texts[place] for place in first.tolist()]
    ends = torch.tensor([len(ids) for ids in read], device=read[0].device).cumsum(0)
    offsets = torch.cat([ends.new_zeros(1), ends[:-1]])
    vectors = model({"input_ids": torch.cat(read), "offsets": offsets})["sentence_embedding"]
    return list(vectors[numbers.to(vectors.device)])


def own(queries: int, columns: int) -> Tensor:
    """Return (B, G): where in a row of `of_batch` the documents of each query's own list stand.

    >>> own(2, 3).tolist()
    [[0, 2, 4], [1, 3, 5]]
    """
    return torch.arange(queries * columns).reshape(columns, queries).T


def same_texts(features: Sequence[Features], share: Share = ALONE) -> Tensor | None:
    """Return (columns, B) numbers, equal where the tokens are; None where features hold no tokens.

    Args:
        features: of each column.
        share: with whom the batch is shared; B are then the texts of all processes.
    """
    if not all("input_ids" in column for column in features):
        return None
    keys = [_keys(column) for column in features]
    if share.count > 1:
        hashes = torch.tensor([[_hash(key) for key in column] for column in keys])
        found: Tensor = torch.unique(share.gathered(hashes.T), return_inverse=True)[1].T
        return found
    numbers: dict[bytes, int] = {}
    return torch.tensor([[numbers.setdefault(k, len(numbers)) for k in column] for column in keys])


def _hash(key: bytes) -> int:
    """Return 64 bits of the key: with 10,000 texts in a batch, one of 10^11 batches has two that are taken for one."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little", signed=True)


def _keys(features: Features) -> list[bytes]:
    """Return the tokens of each text of a column: of padded rows, of rows end to end, or of a static table's."""
    ids = features["input_ids"].cpu().numpy()
    if "offsets" in features or "cu_seq_lens_q" in features:
        flat = ids.reshape(-1)
        if "offsets" in features:
            bounds = [*features["offsets"].tolist(), len(flat)]
        else:
            bounds = features["cu_seq_lens_q"].tolist()
        return [flat[a:b].tobytes() for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    read = features["attention_mask"].cpu().numpy().astype(bool)
    return [row[mask].tobytes() for row, mask in zip(ids, read, strict=True)]
