"""MarginMSE: the student's margins between positive and other documents are drawn to the teacher's."""

from torch import Tensor

from synthneg.train.losses.base import PADDED, ListLoss


class MarginMSE(ListLoss):
    """((s₁ - sₖ) - (t₁ - tₖ))² over the documents after the first, mean over these, then over queries.

    t are the teacher's scores (the labels), s the student's. It is sentence-transformers' MarginMSELoss, with filling
    and cached gradients.
    """

    def of_scores(self, scores: Tensor, labels: Tensor | None) -> Tensor:
        """Return the loss of a batch; labels are the teacher's scores."""
        assert labels is not None, "expected the teacher's scores, (B, G), as labels"
        off = (scores[:, :1] - scores[:, 1:]) - (labels[:, :1] - labels[:, 1:])
        left_out = labels[:, 1:] == PADDED
        squares = off.masked_fill(left_out, 0) ** 2
        return (squares.sum(dim=1) / (~left_out).sum(dim=1).clamp_min(1)).mean()

    @property
    def citation(self) -> str:
        """Return the entry of the paper."""
        return """
@misc{hofstätter2021improving,
    title={Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation},
    author={Sebastian Hofstätter and Sophia Althammer and Michael Schröder and Mete Sertkan and Allan Hanbury},
    year={2021},
    eprint={2010.02666},
    archivePrefix={arXiv},
    primaryClass={cs.IR}
}
"""
