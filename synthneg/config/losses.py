"""The settings of the losses: what each is made of, beside its name, which is `train.loss`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from synthneg.config.base import Section, Share

Loss = Literal[
    "infonce",
    "source-share",
    "gist",
    "bce",
    "margin-mse",
    "kl",
    "ar2",
    "listnet",
    "ws2",
    "rank-pairs",
    "lambda",
]
_STORED = "score:"
Dimension = Annotated[int, Field(ge=1)]


class InfoNCEConfig(Section):
    """InfoNCE's masks and weights: of the loss itself, and of the term that is added to a list-wise loss."""

    weight: float = Field(
        default=0.1, ge=0, description="of InfoNCE beside a list-wise loss; 0: it stands alone"
    )
    temperature: float = Field(
        default=0.05, gt=0, description="softmax temperature of that term; alone: train.temperature"
    )
    mask_margin: float | None = Field(
        default=0.1,
        ge=0,
        description="a candidate that scores so far above the positive is no negative; null: all are",
    )
    mask_share: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="nor is a document of a query's list whose label is above this share of the best",
    )
    focal: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="exponent of the weight (1-p) of a query; 0: no weights",
    )
    mixed: int = Field(
        default=0, ge=0, le=1024, description="negatives mixed of a query's hardest ones, per query"
    )
    mixed_from: int = Field(default=16, ge=2, description="how many of its hardest are mixed")
    source_share: float = Field(
        default=0.05, ge=0, description="source-share: weight of the term that balances sources"
    )


class ListsConfig(Section):
    """The lists of documents that list-wise losses rank. The query's own passage stands first."""

    length: int = Field(
        default=16,
        ge=2,
        le=64,
        description="documents per query; of graded documents no more than some query has",
    )
    own: int = Field(
        default=0,
        ge=0,
        description="kl, ar2, margin-mse: written and mined documents of the query's example, at most",
    )
    near: int = Field(default=8, ge=0, description="and passages drawn from its nearest")
    near_depth: int = Field(default=15, ge=1, description="how many are its nearest")
    further: int = Field(default=4, ge=0, description="and from those after them; random the rest")
    further_depth: int = Field(default=60, ge=1, description="up to which rank")
    teacher: str | None = Field(
        default=None,
        description="kl, ar2, margin-mse: who scores the documents, a model's folder or Hub name; score:NAME: scores"
        " that the examples hold under this name; default: verify.encoder",
    )
    lexical: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="kl, ar2, margin-mse: BM25 beside the teacher's cosines, so much for a query's best passage, in"
        " proportion for others; about .4",
    )
    rescale: bool = Field(
        default=True,
        description="bring the 1st and 99th percentile of the teacher's scores to 0 and 1",
    )
    teacher_temperature: float = Field(
        default=0.1, gt=0, description="kl, ar2: softmax temperature of the teacher's scores"
    )
    among: Literal["own", "batch"] = Field(
        default="own",
        description="kl: what is ranked, a query's own list or the documents of all lists of its batch",
    )
    both_ways: bool = Field(
        default=False,
        description="kl: the mean of the divergence from the teacher and the one from the student",
    )
    label_scale: float = Field(
        default=1.0, gt=0, description="listnet, ws2: what grades are multiplied by in the softmax"
    )

    @property
    def scorer(self) -> str | None:
        """Name of the stored scores that are the teacher's; None where a model is the teacher."""
        if self.teacher is None or not self.teacher.startswith(_STORED):
            return None
        return self.teacher.removeprefix(_STORED)

    @model_validator(mode="after")
    def _lists_hold_what_is_wanted(self) -> Self:
        """Refuse more documents than a list has room for, or than a window of ranks has."""
        wanted = 1 + self.own + self.near + self.further
        if wanted > self.length:
            raise ValueError(
                f"expected at most {self.length} documents (length), got 1 + own + near + further = {wanted}"
            )
        if self.near > self.near_depth or self.further > self.further_depth - self.near_depth:
            raise ValueError(
                f"expected near ({self.near}) within near_depth ({self.near_depth}) and further ({self.further})"
                f" within the ranks from there to further_depth ({self.further_depth})"
            )
        return self


class GuideConfig(Section):
    """The guide of the loss gist, which says what is no negative."""

    model: str | None = Field(
        default=None, description="a folder or a Hub name; default: verify.encoder"
    )
    margin: float = Field(
        default=0.05, ge=0, description="how far below the positive a negative must be to it"
    )
    margin_strategy: Literal["absolute", "relative"] = Field(
        default="relative", description="relative: the margin is a share of the positive's cosine"
    )


class MatryoshkaConfig(Section):
    """Lengths to which the trained vectors can be cut; empty: only the whole ones are trained."""

    dimensions: tuple[Dimension, ...] = Field(
        default=(), description="the model's own among them, such as [384, 128, 64]"
    )
    weights: tuple[Share, ...] = Field(
        default=(), description="of the loss at each of these lengths; empty: 1 each"
    )

    @model_validator(mode="after")
    def _a_weight_each(self) -> Self:
        """Refuse weights without a dimension."""
        if self.weights and len(self.weights) != len(self.dimensions):
            raise ValueError(
                f"expected a weight for each of {len(self.dimensions)} dimensions, got {len(self.weights)}"
            )
        return self
