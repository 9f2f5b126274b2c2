"""The settings of a comparison: arms that are trained over the same queries and positives of one run."""

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from synthneg.config.base import Name, Section

Amount = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
ArmName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=20)
]  # short enough for a table


class ArmConfig(Section):
    """What an arm has of its own; all else is as in `settings` of the comparison, or else as in the run."""

    negatives: str | None = Field(
        default=None,
        description="where the negatives come from: none; one of bm25, dense, reranked, random, negative, graded; or"
        " several with their counts, such as bm25:2+dense:2; null: the documents of the run's examples as they are",
    )
    amount: Amount | None = Field(
        default=None,
        description="share of the passages whose queries are trained on, drawn by seed; a smaller share is part of a"
        " larger one",
    )
    prompts: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="only queries that these prompts wrote, by name or name@hash",
    )
    train: dict[str, Any] = Field(
        default={}, description="settings of the section train of a run, such as loss or base_model"
    )


class CompareConfig(Section):
    """All settings of one comparison."""

    compare: Name = Field(description="the comparison's name and folder")
    run: str = Field(
        min_length=1,
        description="name or folder of a run whose documents are verified; its queries and positives are trained on",
    )
    seeds: tuple[Seed, ...] = Field(
        default=(1, 2, 3), min_length=1, description="each arm is trained once with each"
    )
    evaluate: dict[str, Any] = Field(
        default={},
        description="the section evaluate of a run; what it leaves out is as in the run. A collection may have a split"
        " of its own, as in PATH:dev",
    )
    settings: ArmConfig = ArmConfig()
    arms: dict[ArmName, ArmConfig] = Field(min_length=1, description="what is compared, by name")
    curve: tuple[Amount, ...] = Field(
        default=(), description="amounts of one arm, each an arm of its own: a learning curve"
    )
    curve_of: str | None = Field(
        default=None, description="the arm of the learning curve; default: the first"
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        """Refuse a seed or an amount that comes twice, and a curve of no arm."""
        for name, values in (("seeds", self.seeds), ("curve", self.curve)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name}: expected each once, got {list(values)}")
        if self.curve_of is not None and self.curve_of not in self.arms:
            raise ValueError(
                f"curve_of: expected one of the arms {', '.join(self.arms)}, got {self.curve_of!r}"
            )
        if self.curve_of is not None and not self.curve:
            raise ValueError(
                "curve_of: there is no curve; give its amounts, such as curve: [0.25, 0.5]"
            )
        return self
