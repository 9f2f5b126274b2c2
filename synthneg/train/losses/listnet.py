"""ListNet: the student's softmax over a list is drawn to that of the grades."""

from typing import Any

from torch import Tensor

from synthneg.train.losses.base import PADDED, ListLoss
from synthneg.train.losses.kl import log_softmax


class ListNet(ListLoss):
    """-Σ softmax(c·y) · log softmax(s/τ) over each query's own list, mean over queries; y are grades, c scales them."""

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 0.05,
        label_scale: float = 1.0,
        mini_batch_size: int | None = None,
        cosine: bool = True,
    ) -> None:
        """Take in the student, its temperature, and the scale of the grades; the paper's are 1."""
        super().__init__(model, mini_batch_size=mini_batch_size, cosine=cosine)
        self.temperature, self.label_scale = temperature, label_scale

    def of_scores(self, scores: Tensor, labels: Tensor | None) -> Tensor:
        """Return the loss of a batch; labels are grades."""
        assert labels is not None, "expected grades, (B, G), as labels"
        wanted = log_softmax(labels, 1 / self.label_scale, labels).exp()
        seen = log_softmax(scores, self.temperature, labels)
        return -(wanted * seen).masked_fill(labels == PADDED, 0).sum(dim=1).mean()

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        return super().get_config_dict() | {
            "temperature": self.temperature,
            "label_scale": self.label_scale,
        }

    @property
    def citation(self) -> str:
        """Return the entry of the paper."""
        return """
@inproceedings{cao2007learning,
    title={Learning to Rank: From Pairwise Approach to Listwise Approach},
    author={Zhe Cao and Tao Qin and Tie-Yan Liu and Ming-Feng Tsai and Hang Li},
    booktitle={ICML},
    year={2007}
}
"""
