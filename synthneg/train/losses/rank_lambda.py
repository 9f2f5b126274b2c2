"""LambdaLoss: pairs of a list, weighted by what exchanging their places costs in nDCG."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from synthneg.train.losses.base import PADDED, ListLoss


class LambdaLoss(ListLoss):
    """Σ ΔnDCG(i, j) · log₂(1 + exp((sⱼ - sᵢ)/τ)) over the pairs of a list with yᵢ > yⱼ, mean over queries.

        ΔnDCG(i, j) = |gᵢ - gⱼ| · |1/dᵢ - 1/dⱼ| ,  g = (2^y - 1) / maxDCG ,  d = log₂(1 + rank)

    y are grades, ranks those of the student's own scores in the list, 1 the best; weights are not differentiated. This
    is LambdaRank's weight in the LambdaLoss framework (Wang et al., CIKM 2018, doi:10.1145/3269206.3271784);
    sentence-transformers' LambdaLoss has it as `LambdaRankScheme`, and is the sum over queries' pairs.
    """

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 0.05,
        mini_batch_size: int | None = None,
        cosine: bool = True,
    ) -> None:
        """Take in the student and its temperature; the paper's is 1, of logits."""
        super().__init__(model, mini_batch_size=mini_batch_size, cosine=cosine)
        self.temperature = temperature

    def of_scores(self, scores: Tensor, labels: Tensor | None) -> Tensor:
        """Return the loss of a batch; labels are grades."""
        assert labels is not None, "expected grades, (B, G), as labels"
        scores = scores / self.temperature
        left_out = labels == PADDED
        grades = labels.to(scores.dtype).masked_fill(left_out, 0)
        ranked = scores.detach().masked_fill(left_out, -torch.inf)
        ranks = 1 + ranked.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        discounts = 1 / torch.log2(1 + ranks.to(scores.dtype))
        gains = (2**grades - 1).masked_fill(left_out, 0)
        ideal = gains.sort(dim=1, descending=True).values
        places = torch.arange(2, 2 + scores.shape[1], device=scores.device, dtype=scores.dtype)
        gains = gains / (ideal / torch.log2(places)).sum(dim=1, keepdim=True).clamp_min(1e-9)
        apart = (gains[:, :, None] - gains[:, None]).abs()
        weights = apart * (discounts[:, :, None] - discounts[:, None]).abs()
        counted = (
            (grades[:, :, None] > grades[:, None]) & ~left_out[:, None] & ~left_out[:, :, None]
        )
        costs = softplus(scores[:, None] - scores[:, :, None]) / torch.log(torch.tensor(2.0))
        return (weights * costs).masked_fill(~counted, 0).sum(dim=(1, 2)).mean()

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        return super().get_config_dict() | {"temperature": self.temperature}

    @property
    def citation(self) -> str:
        """Return the entry of the paper."""
        return """
@inproceedings{wang2018lambdaloss,
    title={The LambdaLoss Framework for Ranking Metric Optimization},
    author={Xuanhui Wang and Cheng Li and Nadav Golbandi and Michael Bendersky and Marc Najork},
    booktitle={CIKM},
    year={2018},
    doi={10.1145/3269206.3271784}
}
"""
