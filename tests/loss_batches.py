"""Batches for the tests of losses: vectors whose dot products are the scores that a test names."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from synthneg.train.losses.ar2 import AR2
from synthneg.train.losses.base import PADDED, ColumnLoss
from synthneg.train.losses.bce import BinaryCrossEntropy
from synthneg.train.losses.combined import WithInfoNCE
from synthneg.train.losses.infonce import InfoNCE
from synthneg.train.losses.kl import ListKL
from synthneg.train.losses.listnet import ListNet
from synthneg.train.losses.local import LocalInfoNCE
from synthneg.train.losses.margin_mse import MarginMSE
from synthneg.train.losses.mixing import Mixing
from synthneg.train.losses.rank_lambda import LambdaLoss
from synthneg.train.losses.rank_pairs import RankPairs
from synthneg.train.losses.source_share import SourceShare
from synthneg.train.losses.ws2 import WS2

DOT = {"cosine": False}
PLAIN = {"temperature": 1.0, "mask_margin": None, "cosine": False}
# Two queries with lists of three: a row of scores holds the first documents of both queries, the second, the third.
SCORES = [[2.0, 0.5, 1.0, 0.0, 0.0, -1.0], [0.0, 1.0, 0.5, 2.0, 1.5, 0.0]]
OWN = [[2.0, 1.0, 0.0], [1.0, 2.0, 0.0]]  # of each query with its own list

# Every loss that takes graded or scored lists, at settings under which nothing of it is flat.
LISTWISE: dict[str, Callable[[], ColumnLoss]] = {
    "kl": lambda: ListKL(None, temperature=0.5, teacher_temperature=0.7),
    "kl both ways": lambda: ListKL(None, temperature=0.5, teacher_temperature=0.7, both_ways=True),
    "ar2": lambda: AR2(None, temperature=0.5, teacher_temperature=0.7),
    "listnet": lambda: ListNet(None, temperature=0.5),
    "lambda": lambda: LambdaLoss(None, temperature=0.5),
    "margin-mse": lambda: MarginMSE(None),
    "ws2": lambda: WS2(None, temperature=0.5, label_scale=2.0),
    "rank-pairs": lambda: RankPairs(None, temperature=0.5),
    "cadet": lambda: WithInfoNCE(ListKL(None), InfoNCE(None, temperature=0.2), 0.1),
    "ws2+infonce": lambda: WithInfoNCE(
        WS2(None, temperature=0.5, label_scale=2.0), InfoNCE(None, temperature=0.2), 0.1
    ),
}
PAIRWISE: dict[str, Callable[[], ColumnLoss]] = {
    "infonce": lambda: InfoNCE(None, temperature=0.3),
    "focal": lambda: InfoNCE(None, temperature=0.3, focal=0.5),
    "local": lambda: LocalInfoNCE(None, temperature=0.3),
    "bce": lambda: BinaryCrossEntropy(None),
    "mixed": lambda: InfoNCE(None, temperature=0.3, mixing=Mixing(7, 4)),
}
SOURCES: dict[str, Callable[[], ColumnLoss]] = {
    "source-share": lambda: SourceShare(None, InfoNCE(None), weight=1.0)
}


def of_scores(scores: Sequence[Sequence[float]]) -> list[Tensor]:
    """Return vectors whose dot products are `scores`: a row per query, its documents column after column."""
    matrix = torch.tensor(scores, dtype=torch.float64)
    columns = matrix.T.reshape(-1, len(matrix), len(matrix))
    return [torch.eye(len(matrix), dtype=torch.float64), *columns]


def drawn(queries: int, documents: int, seed: int) -> tuple[list[Tensor], Tensor]:
    """Return random vectors in 5 dimensions, and grades from 3 down to 0 in each list."""
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(1 + documents, queries, 5, generator=generator, dtype=torch.float64)
    grades = torch.arange(documents - 1, -1, -1, dtype=torch.float64).clamp_max(3)
    return list(vectors), grades.repeat(queries, 1)


def padded(
    embeddings: Sequence[Tensor], labels: Tensor, texts: Tensor
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return the batch with a further column that repeats the positives, as filling."""
    filling = torch.full((len(labels), 1), PADDED, dtype=labels.dtype)
    return (
        [*embeddings, embeddings[1]],
        torch.cat([labels, filling], dim=1),
        torch.cat([texts, texts[1:2]]),
    )


def softmax(values: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Return the softmax in plain arithmetic."""
    powers = [math.exp(value / temperature) for value in values]
    return [power / sum(powers) for power in powers]
