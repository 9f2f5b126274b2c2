"""The settings of how an encoder reads."""

from typing import Literal

from pydantic import Field

from synthneg.config.base import Section

Pooling = Literal["mean", "cls", "lasttoken"]
Precision = Literal["auto", "float32", "bfloat16"]


class EncodingConfig(Section):
    """How an encoder reads a text: what is not set here is the model's own, or that of its family."""

    query_prefix: str | None = Field(
        default=None,
        max_length=2000,
        description="stands before each query, '' for none; by default what the model brings, or "
        "what its family (E5, BGE, GTE, Contriever) was trained with",
    )
    document_prefix: str | None = Field(
        default=None, max_length=2000, description="the same, before each document"
    )
    pooling: Pooling | None = Field(
        default=None,
        description="how tokens become one vector: mean, cls (the first) or lasttoken; by default "
        "as for the prefixes",
    )
    precision: Precision = Field(
        default="auto", description="of the weights; auto: bfloat16 on a GPU that has it"
    )
