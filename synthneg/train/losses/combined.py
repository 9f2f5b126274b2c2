"""A list-wise loss and InfoNCE, of the same vectors."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from synthneg.train.losses.base import ColumnLoss, own
from synthneg.train.losses.infonce import InfoNCE


class WithInfoNCE(ColumnLoss):
    """L + λ·InfoNCE. With ListKL at τₜ = .3 and τ = .05, InfoNCE at .01 and λ = .1 it is CADET's (arXiv:2505.19274)."""

    def __init__(self, listwise: ColumnLoss, infonce: InfoNCE, weight: float) -> None:
        """Take in the two losses, of one student and mini-batch, and λ."""
        super().__init__(
            listwise.model,
            mini_batch_size=listwise.mini_batch_size or None,
            cosine=listwise.cosine,
        )
        self.listwise, self.infonce, self.weight = listwise, infonce, weight

    def of_embeddings(
        self, embeddings: Sequence[Tensor], labels: Tensor | None, texts: Tensor | None
    ) -> Tensor:
        """Return the loss of a batch; labels are what the list-wise loss takes."""
        ranked = self.listwise.of_embeddings(embeddings, labels, texts)
        columns = len(embeddings) - 1
        if labels is not None and labels.shape[1] != columns:  # of all documents of the batch
            labels = labels.gather(1, own(len(labels), columns).to(labels.device))
        return ranked + self.weight * self.infonce.of_embeddings(embeddings, labels, texts)

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        return {
            "listwise": type(self.listwise).__name__,
            **self.listwise.get_config_dict(),
            "infonce_weight": self.weight,
            "infonce": self.infonce.get_config_dict(),
        }

    @property
    def citation(self) -> str:
        """Return the entries of the papers."""
        return f"{self.listwise.citation}{self.infonce.citation}"
