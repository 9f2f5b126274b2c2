"""List-wise distillation: the student's softmax over a list is drawn to the teacher's."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from synthneg.train.losses.base import PADDED, ListLoss
from synthneg.train.losses.candidates import repeats


class ListKL(ListLoss):
    """KL( softmax(t/τₜ) ‖ softmax(s/τ) ) over each query's own list, mean over queries.

    t are the teacher's scores (the labels), s the student's. sentence-transformers' DistillKLDivLoss is this times τ²,
    with neither filling nor cached gradients. `both_ways`: the mean of this and KL( softmax(s/τ) ‖ softmax(t/τₜ) ), as
    UniME-V2 has it (arXiv:2510.13515, both temperatures .02).
    """

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 0.05,
        teacher_temperature: float = 0.3,
        both_ways: bool = False,
        mini_batch_size: int | None = None,
        cosine: bool = True,
    ) -> None:
        """Take in the student and the two temperatures; the default ones are CADET's (arXiv:2505.19274)."""
        super().__init__(model, mini_batch_size=mini_batch_size, cosine=cosine)
        self.temperature, self.teacher_temperature = temperature, teacher_temperature
        self.both_ways = both_ways

    def of_scores(self, scores: Tensor, labels: Tensor | None) -> Tensor:
        """Return the loss of a batch; labels are the teacher's scores."""
        assert labels is not None, "expected the teacher's scores, (B, G), as labels"
        wanted = log_softmax(labels, self.teacher_temperature, labels)
        seen = log_softmax(scores, self.temperature, labels)
        weights = (wanted.exp() - seen.exp()) / 2 if self.both_ways else wanted.exp()
        return (weights * (wanted - seen)).masked_fill(labels == PADDED, 0).sum(dim=1).mean()

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        return super().get_config_dict() | {
            "temperature": self.temperature,
            "teacher_temperature": self.teacher_temperature,
            "both_ways": self.both_ways,
        }

    @property
    def citation(self) -> str:
        """Return the entry of the paper."""
        return """
@misc{lin2020distilling,
    title={Distilling Dense Representations for Ranking using Tightly-Coupled Teachers},
    author={Sheng-Chieh Lin and Jheng-Hong Yang and Jimmy Lin},
    year={2020},
    eprint={2010.11386},
    archivePrefix={arXiv},
    primaryClass={cs.IR}
}
"""


class BatchKL(ListKL):
    """The same over the documents of all lists of a batch, each text once (TCT-ColBERT, arXiv:2010.11386).

    The teacher, whose vectors are at hand, scores them all: to a query, what others have near is further and random.
    """

    def of_embeddings(
        self, embeddings: Sequence[Tensor], labels: Tensor | None, texts: Tensor | None
    ) -> Tensor:
        """Return the loss of a batch; labels are (B, G·B) scores of the teacher, column after column."""
        assert labels is not None, "expected the teacher's scores, (B, G·B), as labels"
        if texts is not None:
            labels = labels.masked_fill(repeats(texts[1:].flatten()).to(labels.device), PADDED)
        return self.of_scores(self.of_batch(embeddings), labels)


def log_softmax(scores: Tensor, temperature: float, labels: Tensor) -> Tensor:
    """Return the log-softmax of each row over what is not filling, and 0 for what is.

    >>> log_softmax(torch.tensor([[1.0, 1.0, 9.0]]), 1.0, torch.tensor([[2.0, 0.0, PADDED]])).exp().tolist()
    [[0.5, 0.5, 1.0]]
    """
    left_out = labels == PADDED
    logits = (scores / temperature).masked_fill(left_out, -torch.inf)
    return torch.log_softmax(logits, dim=1).masked_fill(left_out, 0)
