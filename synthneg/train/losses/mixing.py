"""Negatives that are no texts: mixtures of a query's hardest ones, made anew in each step."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize


@dataclass(frozen=True, slots=True)
class Mixing:
    """Online mixing of hard negatives (MoCHi, arXiv:2010.01028; in text, KaLM-Embedding-V2, arXiv:2506.20923).

    Of a query's `hardest` candidates `count` mixtures are made, in turn of three kinds: of two, a·n + (1-a)·m with a
    from U(0, 1); of all, with weights from the flat Dirichlet distribution; of one and the query, b·q + (1-b)·n with b
    from U(0, .5). Where scores are cosines, a mixture has unit length. Nothing of a mixture is differentiated: it
    pushes the query alone.
    """

    count: int
    hardest: int

    def scores(self, queries: Tensor, documents: Tensor, masked: Tensor, *, cosine: bool) -> Tensor:
        """Return (B, count) scores of each query with its mixtures; -inf for a query without a candidate.

        Args:
            queries: (B, d).
            documents: (n, d); the first B are the positives.
            masked: (B, n), no candidates.
            cosine: whether vectors have unit length.
        """
        hard, found = self._hardest(queries.detach(), documents.detach(), masked)
        mixtures = torch.einsum("bsk,bkd->bsd", self._weights(found).to(hard.dtype), hard)
        share = torch.rand(len(queries), self.count, 1, dtype=hard.dtype, device=hard.device) / 2
        share = share * (torch.arange(self.count, device=hard.device) % 3 == 2)[:, None]
        mixtures = share * queries.detach()[:, None] + (1 - share) * mixtures
        if cosine:
            mixtures = normalize(mixtures, dim=-1)
        scores = torch.einsum("bd,bsd->bs", queries, mixtures)
        return scores.masked_fill(~found[:, :1], -torch.inf)

    def _hardest(self, queries: Tensor, documents: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, k, d) candidates, hardest first, and (B, k), which of these there are."""
        scores = (queries @ documents.T).masked_fill(masked, -torch.inf)
        scores.diagonal().fill_(-torch.inf)
        best, places = scores.topk(min(self.hardest, scores.shape[1]), dim=1)
        return documents[places], best > -torch.inf

    def _weights(self, found: Tensor) -> Tensor:
        """Return (B, count, k) weights of the hardest in each mixture, 0 for those that are not there."""
        shape = (len(found), self.count, found.shape[1])
        # Of all: a flat Dirichlet's weights are shares of exponential draws.
        flat = -torch.log(torch.rand(shape, device=found.device).clamp_min(1e-9)) * found[:, None]
        # Of one or two: the largest of independent draws are a fair choice among those found.
        order = (torch.rand(shape, device=found.device) * found[:, None]).argsort(
            dim=2, descending=True
        )
        part = torch.rand(shape[:2], device=found.device)
        kind = torch.arange(self.count, device=found.device) % 3
        part = torch.where(kind == 2, torch.ones_like(part), part)
        two = torch.zeros(shape, device=found.device)
        two.scatter_(2, order[:, :, :1], part[:, :, None])
        if shape[2] > 1:
            two.scatter_add_(2, order[:, :, 1:2], 1 - part[:, :, None])
        two = two * found[:, None]
        weights = torch.where((kind == 1)[:, None], flat, two)
        total: Tensor = weights / weights.sum(dim=2, keepdim=True).clamp_min(1e-9)
        return total
