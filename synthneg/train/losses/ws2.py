"""WS2: the batch's rankings and the graded ones as two Gaussians, brought together in 2-Wasserstein distance."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from synthneg.progress import say
from synthneg.train.losses.base import ColumnLoss
from synthneg.train.losses.candidates import in_batch_labels

_MANY = 64  # documents in a batch from which the target grows flat


class WS2(ColumnLoss):
    """The list-wise loss of SyCL (arXiv:2503.23239), over all documents of a batch.

    P = softmax(s/τ) of each query over the G·B documents, R = softmax(c·y), with the grades y of its own documents and
    0 for those of other queries. The B rows of each are taken as samples of a Gaussian with n = G·B dimensions, and

        L = |m_P - m_R|² + tr S_P + tr S_R - 2 tr (S_P S_R)^½ .

    The last trace is the nuclear norm of C_P C_Rᵀ, a B×B matrix, where C are the centred rows over √(B-1): no root of
    an n×n matrix is taken, and the gradient exists where singular values are 0.

    Three properties to know: L is 0 where P = R; L stays the same when queries exchange their rows of P, so that it
    does not tie a query to its own documents: add InfoNCE; R depends on the size of the batch (`target_of_best`).
    """

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 1.0,
        label_scale: float = 1.0,
        mini_batch_size: int | None = None,
        cosine: bool = True,
    ) -> None:
        """Take in the student, its temperature, and the scale of the grades; both 1 as released, with dot products."""
        super().__init__(model, mini_batch_size=mini_batch_size, cosine=cosine)
        self.temperature, self.label_scale = temperature, label_scale
        self._warned = False

    def of_embeddings(
        self, embeddings: Sequence[Tensor], labels: Tensor | None, texts: Tensor | None
    ) -> Tensor:
        """Return the loss of a batch of at least two queries; labels are grades."""
        assert labels is not None, "expected grades, (B, G), as labels"
        self._warn(labels)
        scores = self.of_batch(embeddings) / self.temperature
        targets = in_batch_labels(labels.to(scores.dtype), texts)
        left_out = torch.isinf(targets)
        seen = torch.softmax(scores.masked_fill(left_out, -torch.inf), dim=1)
        return squared_distance(seen, torch.softmax(targets * self.label_scale, dim=1))

    def _warn(self, labels: Tensor) -> None:
        count = labels.numel()
        if count > _MANY and self.label_scale == 1 and not self._warned:
            self._warned = True
            flat, sharp = (target_of_best(count, scale) for scale in (1.0, 3.0))
            say(
                f"train: with {count} documents in a batch and grades as they are, ws2 wants {flat:.3f} on the best"
                f" document, and sharper rankings are punished; with train.lists.label_scale 3 it wants {sharp:.2f}"
            )

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
@misc{sycl2025,
    title={Beyond Contrastive Learning: Synthetic Data Enables List-wise Training with Multiple Levels of Relevance},
    year={2025},
    eprint={2503.23239},
    archivePrefix={arXiv},
    primaryClass={cs.IR}
}
"""


def squared_distance(seen: Tensor, wanted: Tensor) -> Tensor:
    """Return the squared 2-Wasserstein distance of the Gaussians that (B, n) rows are samples of.

    A single row has no spread: its means alone are compared.
    """
    shift = seen.mean(dim=0) - wanted.mean(dim=0)
    root = max(len(seen) - 1, 1) ** 0.5
    a, b = (seen - seen.mean(dim=0)) / root, (wanted - wanted.mean(dim=0)) / root
    cross = torch.linalg.svdvals(a @ b.T).sum()
    distance: Tensor = (shift**2).sum() + (a**2).sum() + (b**2).sum() - 2 * cross
    return distance


def target_of_best(documents: int, scale: float) -> float:
    """Return what WS2's target gives the document of grade 3 of a query with grades 3, 2, 1, 0 in a batch.

    >>> [round(target_of_best(n, 1.0), 3) for n in (16, 64, 256)]
    [0.465, 0.22, 0.071]
    """
    labels = torch.zeros(documents)
    labels[:4] = torch.tensor([3.0, 2.0, 1.0, 0.0])
    return float(torch.softmax(labels * scale, dim=0)[0])
