"""InfoNCE over all documents of a batch, without those that are no negatives."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from synthneg.train.losses.base import ColumnLoss
from synthneg.train.losses.candidates import masked_candidates, own_answers
from synthneg.train.losses.mixing import Mixing


class InfoNCE(ColumnLoss):
    """-log softmax(s/τ) of the positive among the candidates, mean over queries.

    A candidate scoring above the positive by `mask_margin` is left out (Qwen3-Embedding, arXiv:2506.05176), as are
    those that `masked_candidates` names. With `focal` > 0 a query weighs (1-p)^focal, p the softmax of its positive
    (focal loss, arXiv:1708.02002, in KaLM-Embedding-V2, arXiv:2506.20923); the weight is not differentiated, because
    below 1 its slope at p = 1 is infinite.
    """

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 0.05,
        mask_margin: float | None = 0.1,
        mask_share: float = 0.6,
        focal: float = 0.0,
        mixing: Mixing | None = None,
        mini_batch_size: int | None = None,
        cosine: bool = True,
    ) -> None:
        """Take in the student; the other arguments are those of `ColumnLoss` and settings of `train.infonce`."""
        super().__init__(model, mini_batch_size=mini_batch_size, cosine=cosine)
        self.temperature, self.mask_margin, self.mask_share = temperature, mask_margin, mask_share
        self.focal, self.mixing = focal, mixing

    def of_embeddings(
        self, embeddings: Sequence[Tensor], labels: Tensor | None, texts: Tensor | None
    ) -> Tensor:
        """Return the loss of a batch; labels say which documents of a list are no negatives."""
        queries, documents = self.scaled(embeddings)
        documents = documents.flatten(0, 1)
        scores = queries @ documents.T
        answers = own_answers(labels, self.mask_share, (len(queries), len(embeddings) - 1))
        masked = masked_candidates(answers, labels, texts).to(scores.device)
        positives = scores.detach().diagonal()[:, None]
        if self.mask_margin is not None:
            masked |= scores.detach() > positives + self.mask_margin
        logits = (scores / self.temperature).masked_fill(masked, -torch.inf)
        if self.mixing is not None:
            with self.share.drawn_alike(scores.device):
                mixed = self.mixing.scores(queries, documents, masked, cosine=self.cosine)
            logits = torch.cat([logits, mixed / self.temperature], dim=1)
        own_place = torch.arange(len(queries), device=scores.device)
        losses = cross_entropy(logits, own_place, reduction="none")
        if self.focal:
            losses = losses * (1 - torch.exp(-losses.detach())) ** self.focal
        return losses.mean()

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        return super().get_config_dict() | {
            "temperature": self.temperature,
            "mask_margin": self.mask_margin,
            "mask_share": self.mask_share,
            "focal": self.focal,
            "mixed": self.mixing.count if self.mixing else 0,
        }

    @property
    def citation(self) -> str:
        """Return the entry of the paper."""
        return """
@article{oord2018representation,
    title={Representation Learning with Contrastive Predictive Coding},
    author={Aaron van den Oord and Yazhe Li and Oriol Vinyals},
    journal={arXiv preprint arXiv:1807.03748},
    year={2018}
}
"""
