"""The settings of verification."""

from typing import Literal, Self

from pydantic import Field, model_validator

from synthneg.config.base import Section, Share, words_in_order
from synthneg.config.encoding import EncodingConfig


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
    rerank_depth: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="with verify.reranker: it must put the passage first of the query's so many nearest; 0: not asked",
    )
    min_logprob: float | None = Field(
        default=None,
        le=0,
        description="smallest mean logarithm of the probabilities of a query's tokens, where generate.queries.logprobs"
        " has them told (InPars keeps the most probable); null: whatever it is",
    )
    near_duplicate: Share = Field(
        default=0.95, description="cosine from which two queries of one passage are duplicates"
    )

    @model_validator(mode="after")
    def _words_in_order(self) -> Self:
        words_in_order(self.min_words, self.max_words)
        return self


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
        default=0.85,
        gt=0,
        le=1,
        description="from this cosine on, a negative is a near copy of the positive",
    )
    near_duplicate_jaccard: Share = Field(
        default=0.5,
        description="share of word 5-grams in common from which two documents of a query are "
        "duplicates",
    )
    doubt_below: float = Field(
        default=0.1,
        ge=0,
        le=2,
        description="a negative that the encoder passes by less than this is shown to a stronger witness, a "
        "reranker or a judge, which decides",
    )
    doubt_above: float = Field(
        default=2,
        ge=0,
        le=2,
        description="likewise one that it would drop by less than this; 2: all of them",
    )
    min_rerank_margin: float = Field(
        default=0,
        description="a negative must score this far below the positive by the reranker, on the reranker's own scale",
    )
    on_answers: Literal["keep", "drop", "relabel"] = Field(
        default="drop",
        description="what becomes of a negative that answers: kept and flagged, dropped, or given the grade that it "
        "deserves where a reranker or judge can tell it (RLHN, ARHN)",
    )
    max_answering: int | None = Field(
        default=None,
        ge=0,
        description="a query with more negatives that answer is dropped with all its documents (RLHN: 8)",
    )
    easy_margin: float = Field(
        default=0.5,
        ge=0,
        le=2,
        description="a negative that lies this far below the positive is flagged too_easy, and kept",
    )
    on_inversion: Literal["keep", "regrade", "drop"] = Field(
        default="keep",
        description="what becomes of graded documents whose scores do not fall as their grades do: kept and flagged, "
        "their grades dealt out anew by score, or as few as possible dropped",
    )

    @model_validator(mode="after")
    def _words_in_order(self) -> Self:
        words_in_order(self.min_words, self.max_words)
        return self


class LeakChecks(Section):
    """What counts as a leak: a text of the run that an evaluation set holds too.

    The evaluation sets are those of `evaluate.collections` with `evaluate.split`, and the ones named here.
    """

    collections: tuple[str, ...] = Field(
        default=(),
        description="further evaluation sets: a BEIR folder, or FOLDER:SPLIT where the split is another one",
    )
    action: Literal["drop", "report"] = Field(
        default="drop",
        description="drop: leaks are rejected; report: they are counted, and training refuses them",
    )
    passages: Literal["drop", "report"] = Field(
        default="report",
        description="what becomes of a query that was written from a passage which an evaluation set judges relevant",
    )
    query_jaccard: float = Field(
        default=0.7,
        ge=0.5,
        le=1,
        description="share of character 3-grams in common from which a query is one of an evaluation set",
    )
    query_cosine: float | None = Field(
        default=0.9, ge=0.7, le=1, description="cosine from which it is one; null: whatever it is"
    )
    document_jaccard: float = Field(
        default=0.5,
        ge=0.5,
        le=1,
        description="share of word 5-grams in common from which a document is one that an evaluation set judges"
        " relevant",
    )
    document_cosine: float | None = Field(
        default=0.95, ge=0.7, le=1, description="cosine from which it is one; null: whatever it is"
    )


class DuplicateChecks(Section):
    """What counts as the same text across the whole set; what repeats within one query or passage has its own bound."""

    query_jaccard: float = Field(
        default=0.9,
        ge=0.5,
        le=1,
        description="share of character 3-grams in common from which two queries are duplicates",
    )
    query_cosine: float | None = Field(
        default=0.98,
        ge=0.8,
        le=1,
        description="cosine from which they are; null: whatever it is",
    )
    document_jaccard: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="share of word 5-grams in common from which written documents of different queries are one",
    )
    document_queries: int = Field(
        default=3, ge=1, description="queries that may have the same written document"
    )


class ContentChecks(Section):
    """What a model may not have written; beside that, refusals and talk of the task are always rejected."""

    private: tuple[Literal["email", "phone"], ...] = Field(
        default=(),
        description="data of a person that queries and written documents may not hold; needs the extra content",
    )
    phone_region: str | None = Field(
        default=None,
        pattern="^[A-Z]{2}$",
        description="country whose numbers are found without a + in front, such as US; null: none",
    )


class ProbeChecks(Section):
    """The shortcut probe: what a classifier that sees no query can tell of a document."""

    examples: int = Field(
        default=500, ge=0, description="examples that are looked at, drawn by the seed; 0: none"
    )
    warn_above: Share = Field(default=0.8, description="AUC from which a shortcut is a warning")


class VerifyConfig(Section):
    """What verification measures and demands."""

    encoder: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        description="model that scores; a folder or a Hub name",
    )
    encode_batch: int = Field(default=64, ge=1, description="texts per encoder call")
    encode_processes: int = Field(
        default=1,
        ge=1,
        le=256,
        description="that encode on a CPU, each with a copy of the weights and its share of the cores; more than one"
        " pays where there are many cores; a GPU takes no notice",
    )
    encoding: EncodingConfig = EncodingConfig()
    reranker: str | None = Field(
        default=None,
        description="cross-encoder that scores each query with its documents as a second witness; a folder or a Hub "
        "name",
    )
    judge: str | None = Field(
        default=None,
        description="prompt by which the language model judges the negatives that the encoder finds doubtful, such as "
        "judge/listwise; within llm.budget, but plan does not count it",
    )
    calibrate: bool = Field(
        default=False,
        description="take max_negative_share, min_negative_margin, max_similarity_to_positive, near_duplicate and "
        "easy_margin from the cosines of this corpus with this encoder; calibration.json says what was found",
    )
    catch: Share = Field(
        default=0.6,
        description="with calibrate: share of negatives that answer which the margin is to catch, if they are as near "
        "their queries as passages are to their own",
    )
    approximate_above: int | None = Field(
        default=None,
        ge=1,
        description="of more passages, or queries, look through the nearest clusters alone for a query's rank and its"
        " near duplicates; how many verdicts differ is measured on 1,000 queries and told; null: all are compared",
    )
    queries: QueryChecks = QueryChecks()
    documents: DocumentChecks = DocumentChecks()
    leaks: LeakChecks = LeakChecks()
    duplicates: DuplicateChecks = DuplicateChecks()
    content: ContentChecks = ContentChecks()
    probe: ProbeChecks = ProbeChecks()

    @model_validator(mode="after")
    def _witnesses_are_named(self) -> Self:
        if self.documents.on_answers == "relabel" and self.reranker is None and self.judge is None:
            raise ValueError(
                "documents.on_answers: relabel needs a second witness, since the encoder alone cannot tell a negative"
                " that answers from one that is near; name a reranker or a judge"
            )
        if self.queries.rerank_depth and self.reranker is None:
            raise ValueError(
                "queries.rerank_depth needs a reranker, and verify.reranker names none; set it to a cross-encoder's"
                " folder or Hub name"
            )
        return self
