"""The settings of the corpus."""

from typing import Literal, Self

from pydantic import Field, model_validator

from synthneg.config.base import Section, Share
from synthneg.config.shapes import SHAPES, Shape

_QUERIES, _TASKS = "queries:", "tasks:"  # before what a corpus is written for


class CorpusConfig(Section):
    """Where the passages come from and which of them get queries."""

    path: str = Field(
        description="BEIR folder, .jsonl(.gz), .parquet, .csv/.tsv, saved HF dataset, Hub name, or a"
        " folder of documents; docstrings:numpy,scipy reads those packages' "
        "docstrings; without documents, queries:FILE (.txt, .jsonl, .csv, .tsv) has a passage written for each of your"
        " queries, and tasks:TOPIC has queries and passages written for tasks of a topic; FORMAT:PATH, such as"
        " beir:data/scifact, is a dataset with queries and labels, as `synthneg import` takes it in"
    )
    limit: int | None = Field(
        default=None, ge=1, description="how many passages get queries; all are searched"
    )
    sample: Literal["random", "cluster", "all"] = Field(
        default="random",
        description="how those passages are chosen; cluster: from all topics, by the vectors of verify.encoder",
    )
    clusters: int | None = Field(
        default=None,
        ge=1,
        description="sample cluster: into how many the corpus is cut (default: a fifth of limit, at most 1,000)",
    )
    held_out: Share = Field(
        default=0.1, description="share of passages whose queries are kept for validation"
    )
    chunk_tokens: int = Field(
        default=256, ge=16, description="longest piece of a raw document, in tokens"
    )
    chunk_overlap: int = Field(
        default=32, ge=0, description="tokens that neighbouring pieces share"
    )
    min_words: int = Field(default=5, ge=1, description="shorter passages are rejected")
    max_chars: int = Field(
        default=100_000, ge=100, description="longer passages are rejected; chunk them first"
    )
    id_field: str = Field(
        default="_id",
        description="column of the id in JSONL, Parquet, CSV and datasets (`id` is tried too)",
    )
    text_field: str = Field(default="text", description="column of the text")
    title_field: str = Field(default="title", description="column of the title; may be absent")

    @model_validator(mode="after")
    def _whole_dataset(self) -> Self:
        """Refuse to take a part of a dataset: its queries are all asked already."""
        if self.dataset is not None and (self.limit is not None or self.sample != "random"):
            raise ValueError(
                f"limit and sample choose passages that get queries, and {self.path} has its own; leave them out"
            )
        return self

    @model_validator(mode="after")
    def _of_one_mind(self) -> Self:
        """Refuse clusters without a limit to fill, more of them than chosen passages, and a number for no use."""
        if self.sample != "cluster":
            if self.clusters is not None:
                raise ValueError(f"clusters goes with sample: cluster, got sample: {self.sample}")
        elif self.limit is None:
            raise ValueError("sample: cluster needs a limit, the number of passages to choose")
        elif self.clusters is not None and self.clusters > self.limit:
            raise ValueError(f"expected at most limit ({self.limit}) clusters, got {self.clusters}")
        return self

    @property
    def queries(self) -> str | None:
        """The file of the user's own queries, where these are all that there is."""
        return self.path.removeprefix(_QUERIES) if self.path.startswith(_QUERIES) else None

    @property
    def topic(self) -> str | None:
        """The topic, where that is all that there is."""
        topic = " ".join(self.path.removeprefix(_TASKS).split())
        return topic if self.path.startswith(_TASKS) else None

    @property
    def dataset(self) -> tuple[Shape, str] | None:
        """Format and path of a dataset that has queries and labels of its own; None where there are only documents."""
        name, _, path = self.path.partition(":")
        shape = next((shape for shape in SHAPES if shape == name), None)
        return None if shape is None or not path else (shape, path)

    @property
    def is_written(self) -> bool:
        """Whether the passages are written by the model."""
        return self.path.startswith((_QUERIES, _TASKS))
