"""The settings of verification."""

from pydantic import Field

from synthneg.config.base import Section, Share
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
    encoding: EncodingConfig = EncodingConfig()
    queries: QueryChecks = QueryChecks()
    documents: DocumentChecks = DocumentChecks()
