"""The settings of what the language model writes."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from synthneg.config.base import Section


class QueriesConfig(Section):
    """How queries are asked for."""

    prompts: tuple[str, ...] = Field(
        default=("query/question", "query/claim", "query/keywords"),
        description="prompt names or files that make a query from a passage; empty: none, with titles alone",
    )
    titles: bool = Field(
        default=False,
        description="a passage's own title is one of its queries, too: no model is asked, so it is what written"
        " queries must be worth more than; `compare` has them as an arm, prompts: [title]",
    )
    per_passage: int = Field(
        default=1, ge=1, description="queries asked for, per passage and prompt"
    )
    first_draw: int = Field(
        default=0, ge=0, description="number of the first of them; another gives other replies"
    )
    rounds: int = Field(
        default=1,
        ge=0,
        le=10,
        description="how often a query that says what an earlier one said, or what too many say, is asked again;"
        " with llm.mode: batch each round is a further batch",
    )
    worn_share: float | None = Field(
        default=None,
        ge=0.01,
        le=1,
        description="share of a prompt's queries that may have a first word, or three words in a row, in common",
    )
    logprobs: bool = Field(
        default=False,
        description="ask how probable each query was to the model, which verify.queries.min_logprob judges; another"
        " value asks for all queries anew",
    )
    language: Literal["passage", "any"] = Field(
        default="passage",
        description="passage: a query in another language than its passage, or than the one its prompt draws, is asked"
        " again once, then rejected",
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        """Refuse to ask for nothing."""
        if not (self.prompts or self.titles):
            raise ValueError(
                "prompts is empty: name a prompt, such as query/question, or set titles: true to have the passages'"
                " own titles as queries"
            )
        return self


class PassagesConfig(Section):
    """The prompts that write passages where `corpus.path` is `queries:FILE` or `tasks:TOPIC`; names or files."""

    positive: str = Field(
        default="document/positive", description="writes a passage that answers a query"
    )
    brainstorm: str = Field(default="task/brainstorm", description="lists tasks of a topic")
    example: str = Field(
        default="task/example", description="writes query, positive and negative for a task"
    )


class DocumentsConfig(Section):
    """How documents of graded relevance are asked for."""

    prompts: tuple[str, ...] = Field(
        default=("document/graded",), description="prompt names or files; empty: none"
    )
    first_draw: int = Field(
        default=0, ge=0, description="number of the draw; another gives other replies"
    )


class NegativesConfig(Section):
    """How hard negatives are asked for."""

    prompts: tuple[str, ...] = Field(
        default=("negative/from-query",), description="prompt names or files; empty: none"
    )
    per_query: int = Field(default=1, ge=1, description="negatives asked for, per query and prompt")
    first_draw: int = Field(
        default=0, ge=0, description="number of the first of them; another gives other replies"
    )


class ReplaceConfig(Section):
    """What of a prompt's file a run replaces by its own."""

    examples: tuple[dict[str, str], ...] = Field(
        default=(), description="pool of exemplars, with the keys of the prompt's own"
    )
    draws: dict[str, Any] = Field(
        default={}, description="lists, or {low, high}, of attributes that the prompt draws"
    )


class GenerateConfig(Section):
    """What the language model writes."""

    passages: PassagesConfig = PassagesConfig()
    queries: QueriesConfig = QueriesConfig()
    documents: DocumentsConfig = DocumentsConfig()
    negatives: NegativesConfig = NegativesConfig()
    replace: dict[str, ReplaceConfig] = Field(
        default={}, description="by prompt: exemplars and draws of your own instead of the file's"
    )
    passage_chars: int = Field(
        default=4000,
        ge=100,
        description="a passage longer than this is cut in the prompt, in characters",
    )
