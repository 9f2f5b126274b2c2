"""Pairs weighted by what their order costs in reciprocal rank."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from synthneg.train.losses.base import PADDED, ColumnLoss
from synthneg.train.losses.candidates import in_batch_labels


class RankPairs(ColumnLoss):
    """Σ |1/rᵢ - 1/rⱼ| · log(1 + exp((sⱼ - sᵢ)/τ)), mean over queries (ADORE, arXiv:2104.08051).

    The sum is over the documents i of a query's own list and all documents j of the batch with a smaller grade; those
    of other queries have grade 0. r is the rank in the batch by the student's own scores, 1 the best, and is not
    differentiated. ADORE ranks the top 200 of a live search, and has τ = 1 with dot products.
    """

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 0.05,
        mini_batch_size: int | None = None,
        cosine: bool = True,
    ) -> None:
        """Take in the student and its temperature."""
        super().__init__(model, mini_batch_size=mini_batch_size, cosine=cosine)
        self.temperature = temperature

    def of_embeddings(
        self, embeddings: Sequence[Tensor], labels: Tensor | None, texts: Tensor | None
    ) -> Tensor:
        """Return the loss of a batch; labels are grades."""
        assert labels is not None, "expected grades, (B, G), as labels"
        scores = self.of_batch(embeddings) / self.temperature
        grades = in_batch_labels(labels.to(scores.dtype), texts)
        left_out = grades == PADDED
        ranked = scores.detach().masked_fill(left_out, -torch.inf)
        ranks = 1 + ranked.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        losses = []
        for row in range(len(scores)):
            (better,) = torch.nonzero(grades[row] > 0, as_tuple=True)
            below = (grades[row, better, None] > grades[row]) & ~left_out[row]
            weights = (1 / ranks[row, better, None] - 1 / ranks[row]).abs() * below
            losses.append((weights * softplus(scores[row] - scores[row, better, None])).sum())
        return torch.stack(losses).mean()

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        return super().get_config_dict() | {"temperature": self.temperature}

    @property
    def citation(self) -> str:
        """Return the entry of the paper."""
        return """
@inproceedings{zhan2021optimizing,
    title={Optimizing Dense Retrieval Model Training with Hard Negatives},
    author={Jingtao Zhan and Jiaxin Mao and Yiqun Liu and Jiafeng Guo and Min Zhang and Shaoping Ma},
    booktitle={SIGIR},
    year={2021},
    eprint={2104.08051}
}
"""
