"""What all sections of the settings have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# Begins a value that stands for what was of another machine: nothing runs before somebody has put their own there.
FILL_IN = "<fill in"

Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
# In capitals, so that a key put here by mistake is refused before it is written down with the settings.
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")]


class Section(BaseModel):
    """A section of the settings: unknown keys are errors, numbers are finite, values do not change after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def words_in_order(fewest: int, most: int) -> None:
    """Refuse bounds between which no text lies.

    Raises:
        ValueError: `fewest` is above `most`.
    """
    if fewest > most:
        raise ValueError(
            f"expected min_words at most max_words, got {fewest} and {most}, which would reject everything"
        )
