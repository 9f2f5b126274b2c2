"""Any loss of this package for a sparse student, with what keeps it sparse."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from sentence_transformers.sparse_encoder.losses import CachedSpladeLoss
from torch import Tensor

from synthneg.train.losses.base import ColumnLoss
from synthneg.train.share import Sharing


class SparseOf(Sharing, CachedSpladeLoss):  # type: ignore[misc]  # the library is untyped
    """L + λ_q · FLOPS(queries) + λ_d · FLOPS(documents); FLOPS = Σⱼ (mean of |wⱼ| over the batch)² (arXiv:2004.05665).

    sentence-transformers' own loss of SPLADE (arXiv:2205.04733), around a loss of ours: that one is told which texts of
    the batch are the same. The trainer raises both weights from 0 over the first third of the steps.
    """

    def __init__(self, model: Any, loss: ColumnLoss, **weights: Any) -> None:
        """Take in the student, the loss, and the arguments of CachedSpladeLoss."""
        super().__init__(model, loss, **weights)

    def forward(
        self, sentence_features: Iterable[dict[str, Any]], labels: Tensor | None = None
    ) -> Any:
        """Return the parts of the loss by name."""
        features = list(sentence_features)
        self.loss.see(features)
        return super().forward(features, labels)

    def calculate_loss(
        self,
        reps: Sequence[Sequence[Tensor]],
        labels: Tensor | None = None,
        *,
        with_backward: bool = False,
    ) -> Tensor:
        """Return the loss of embeddings that came in mini-batches, of all processes: means are over the batch."""
        whole = self.share.columns([torch.cat(list(r)) for r in reps])
        labels = None if labels is None else self.share.whole(labels)
        loss: Tensor = super().calculate_loss(
            [[column] for column in whole], labels, with_backward=with_backward
        )
        return loss
