"""Binary cross-entropy: each document is an answer or none, whatever else stands in the list."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from synthneg.train.losses.base import ListLoss


class BinaryCrossEntropy(ListLoss):
    """-log σ(s₁) and -log(1 - σ(sₖ)), mean over the documents of a list, then over queries; s are logits.

    The first document answers, the others do not (Nogueira and Cho, arXiv:1901.04085). It is sentence-transformers'
    BinaryCrossEntropyLoss, of rows instead of pairs.
    """

    def of_scores(self, scores: Tensor, labels: Tensor | None) -> Tensor:
        """Return the loss of a batch; there are no labels."""
        wanted = torch.zeros_like(scores)
        wanted[:, 0] = 1
        return binary_cross_entropy_with_logits(scores, wanted)

    @property
    def citation(self) -> str:
        """Return the entry of the paper."""
        return """
@misc{nogueira2019passage,
    title={Passage Re-ranking with BERT},
    author={Rodrigo Nogueira and Kyunghyun Cho},
    year={2019},
    eprint={1901.04085},
    archivePrefix={arXiv},
    primaryClass={cs.IR}
}
"""
