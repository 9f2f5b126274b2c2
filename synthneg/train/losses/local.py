"""InfoNCE among a query's own documents, for students to which other queries' documents would cost a pass each."""

from typing import Any

import torch
from torch import Tensor

from synthneg.train.losses.base import ListLoss


class LocalInfoNCE(ListLoss):
    """-log softmax(s/τ) of the positive among the query's own documents, mean over queries.

    Localized contrastive estimation (Gao, Dai, Callan, ECIR 2021, arXiv:2101.08751), with τ = 1.
    """

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 1.0,
        mini_batch_size: int | None = None,
        cosine: bool = False,
    ) -> None:
        """Take in the student and its temperature."""
        super().__init__(model, mini_batch_size=mini_batch_size, cosine=cosine)
        self.temperature = temperature

    def of_scores(self, scores: Tensor, labels: Tensor | None) -> Tensor:
        """Return the loss of a batch; there are no labels."""
        return -torch.log_softmax(scores / self.temperature, dim=1)[:, 0].mean()

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        return super().get_config_dict() | {"temperature": self.temperature}

    @property
    def citation(self) -> str:
        """Return the entry of the paper."""
        return """
@inproceedings{gao2021rethink,
    title={Rethink Training of BERT Rerankers in Multi-Stage Retrieval Pipeline},
    author={Luyu Gao and Zhuyun Dai and Jamie Callan},
    booktitle={ECIR},
    year={2021},
    eprint={2101.08751}
}
"""
