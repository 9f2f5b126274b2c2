"""Losses of sentence-transformers over the documents of a batch, for a batch that several processes share."""

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers.multi_vector_encoder.losses import (
    CachedMultiVectorMultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.losses import CachedGISTEmbedLoss
from sentence_transformers.util import cat_padded_token_embeddings
from torch import Tensor
from torch.nn.functional import pad

from synthneg.train.share import Sharing

Parts = Sequence[Sequence[Tensor]]  # of each column, the mini-batches


class GIST(Sharing, CachedGISTEmbedLoss):  # type: ignore[misc]  # the library is untyped
    """GISTEmbed (arXiv:2402.16829) with its gradients cached.

    The library's own way to gather takes every process to have as many queries as the others.
    """

    def calculate_loss(
        self, reps: Parts, reps_guided: Parts, *, with_backward: bool = False
    ) -> Any:
        """Return the loss of the vectors of student and guide, each by columns of mini-batches."""
        both = [
            [[column] for column in self.share.columns([torch.cat(list(r)) for r in of_one])]
            for of_one in (reps, reps_guided)
        ]
        return super().calculate_loss(*both, with_backward=with_backward)


class LateInfoNCE(Sharing, CachedMultiVectorMultipleNegativesRankingLoss):  # type: ignore[misc]  # as above
    """InfoNCE over MaxSim scores with all documents of a batch, its gradients cached."""

    def calculate_loss(
        self, reps: Parts, masks_chunks: Parts, *, with_backward: bool = False
    ) -> Any:
        """Return the loss of token vectors and of which tokens count, each by columns of mini-batches."""
        if self.share.count > 1:
            columns = [
                cat_padded_token_embeddings(r, m) for r, m in zip(reps, masks_chunks, strict=True)
            ]
            longest = self.share.most(max(mask.shape[1] for _, mask in columns))
            missing = [longest - mask.shape[1] for _, mask in columns]
            vectors = [pad(v, (0, 0, 0, n)) for (v, _), n in zip(columns, missing, strict=True)]
            masks = [pad(m, (0, n)).byte() for (_, m), n in zip(columns, missing, strict=True)]
            reps = [[column] for column in self.share.columns(vectors)]
            masks_chunks = [[column.bool()] for column in self.share.columns(masks)]
        return super().calculate_loss(reps, masks_chunks, with_backward=with_backward)
