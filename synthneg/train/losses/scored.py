"""Losses over lists for students that score a query's documents one by one, and make no vectors for a whole batch.

A loss over lists is a mean over queries, so a batch is gone through a few queries at a time, and each part's gradient
is taken before the next part is scored: the result is that of the whole batch, in one pass, with a part's memory.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from synthneg.train.losses.base import ListLoss
from synthneg.train.share import Sharing

Features = dict[str, Any]


class _OfParts(Sharing, nn.Module):
    """The loss of a batch, a part at a time."""

    def __init__(self, model: Any, listwise: ListLoss, texts: int) -> None:
        """Take in the student, the loss, and how many texts a pass may hold, though at least a query's list."""
        super().__init__()
        self.model, self.listwise, self._texts = model, listwise, texts

    def scores(self, columns: Sequence[Any], part: slice) -> Tensor:
        """Return (b, G) scores of the part's queries with the documents of their lists."""
        raise NotImplementedError

    def of_batch(self, columns: Sequence[Any], queries: int, labels: Tensor | None) -> Tensor:
        """Return the loss of a batch, its gradients already with the weights where there are to be any.

        Args:
            columns: queries, then each column of documents, as the student's collator gives them.
            queries: in the batch.
            labels: (B, G); None where the loss takes none.
        """
        step = max(1, self._texts // (len(columns) - 1))
        total = torch.zeros(())
        for start in range(0, queries, step):
            part = slice(start, min(start + step, queries))
            wanted = labels[part].to(self.model.device) if labels is not None else None
            with self._apart(last=part.stop == queries):
                loss = self.listwise.of_scores(self.scores(columns, part), wanted)
                loss = loss * self.share.weight(part.stop - part.start, queries)
                if torch.is_grad_enabled():
                    torch.autograd.backward(loss)
            total = total + loss.detach().cpu()
        # The trainer asks for gradients once more, and finds nothing behind this.
        return total.to(self.model.device).requires_grad_(torch.is_grad_enabled())

    def _apart(self, *, last: bool) -> AbstractContextManager[None]:
        """Keep the gradients to this process, until the last part has been added to them."""
        if last or not isinstance(self.model, DistributedDataParallel):
            return nullcontext()
        found: AbstractContextManager[None] = self.model.no_sync()
        return found

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        said = self.listwise.get_config_dict()
        return {"of": type(self.listwise).__name__} | {
            key: value for key, value in said.items() if key not in ("cosine", "mini_batch_size")
        }

    @property
    def citation(self) -> str:
        """Return the entry of the paper."""
        return str(self.listwise.citation)


class PairScores(_OfParts):
    """For a cross-encoder, which reads query and document together; a score is its logit."""

    def forward(
        self,
        inputs: Sequence[Sequence[str]],
        labels: Sequence[Tensor] | None,
        prompt: str | None = None,
        task: str | None = None,
    ) -> Tensor:
        """Return the loss of a batch as the trainer's collator gives it: columns of texts."""
        wanted = torch.stack(list(labels)) if labels is not None else None
        return self.of_batch(inputs, len(inputs[0]), wanted)

    def scores(self, columns: Sequence[Sequence[str]], part: slice) -> Tensor:
        """Return (b, G) logits."""
        rows = list(zip(*(column[part] for column in columns), strict=True))
        pairs = [(query, document) for query, *documents in rows for document in documents]
        features = self.model.preprocess(pairs)
        on_device = {
            k: v.to(self.model.device) if isinstance(v, Tensor) else v for k, v in features.items()
        }
        logits: Tensor = self.model(on_device)["scores"]
        return logits.view(len(rows), -1)


class LateScores(_OfParts):
    """For a multi-vector student; a score is MaxSim: each token of the query with its best of the document, summed."""

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None) -> Tensor:
        """Return the loss of a batch as the trainer's collator gives it: columns of tokens."""
        columns = list(sentence_features)
        return self.of_batch(columns, len(columns[0]["input_ids"]), labels)

    def scores(self, columns: Sequence[Features], part: slice) -> Tensor:
        """Return (b, G) MaxSim scores."""
        from sentence_transformers.multi_vector_encoder.scoring import (  # noqa: PLC0415 - of these students alone
            colbert_scores_pairwise,
        )

        def made(features: Features, task: str) -> tuple[Tensor, Tensor]:
            cut = {k: v[part] if isinstance(v, Tensor) else v for k, v in features.items()}
            found = self.model(cut, task=task)
            return found["token_embeddings"], found["attention_mask"].bool()

        queries, read = made(columns[0], "query")
        scores = []
        for column in columns[1:]:
            documents, mask = made(column, "document")
            scores.append(
                colbert_scores_pairwise(queries, documents, queries_mask=read, documents_mask=mask)
            )
        return torch.stack(scores, dim=1)
