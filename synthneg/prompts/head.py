"""The head of a prompt file: what it makes, what it needs, how it samples, and what the reply must be."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from synthneg.prompts.schema import bounded

# What a reply must be; a dict is a JSON schema. Of a `word`, what comes after it may be cut anywhere.
Form = Literal["text", "lines", "word"] | dict[str, Any]


class Between(BaseModel):
    """A whole number drawn evenly from low..high, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    low: int
    high: int

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class Sampling(BaseModel):
    """How the model samples; what is not set is the server's own default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    temperature: float = Field(ge=0, le=2)
    max_tokens: int = Field(ge=1, description="longest reply, in tokens")
    top_p: float | None = Field(default=None, gt=0, le=1)
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = Field(
        default=None, ge=1, le=20, description="alternatives of the first token to be told"
    )


class Examples(BaseModel):
    """Exemplars: `draw` of the pool at random, in one of `sets` draws that each record falls into.

    Fewer sets mean longer beginnings in common, which a server's prefix cache does not read again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    draw: int = Field(ge=1, le=50)
    sets: int = Field(ge=1)
    pool: tuple[dict[str, str], ...]

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.draw > len(self.pool):
            raise ValueError(f"draw {self.draw} of a pool of {len(self.pool)}")
        if any(example.keys() != self.pool[0].keys() for example in self.pool):
            raise ValueError("the examples of the pool must have the same keys")
        return self


Makes = Literal["query", "document", "negative", "judgement", "task"]
Variable = Literal[
    "passage", "related", "query", "mined", "document", "documents", "grade", "task", "topic"
]


class FrontMatter(BaseModel):
    """The head of a prompt file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    makes: Makes
    about: str
    needs: tuple[Variable, ...] = Field(min_length=1)
    grades: tuple[Annotated[int, Field(ge=0, le=3)], ...] = ()
    draws: dict[str, Between | Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    examples: Examples | None = None
    sampling: Sampling
    turns: dict[str, dict[str, Any]] = {}  # JSON schemas of open turns, by their names
    reply: Form = "text"

    @field_validator("turns", "reply")
    @classmethod
    def _bounded(cls, reply: Any, info: ValidationInfo) -> Any:
        sampling = info.data.get("sampling")  # not there if it is faulty itself
        if sampling is None or not isinstance(reply, dict):
            return reply
        try:
            if info.field_name == "turns":
                return {name: bounded(form, sampling.max_tokens) for name, form in reply.items()}
            return bounded(reply, sampling.max_tokens)
        except (AttributeError, TypeError) as error:
            raise ValueError("expected text, lines, word or a JSON schema") from error
