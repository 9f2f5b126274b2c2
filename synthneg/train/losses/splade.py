"""Any loss of this package for a sparse student, with what keeps it sparse."""

from collections.abc import Iterable
from typing import Any

from sentence_transformers.sparse_encoder.losses import CachedSpladeLoss
from torch import Tensor

from synthneg.train.losses.base import ColumnLoss


class SparseOf(CachedSpladeLoss):  # type: ignore[misc]  # the library is untyped
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
