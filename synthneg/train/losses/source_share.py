"""InfoNCE that does not let a student tell negatives by who made them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from synthneg.train.losses.base import ColumnLoss
from synthneg.train.losses.infonce import InfoNCE


class SourceShare(ColumnLoss):
    """InfoNCE + w·L of CausalNeg (arXiv:2606.01304).

    p is the softmax (at .1) of a query's scores over its own negatives, mined and written, of which N_m and N_g. Then

        L = -H(p_g / Σp_g) + (Σp_g - N_g / (N_m + N_g))² ,

    sums over the written ones, H the entropy in nats: their probability is spread among them, and is as large as they
    are many. Only vectors of written negatives get a gradient of L. A query without one adds nothing to it.
    """

    def __init__(
        self,
        model: Any,
        infonce: InfoNCE,
        *,
        weight: float = 0.05,
        temperature: float = 0.1,
        mini_batch_size: int | None = None,
        cosine: bool = True,
    ) -> None:
        """Take in the student, InfoNCE, and weight and temperature of the term; CausalNeg's are .05 and .1."""
        super().__init__(model, mini_batch_size=mini_batch_size, cosine=cosine)
        self.infonce, self.weight, self.temperature = infonce, weight, temperature

    def of_embeddings(
        self, embeddings: Sequence[Tensor], labels: Tensor | None, texts: Tensor | None
    ) -> Tensor:
        """Return the loss of a batch; labels are 1 for written documents and 0 for others."""
        assert labels is not None, (
            "expected 1 for written documents and 0 for others, (B, G), as labels"
        )
        if labels.shape[1] == 1:
            return self.infonce.of_embeddings(embeddings, None, texts)
        term = self._balance(embeddings, labels[:, 1:] > 0)
        return self.infonce.of_embeddings(embeddings, None, texts) + self.weight * term

    def _balance(self, embeddings: Sequence[Tensor], written: Tensor) -> Tensor:
        scores = self.of_lists([embeddings[0].detach(), *embeddings[2:]])
        scores = torch.where(written, scores, scores.detach())
        log_p = torch.log_softmax(scores / self.temperature, dim=1)
        log_all = torch.logsumexp(log_p.masked_fill(~written, -1e4), dim=1, keepdim=True)
        log_among = (log_p - log_all).masked_fill(~written, 0)
        entropy = -(log_among.exp() * log_among).sum(dim=1)
        share = written.float().mean(dim=1)
        losses = -entropy + (log_all[:, 0].exp() - share) ** 2
        return losses.masked_fill(~written.any(dim=1), 0).mean()

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        term = {"weight": self.weight, "source_temperature": self.temperature}
        return self.infonce.get_config_dict() | term

    @property
    def citation(self) -> str:
        """Return the entry of the paper."""
        return """
@misc{causalneg2026,
    title={CausalNeg},
    year={2026},
    eprint={2606.01304},
    archivePrefix={arXiv},
    primaryClass={cs.IR}
}
"""
