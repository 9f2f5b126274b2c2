"""The settings of what is made of the examples: datasets, a retriever, its measures, a place on the Hub."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from synthneg.config.base import Section, Share
from synthneg.config.encoding import Precision
from synthneg.config.losses import (
    GuideConfig,
    InfoNCEConfig,
    ListsConfig,
    Loss,
    MatryoshkaConfig,
)
from synthneg.config.sampling import MixConfig, SamplingConfig, sampling_refusal
from synthneg.config.shapes import Shape
from synthneg.config.students import Kind, LoraConfig, RerankConfig, SparseConfig, Student


class ExportConfig(Section):
    """Which datasets are made of the examples."""

    shapes: tuple[Shape, ...] = Field(
        default=("triplet", "n-tuple", "labeled-list", "beir"),
        min_length=1,
        description="formats in which they are written: pair, triplet, n-tuple, n-tuple-scores, margin-mse,"
        " labeled-pair and labeled-list for sentence-transformers; beir, tevatron, rlhn, flagembedding, pylate,"
        " msmarco",
    )


class TrainConfig(Section):
    """How the retriever is trained."""

    base_model: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        description="model to start from; a folder or a Hub name",
    )
    student: Student = Field(
        default="auto",
        description="what it becomes: bi-encoder, cross-encoder (a reranker), sparse or multi-vector; auto: what it is",
    )
    lora: LoraConfig | None = Field(
        default=None,
        description="train low-rank adapters instead of the weights; null: the weights",
    )
    sparse: SparseConfig = SparseConfig()
    documents: Literal["trained", "frozen"] = Field(
        default="trained",
        description="bi-encoder: frozen: documents keep the base model's vectors, so that an index of them stays valid,"
        " and the side of the queries alone is trained, which takes a tenth of the time",
    )
    loss: Loss = Field(
        default="infonce",
        description="infonce, source-share, gist, bce: a positive and its negatives; margin-mse, kl, ar2: lists with a"
        " teacher's scores; listnet, ws2, rank-pairs, lambda: graded lists",
    )
    infonce: InfoNCEConfig = InfoNCEConfig()
    lists: ListsConfig = ListsConfig()
    guide: GuideConfig = GuideConfig()
    matryoshka: MatryoshkaConfig = MatryoshkaConfig()
    sampling: SamplingConfig = SamplingConfig()
    mix: MixConfig = MixConfig()
    negatives: int = Field(
        default=1,
        ge=0,
        le=16,
        description="hard negatives per query; a query with fewer repeats its own",
    )
    epochs: float = Field(default=1, gt=0, description="passes over the training pairs")
    batch_size: int = Field(
        default=32, ge=2, description="queries per batch, over all processes together"
    )
    processes: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default=1,
        description="processes that share each batch, each on a GPU of its own where there are any; auto: as many as"
        " there are GPUs",
    )
    mini_batch_size: int = Field(
        default=16,
        ge=1,
        description="queries per forward pass; memory only, the result is the same",
    )
    learning_rate: float = Field(
        default=2e-5,
        gt=0,
        description="peak of the schedule; a static table of word vectors takes about 0.2",
    )
    warmup: Share = Field(default=0.1, description="share of steps with a rising learning rate")
    temperature: float | None = Field(
        default=None,
        gt=0,
        description="softmax temperature of the loss; by default .05 for a bi-encoder, of cosines, else 1",
    )
    max_length: int = Field(default=256, ge=8, description="tokens per text")
    precision: Precision = Field(
        default="auto",
        description="of the student's arithmetic, not of its weights; auto: bfloat16 on a GPU that has it; many newer"
        " CPUs have it, too",
    )
    allow_leaks: bool = Field(
        default=False,
        description="train though texts of an evaluation set are among the examples",
    )

    def softmax_temperature(self, student: Kind) -> float:
        """Softmax temperature of the loss for a kind of student; MaxSim, sparse products and logits are no cosines."""
        if self.temperature is not None:
            return self.temperature
        return 0.05 if student == "bi-encoder" else 1.0

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that training takes beside verify.encoder: the base, and who teaches or guides it."""
        teaches = self.loss in ("kl", "ar2", "margin-mse") and self.lists.scorer is None
        others = (self.lists.teacher if teaches else None, self.guide.model)
        guided = others if self.loss == "gist" else others[:1]
        return (self.base_model, *(name for name in guided if name is not None))

    @field_validator("processes", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        """Refuse what is no number of processes, in one line for both of the kinds that it may be of."""
        if value != "auto" and not (isinstance(value, int) and value >= 1):
            raise ValueError(f"expected a whole number from 1 on, or auto, got {value!r:.80}")
        return value

    @model_validator(mode="after")
    def _a_batch_can_be_shared(self) -> Self:
        """Refuse processes that a batch cannot be dealt out to evenly, or that would have nothing to do."""
        if self.processes == 1:
            return self
        if self.processes != "auto" and self.batch_size % self.processes:
            raise ValueError(
                f"processes: expected a divisor of batch_size, which is {self.batch_size}, got {self.processes}"
            )
        if self.documents == "frozen":
            raise ValueError(
                f"processes: expected 1 with documents frozen, of which one process trains all that there is to train,"
                f" got {self.processes}"
            )
        return self

    @model_validator(mode="after")
    def _words_are_known(self) -> Self:
        """Refuse BM25 beside scores that hold it or not, and for negatives that are drawn while training goes on."""
        if self.lists.lexical and self.lists.scorer is not None:
            raise ValueError(
                f"lists.lexical: expected a model as the teacher, got lists.teacher {self.lists.teacher}; set it to 0"
            )
        if self.lists.lexical and self.sampling.negatives != "own":
            raise ValueError(
                f"lists.lexical: expected sampling.negatives own, got {self.sampling.negatives}; set one of them back"
            )
        return self

    @model_validator(mode="after")
    def _a_batch_can_be_scored(self) -> Self:
        """Refuse to rank the documents of a batch where nobody scores them all, or the loss knows own lists alone."""
        if self.lists.among == "own":
            return self
        if self.loss != "kl":
            raise ValueError(
                f"lists.among batch: expected the loss kl, got {self.loss}; set it to own"
            )
        if self.lists.scorer is not None or self.sampling.negatives != "own":
            drawn = f"sampling.negatives {self.sampling.negatives}"
            other = drawn if self.lists.scorer is None else f"lists.teacher {self.lists.teacher}"
            raise ValueError(
                f"lists.among batch: expected a model as the teacher and no drawn negatives, got {other};"
                " set it to own, for only a model can score every document of a batch for every query of it"
            )
        if self.matryoshka.dimensions:
            raise ValueError(
                "lists.among batch: cannot be cut to matryoshka.dimensions; leave one out"
            )
        return self

    @model_validator(mode="after")
    def _sampling_reaches_the_loss(self) -> Self:
        """Refuse batches or negatives that the loss cannot make use of, and say why."""
        sees_batch = self.infonce.weight > 0 or self.lists.among == "batch"
        stored = self.lists.teacher if self.lists.scorer is not None else None
        refusal = sampling_refusal(
            self.sampling, self.mix, self.loss, self.epochs, sees_batch, stored
        )
        if refusal:
            raise ValueError(refusal)
        return self


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
    bm25: bool = Field(
        default=True, description="also measure BM25, and each model together with it"
    )
    rerank: RerankConfig = RerankConfig()


class PublishConfig(Section):
    """Where dataset and model go."""

    repo: str | None = Field(default=None, description="name/dataset on the Hub")
    model_repo: str | None = Field(default=None, description="name/model on the Hub")
    collection: str | None = Field(
        default=None,
        min_length=1,
        max_length=59,
        description="title of the Hub's collection that holds both where both are sent; default: the run's name",
    )
    private: bool = Field(default=True, description="only their owner sees them")
    license: str | None = Field(
        default=None, description="licence of the dataset, as the Hub spells it; yours to give"
    )
    model_license: str | None = Field(
        default=None, description="likewise that of the model, which its base may restrict"
    )
