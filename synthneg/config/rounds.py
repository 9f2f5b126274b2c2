"""The settings of further rounds: more queries like those that the tuned model fails."""

from pydantic import Field

from synthneg.config.base import Name, Section


class RoundsConfig(Section):
    """What counts as a failure of the tuned model, and what is asked because of it."""

    after: Name | None = Field(
        default=None,
        description="run beside this one, in the same folder, of which this is the next round; `synthneg run --round N`"
        " sets it",
    )
    number: int = Field(default=1, ge=1, description="which round this run is; likewise")
    top_k: int = Field(
        default=1,
        ge=1,
        description="a query has failed where its own passage is not among the tuned model's so many nearest",
    )
    margin: float = Field(
        default=0.02,
        ge=-2,
        le=2,
        description="or does not lie this far above the nearest other passage, in cosines; -2: whatever it is",
    )
    neighbours: int = Field(
        default=2,
        ge=0,
        le=50,
        description="passages nearest to that of a failed query, which get queries too; none is held out",
    )
    exemplars: int = Field(
        default=12,
        ge=0,
        le=50,
        description="failed queries that a prompt is shown as exemplars, at most half of its own; their passages get no"
        " further queries, which would only repeat them",
    )
