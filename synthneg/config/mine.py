"""The settings of mining: negatives taken from the corpus as they are."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from synthneg.config.base import Section

Miner = Literal["bm25", "dense", "reranked", "random"]
Count = Annotated[int, Field(ge=0, le=100)]


class MineConfig(Section):
    """How many negatives each query gets from each source, and which passages may become one."""

    random: Count = Field(default=0, description="per query, drawn from the whole corpus; grade 0")
    bm25: Count = Field(default=4, description="per query, of those that BM25 finds; grade 1")
    dense: Count = Field(default=4, description="per query, of those nearest by verify.encoder")
    reranked: Count = Field(
        default=0,
        description="per query, of the best that bm25 and dense find, in the order of verify.reranker",
    )
    first_rank: int = Field(
        default=1,
        ge=1,
        description="rank from which on passages are taken, in the order of their source; the query's positives and"
        " their documents do not count",
    )
    last_rank: int = Field(default=100, ge=1, description="rank up to which passages are taken")
    draw: Literal["top", "random"] = Field(
        default="top", description="top: the first of those ranks; random: drawn from them by seed"
    )
    positive_aware: bool = Field(
        default=True,
        description="whether negatives must stay below the positive at all, as the next two say; false is for arms:"
        " verification drops them",
    )
    max_negative_share: float | None = Field(
        default=None,
        gt=0,
        le=2,
        description="TopK-PercPos: largest share of the positive's cosine; default:"
        " verify.documents.max_negative_share",
    )
    min_negative_margin: float | None = Field(
        default=None,
        ge=0,
        le=2,
        description="TopK-MarginPos: smallest distance below the positive's cosine; default:"
        " verify.documents.min_negative_margin",
    )
    max_cosine: float | None = Field(
        default=None, ge=-1, le=1, description="absolute cap: largest cosine to the query"
    )
    rerank_depth: int = Field(
        default=30,
        ge=1,
        le=1000,
        description="reranked: candidates that bm25 and dense give each; the reranker reads them all",
    )
    min_reranker_margin: float = Field(
        default=0.5,
        ge=0,
        description="reranked: how far below the positive's score, in standard deviations of the scores of the query's"
        " candidates",
    )
    approximate_above: int | None = Field(
        default=None,
        ge=1,
        description="dense: in a corpus of more passages, look through the nearest clusters alone, with a measured"
        " recall of 95 %; needs the extra faiss; null: all passages are compared",
    )

    @model_validator(mode="after")
    def _windows_hold_what_is_wanted(self) -> Self:
        """Refuse a window of ranks that is empty, too narrow, or beyond what a reranker reads."""
        width = self.last_rank - self.first_rank + 1
        most = max(self.bm25, self.dense, self.reranked)
        if width < max(most, 1):
            raise ValueError(
                f"expected at least {max(most, 1)} ranks from first_rank to last_rank, got"
                f" {self.first_rank} to {self.last_rank}"
            )
        read = 2 * self.rerank_depth
        if self.reranked and read < self.first_rank + self.reranked - 1:
            raise ValueError(
                f"reranked: {self.reranked} from rank {self.first_rank} on, but rerank_depth {self.rerank_depth} gives"
                f" at most {read} candidates; raise it"
            )
        return self

    @property
    def counts(self) -> dict[Miner, int]:
        """Negatives per query by source, of the sources that are to give any."""
        counts: dict[Miner, int] = {
            "bm25": self.bm25,
            "dense": self.dense,
            "reranked": self.reranked,
            "random": self.random,
        }
        return {source: count for source, count in counts.items() if count}
