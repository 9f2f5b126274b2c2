"""The settings of a run: one frozen model per stage, the only place with defaults, bounds and units.

`synthneg.settings` reads them from a file.
"""

import re
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
# In capitals, so that a key put here by mistake is refused before it is written down with the settings.
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")]

_QUERIES, _TASKS = "queries:", "tasks:"  # before what a corpus is written for
_SECRET = re.compile(r"token$|secret|password|api_key", re.IGNORECASE)


class Section(BaseModel):
    """A section of the settings: unknown keys are errors, values do not change after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CorpusConfig(Section):
    """Where the passages come from and which of them get queries."""

    path: str = Field(
        description="BEIR folder, .jsonl(.gz), .parquet, .csv/.tsv, saved HF dataset, Hub name, or a"
        " folder of documents; docstrings:numpy,scipy reads those packages' "
        "docstrings; without documents, queries:FILE (.txt, .jsonl, .csv, .tsv) has a passage written for each of your"
        " queries, and tasks:TOPIC has queries and passages written for tasks of a topic"
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
    def is_written(self) -> bool:
        """Whether the passages are written by the model."""
        return self.path.startswith((_QUERIES, _TASKS))


class PriceConfig(Section):
    """What the server charges, in USD per million tokens; a price that is not given is not known, and not 0."""

    input: float | None = Field(default=None, ge=0, description="of prompts")
    output: float | None = Field(default=None, ge=0, description="of replies")


class BudgetConfig(Section):
    """What a run may use, over all its starts; when one is used up, nothing more is asked for and the rest is made."""

    usd: float | None = Field(default=None, gt=0, description="needs llm.price")
    tokens: int | None = Field(default=None, ge=1, description="of prompts and replies together")
    requests: int | None = Field(default=None, ge=1, description="replies asked for and tries")
    minutes: float | None = Field(
        default=None, gt=0, description="of asking; counted anew at each start"
    )


class BatchConfig(Section):
    """How `llm.mode: batch` asks."""

    requests: int = Field(default=10_000, ge=1, le=50_000, description="most requests of one batch")
    poll_s: float = Field(
        default=30.0, gt=0, description="seconds between two looks at a batch's state"
    )


class LLMConfig(Section):
    """The language model that writes."""

    backend: Literal["local", "openai", "vllm"] = Field(
        default="local",
        description="local: llama.cpp in this process; openai: any OpenAI-compatible server; vllm: vLLM in "
        "this process",
    )
    model: str | None = Field(
        default=None,
        description="local: a GGUF file (default: SmolLM2-135M-Instruct); openai: the server's "
        "name for it; vllm: a folder of weights or a Hub name",
    )
    mode: Literal["live", "batch"] = Field(
        default="live",
        description="batch: the Batch API of backend openai, cheaper and slower",
    )
    base_url: str | None = Field(
        default=None, description="openai: address of the server, up to /v1"
    )
    api_key_env: Variable = Field(
        default="OPENAI_API_KEY",
        description="environment variable that holds the key; the key itself is never written "
        "anywhere",
    )
    concurrency: int = Field(
        default=16,
        ge=1,
        le=4096,
        description="most requests in flight; fewer while the server refuses some or only queues them",
    )
    requests_per_minute: int | None = Field(default=None, ge=1, description="the server's limit")
    input_tokens_per_minute: int | None = Field(default=None, ge=1, description="as above")
    output_tokens_per_minute: int | None = Field(default=None, ge=1, description="as above")
    timeout_s: float = Field(
        default=300.0, gt=0, description="longest wait for one reply, in seconds"
    )
    retries: int = Field(
        default=5, ge=0, le=20, description="further tries after 429, 5xx and broken connections"
    )
    reasks: int = Field(
        default=2,
        ge=0,
        le=10,
        description="further askings, with other seeds, when a reply does not parse",
    )
    context_tokens: int = Field(
        default=2048, ge=256, description="local: context of one request, in tokens"
    )
    threads: int = Field(default=0, ge=0, description="local: CPU threads; 0: one per core")
    engine: dict[str, Any] = Field(
        default={},
        description="vllm: arguments of its engine, such as tensor_parallel_size or gpu_memory_utilization",
    )
    price: PriceConfig = PriceConfig()
    budget: BudgetConfig = BudgetConfig()
    batch: BatchConfig = BatchConfig()

    @field_validator("engine")
    @classmethod
    def _without_secrets(cls, engine: dict[str, Any]) -> dict[str, Any]:
        """Refuse what must not be written down with the settings."""
        for name, value in engine.items():
            if isinstance(value, str) and _SECRET.search(name):
                raise ValueError(
                    f"no secret here, got {name}: settings are written down; put it into the environment (HF_TOKEN)"
                )
        return engine


class QueriesConfig(Section):
    """How queries are asked for."""

    prompts: tuple[str, ...] = Field(
        default=("query/question", "query/claim", "query/keywords"),
        min_length=1,
        description="prompt names or files that make a query from a passage",
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
    language: Literal["passage", "any"] = Field(
        default="passage",
        description="passage: a query in another language than its passage, or than the one its prompt draws, is asked"
        " again once, then rejected",
    )


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


class QueryChecks(Section):
    """What a query must satisfy."""

    min_words: int = Field(default=2, ge=1, description="shorter queries are rejected")
    max_words: int = Field(default=120, ge=1, description="longer queries are rejected")
    max_copied_words: int = Field(
        default=12, ge=1, description="longest run of words that may be copied from the passage"
    )
    round_trip_k: int = Field(
        default=20,
        ge=1,
        description="the passage must be among the query's k nearest of the corpus",
    )
    near_duplicate: Share = Field(
        default=0.95, description="cosine from which two queries of one passage are duplicates"
    )


class DocumentChecks(Section):
    """What a written document must satisfy. Similarities are cosines, in [-1, 1]."""

    min_words: int = Field(default=15, ge=1, description="shorter documents are rejected")
    max_words: int = Field(default=400, ge=1, description="longer documents are rejected")
    max_negative_share: float = Field(
        default=0.95,
        gt=0,
        le=2,
        description="TopK-PercPos: a negative must score below this share of the positive's score",
    )
    min_negative_margin: float = Field(
        default=0.05, ge=0, le=2, description="TopK-MarginPos: and this far below it"
    )
    max_similarity_to_positive: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="from this cosine on, a negative is a near copy of the positive",
    )
    near_duplicate_jaccard: Share = Field(
        default=0.8,
        description="share of word 5-grams in common from which two documents of a query are "
        "duplicates",
    )


class VerifyConfig(Section):
    """What verification measures and demands."""

    encoder: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        description="model that scores; a folder or a Hub name",
    )
    encode_batch: int = Field(default=64, ge=1, description="texts per encoder call")
    queries: QueryChecks = QueryChecks()
    documents: DocumentChecks = DocumentChecks()


Shape = Literal["triplet", "n-tuple", "labeled-list", "beir"]


class ExportConfig(Section):
    """Which datasets are made of the examples."""

    shapes: tuple[Shape, ...] = Field(
        default=("triplet", "n-tuple", "labeled-list", "beir"),
        min_length=1,
        description="each becomes a configuration of the dataset",
    )


class TrainConfig(Section):
    """How the retriever is trained."""

    base_model: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        description="model to start from; a folder or a Hub name",
    )
    loss: Literal["infonce"] = Field(
        default="infonce", description="infonce: in-batch and hard negatives, gradients cached"
    )
    negatives: int = Field(
        default=1,
        ge=0,
        le=16,
        description="hard negatives per query; a query with fewer repeats its own",
    )
    epochs: float = Field(default=1, gt=0, description="passes over the training pairs")
    batch_size: int = Field(default=32, ge=2, description="queries per batch")
    mini_batch_size: int = Field(
        default=16,
        ge=1,
        description="queries per forward pass; memory only, the result is the same",
    )
    learning_rate: float = Field(default=2e-5, gt=0, description="peak of the schedule")
    warmup: Share = Field(default=0.1, description="share of steps with a rising learning rate")
    temperature: float = Field(default=0.05, gt=0, description="softmax temperature of the loss")
    max_length: int = Field(default=256, ge=8, description="tokens per text")


class EvaluateConfig(Section):
    """How models are measured."""

    collections: tuple[str, ...] = Field(default=(), description="BEIR folders")
    split: str = Field(default="test", description="qrels/<split>.tsv of each collection")
    measures: tuple[str, ...] = Field(
        default=("nDCG@10", "P@10", "R@100"), min_length=1, description="names of ir-measures"
    )
    resamples: int = Field(
        default=10_000, ge=100, description="bootstrap samples and random permutations"
    )
    bm25: bool = Field(default=True, description="also measure BM25")


class PublishConfig(Section):
    """Where the dataset goes."""

    repo: str | None = Field(default=None, description="name/dataset on the Hub")
    private: bool = Field(default=True, description="only its owner sees it")
    license: str | None = Field(
        default=None, description="licence of the dataset, as the Hub spells it; yours to give"
    )


class RunConfig(Section):
    """All settings of one run."""

    run: Name = Field(description="the run's name and folder")
    seed: int = Field(
        default=7, ge=0, lt=2**31, description="everything that is drawn at random depends on it"
    )
    corpus: CorpusConfig
    llm: LLMConfig = LLMConfig()
    generate: GenerateConfig = GenerateConfig()
    verify: VerifyConfig = VerifyConfig()
    export: ExportConfig = ExportConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    publish: PublishConfig = PublishConfig()


def dump(config: RunConfig) -> str:
    """Return the settings as YAML, defaults filled in. They hold no secret: keys are named, not kept."""
    text: str = yaml.safe_dump(
        config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=1000
    )
    return text
