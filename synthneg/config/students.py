"""The settings of what is trained: which kind of student, and how much of it."""

from typing import Literal

from pydantic import Field

from synthneg.config.base import Section

Kind = Literal["bi-encoder", "cross-encoder", "sparse", "multi-vector"]
Student = Literal["auto", "bi-encoder", "cross-encoder", "sparse", "multi-vector"]


class LoraConfig(Section):
    """Low-rank adapters (LoRA, arXiv:2106.09685): the weights stay as they are, small matrices beside them learn."""

    rank: int = Field(default=16, ge=1, le=512, description="of the matrices beside each layer")
    alpha: float = Field(
        default=32.0, gt=0, description="what they give is multiplied by alpha / rank"
    )
    dropout: float = Field(default=0.05, ge=0, lt=1, description="share of their input left out")
    target_modules: tuple[str, ...] = Field(
        default=(), description="ends of the names of layers that get them; empty: all linear ones"
    )


class SparseConfig(Section):
    """What sparse students are made of, and how sparse they get."""

    query_weight: float = Field(
        default=5e-5, ge=0, description="of the FLOPS term of queries: the larger, the fewer terms"
    )
    document_weight: float = Field(default=3e-5, ge=0, description="of that of documents")
    inference_free: bool = Field(
        default=False,
        description="a query's terms are its own tokens, each with a weight of its own: no model reads queries",
    )


class RerankConfig(Section):
    """What a cross-encoder reranks when it is measured."""

    depth: int = Field(
        default=100, ge=1, description="documents of the first stage that it reads; the rest follow"
    )
    first_stage: str = Field(
        default="bm25",
        description="who finds them: bm25, encoder (which is verify.encoder), or a model's folder or Hub name",
    )
