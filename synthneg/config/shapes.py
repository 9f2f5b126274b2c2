"""The names of the formats in which datasets go out and come in."""

from typing import Literal, get_args

Shape = Literal[
    "pair",
    "triplet",
    "n-tuple",
    "n-tuple-scores",
    "margin-mse",
    "labeled-pair",
    "labeled-list",
    "beir",
    "tevatron",
    "rlhn",
    "flagembedding",
    "pylate",
    "msmarco",
]
SHAPES: tuple[Shape, ...] = get_args(Shape)
