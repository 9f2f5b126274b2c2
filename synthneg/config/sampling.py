"""The settings of what comes in which batch: queries that are trained together, negatives, labelled data."""

from typing import Literal, Self

from pydantic import Field, model_validator

from synthneg.config.base import Section, Share
from synthneg.config.losses import Loss

Grouping = Literal["distinct", "tas", "ngame"]
Drawn = Literal["own", "star", "adore", "balanced", "progressive"]
_TAUGHT: tuple[Loss, ...] = ("kl", "ar2", "margin-mse")  # take a teacher's scores
_LISTS_ALONE: tuple[Loss, ...] = (*_TAUGHT, "listnet", "lambda")  # see no other query's documents


class SamplingConfig(Section):
    """Which queries come in one batch, and which negatives each of them gets there."""

    batches: Grouping = Field(
        default="distinct",
        description="distinct: at random; tas: of one cluster of queries; ngame: of clusters by the live model that"
        " double in size",
    )
    negatives: Drawn = Field(
        default="own",
        description="own: those of the examples alone; beside them passages drawn anew for each batch: star, from the"
        " base model's nearest; adore, from the live model's; balanced, evenly over the teacher's margins; progressive,"
        " from easy to hard",
    )
    hard: int = Field(default=1, ge=1, le=16, description="how many of these each query gets")
    random: int | None = Field(
        default=None,
        ge=0,
        le=16,
        description="and how many from the whole corpus; default: 1 with star, else 0",
    )
    depth: int = Field(
        default=200,
        ge=1,
        le=5000,
        description="ranks that they are drawn from; balanced, progressive: the teacher's first so many, and as many"
        " random passages",
    )
    refresh_steps: int = Field(
        default=50, ge=1, description="adore: steps after which negatives are mined anew"
    )
    bins: int = Field(
        default=10, ge=2, le=100, description="balanced: bins of a query's range of margins"
    )
    window: Share = Field(
        default=0.25,
        gt=0,
        description="progressive: share of a query's candidates, ordered by hardness, that is drawn from at a time",
    )
    clusters: int | None = Field(
        default=None, ge=1, description="tas: of queries; default: one for every four batches"
    )
    refresh_epochs: int = Field(
        default=1, ge=1, description="ngame: epochs after which clusters are made anew"
    )
    double_at: tuple[Share, ...] = Field(
        default=(0.033, 0.067, 0.083, 0.167, 0.25, 0.333, 0.417, 0.5, 0.667),
        description="ngame: shares of the training after which clusters, of one query at first, double in size",
    )

    @model_validator(mode="after")
    def _random_ones_are_drawn(self) -> Self:
        """Refuse random negatives where none are drawn."""
        if self.negatives == "own" and self.random:
            raise ValueError(
                f"expected negatives to say how others are drawn beside {self.random} random ones, got own; set it to"
                " star, adore, balanced or progressive"
            )
        return self

    @property
    def randoms(self) -> int:
        """How many negatives of a query are drawn from the whole corpus."""
        if self.random is not None:
            return self.random
        return 1 if self.negatives == "star" else 0


class MixConfig(Section):
    """Labelled data of people's own, which come in the same batches as what was generated."""

    collection: str | None = Field(
        default=None, description="a BEIR folder whose judged queries are trained on; null: none"
    )
    split: str = Field(default="train", description="qrels/<split>.tsv of it; never test")
    share: Share = Field(default=0.5, description="of each batch that is labelled, at first")
    last_share: Share | None = Field(
        default=None, description="and at the end, changing evenly between; default: the same"
    )

    @property
    def shares(self) -> tuple[float, float]:
        """The share at the beginning and at the end."""
        return self.share, self.share if self.last_share is None else self.last_share

    @model_validator(mode="after")
    def _never_the_test_split(self) -> Self:
        """Refuse to train on what models are measured on."""
        if self.split == "test":
            raise ValueError(
                "expected a split that is trained on, got test, which is for measuring; set split to train"
            )
        return self


def sampling_refusal(
    sampling: SamplingConfig,
    mix: MixConfig,
    loss: Loss,
    epochs: float,
    sees_batch: bool,
    stored: str | None,
) -> str:
    """Return why the settings of sampling are of no use to the loss; "" where they are.

    Args:
        sampling: what comes in which batch.
        mix: labelled data.
        loss: its name.
        epochs: of the training.
        sees_batch: whether a term of the loss sees other queries' documents, whatever the loss.
        stored: name of the teacher whose scores stand in the examples; None where it is a model.
    """
    grouped, mixed = sampling.batches != "distinct", mix.collection is not None
    if grouped and loss in _LISTS_ALONE and not sees_batch:
        return (
            f"sampling.batches {sampling.batches}: {loss} sees a query's own list alone, so it does not matter which"
            " queries come in one batch; set infonce.weight above 0, or sampling.batches to distinct"
        )
    if grouped and mixed:
        return (
            f"sampling.batches {sampling.batches}: with mix.collection, the share of labelled data says what comes in a"
            " batch; set sampling.batches to distinct"
        )
    if sampling.batches == "ngame" and epochs <= 1:
        return (
            f"sampling.batches ngame: clusters grow from epoch to epoch, and epochs is {epochs:g};"
            " set it above 1"
        )
    if stored and loss in _TAUGHT and (mixed or sampling.negatives != "own"):
        what = "mix.collection" if mixed else f"sampling.negatives {sampling.negatives}"
        return (
            f"{what}: {loss} needs the teacher's score of every document, and lists.teacher {stored} has those of the"
            " examples alone; name a model"
        )
    return ""
