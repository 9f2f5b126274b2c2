"""Which documents of a batch are what to a query: its own, other queries', the same text twice, or filling."""

import torch
from torch import Tensor

from synthneg.train.losses.base import PADDED, own


def own_answers(labels: Tensor | None, share: float, shape: tuple[int, int]) -> Tensor:
    """Return (B, G): whether a document of a query's own list is no negative to it.

    These are the positive, which stands first, and what has a label above `share` of the list's best (CADET,
    arXiv:2505.19274, with .6): of grades 3 to 0 those from 2 on. Below 0 the bound lies as far below the best.
    """
    answers = torch.zeros(shape, dtype=torch.bool)
    if labels is not None:
        best = labels.detach().cpu().max(dim=1, keepdim=True).values
        answers = labels.detach().cpu() > best - (1 - share) * best.abs()
    answers[:, 0] = True
    return answers


def masked_candidates(answers: Tensor, labels: Tensor | None, texts: Tensor | None) -> Tensor:
    """Return (B, G·B): whether a document is no candidate of InfoNCE for a query; its own positive always is one.

    No candidates are other answers to the query, wherever in the batch their text stands and whichever row asks the
    same; a text that stands before in the batch; and what fills up a list.

    Args:
        answers: (B, G), as `own_answers` gives them.
        labels: (B, G); None where nothing is filling.
        texts: (1 + G, B), equal numbers for equal texts; None: all are taken to differ.
    """
    queries, columns = answers.shape
    place = own(queries, columns)
    masked = torch.zeros(queries, queries * columns, dtype=torch.bool)
    masked.scatter_(1, place, answers)
    if texts is not None:
        flat = texts[1:].flatten()
        masked |= ((flat[place][:, :, None] == flat) & answers[:, :, None]).any(dim=1)
        same_query = texts[0][:, None] == texts[0]
        masked = (same_query.float() @ masked.float()) > 0
        masked |= repeats(flat)
    if labels is not None:
        masked |= filling(labels)
    masked[torch.arange(queries), place[:, 0]] = False
    return masked


def in_batch_labels(labels: Tensor, texts: Tensor | None) -> Tensor:
    """Return (B, G·B) labels of all documents of a batch: the query's own, 0 for those of other queries.

    `PADDED` marks what is to be left out: filling, and another query's copy of a text of the query's own list.
    """
    queries, columns = labels.shape
    place = own(queries, columns).to(labels.device)
    spread = torch.zeros(queries, queries * columns, dtype=labels.dtype, device=labels.device)
    if texts is not None:
        flat = texts[1:].flatten()
        copies = (flat[place.cpu()][:, :, None] == flat).any(dim=1).to(labels.device)
        spread = spread.masked_fill(copies, PADDED)
    spread = spread.masked_fill(filling(labels).to(labels.device), PADDED)
    return spread.scatter(1, place, labels)


def filling(labels: Tensor) -> Tensor:
    """Return (G·B,): whether a document only fills up a list."""
    return (labels.detach().cpu() == PADDED).T.flatten()


def repeats(texts: Tensor) -> Tensor:
    """Return (n,): whether the same text stands at an earlier place.

    >>> repeats(torch.tensor([5, 3, 5, 3, 7])).tolist()
    [False, False, True, True, False]
    """
    _, number = torch.unique(texts, return_inverse=True)
    first = torch.full((int(number.max()) + 1,), len(texts))
    first = first.scatter_reduce(0, number, torch.arange(len(texts)), "amin")
    found: Tensor = first[number] < torch.arange(len(texts))
    return found
