"""All that verdicts depend on but thresholds, as numbers: measured once, read again whenever a threshold changes.

`query_facts.jsonl` has a line for each query of queries.jsonl, `document_facts.jsonl` one for each query that has
documents. Both are views of texts and scores; to judge by them takes microseconds a record, and no text is read
but those that go into the output.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

from synthneg.records import POSITIVE_SOURCES, Document
from synthneg.verify.copied import longest_shared_run
from synthneg.verify.duplicate import Shingles, jaccard, shingles
from synthneg.verify.speaks import phrase_about_passage
from synthneg.words import words


class QueryFacts(NamedTuple):
    """What the verdict on a query depends on."""

    id: str
    passage_id: str
    words: int
    speaks: str | None  # the words by which it speaks of its passage
    copied: int  # words of the longest run that its passages have, too
    copied_words: str
    logprob: float | None  # mean logarithm of the probabilities of its tokens
    twin: str  # id of the first query with the same words; its own where that is itself
    ranks: Mapping[str, int]  # of each passage it was written from, among all; 1 is the nearest
    reranked: Mapping[
        str, int
    ]  # likewise, among the nearest as a reranker orders them; empty without one
    earlier: Mapping[str, float]  # cosine to each earlier query of the same passage, by its id


class DocumentFacts(NamedTuple):
    """What the verdict on a document depends on, beside the other documents of its query."""

    id: str
    at: Sequence[int]  # where in documents.jsonl begin and end its line, text, title and origin
    source: str
    grade: int  # the one wanted
    prompt: str | None  # tag of the prompt that it comes from
    words: int
    twin: int  # place of the query's first document with the same words
    shared: Sequence[
        tuple[int, float]
    ]  # place of an earlier document, share of 5-grams in common; above 0
    scores: dict[str, float]  # by scorer

    @property
    def is_passage(self) -> bool:
        """Whether this is a positive of the query."""
        return self.source in POSITIVE_SOURCES


class Group(NamedTuple):
    """The documents of one query, in the order of an example, and whether there is anything to judge."""

    query_id: str
    state: Literal["whole", "no_positive", "query_rejected"]
    documents: list[DocumentFacts]

    @classmethod
    def of_row(cls, row: Any) -> Self:
        """Return the group that `to_row` has written."""
        query_id, state, documents = row
        return cls(query_id, state, list(map(DocumentFacts._make, documents)))

    def to_row(self) -> list[Any]:
        """Return what stands on the line."""
        return [self.query_id, self.state, [list(document) for document in self.documents]]


def query_facts(
    id: str,
    passage_id: str,
    text: str,
    passages: str,
    logprob: float | None,
    twin: str,
    ranks: Mapping[str, int],
    reranked: Mapping[str, int],
    earlier: Mapping[str, float],
) -> QueryFacts:
    """Return the facts of a query with this `text`; `passages` is the text of all that it was written from."""
    query = words(text)
    run, start = longest_shared_run(query, words(passages))
    return QueryFacts(
        id,
        passage_id,
        len(query),
        phrase_about_passage(text),
        run,
        " ".join(query[start : start + run]),
        logprob,
        twin,
        ranks,
        reranked,
        earlier,
    )


def document_facts(
    documents: Sequence[Document],
    places: Sequence[Sequence[int]],
    scores: Sequence[dict[str, float]],
) -> list[DocumentFacts]:
    """Return the facts of the documents of one query; `places` and `scores` are theirs, in the same order."""
    first: dict[str, int] = {}
    grams: list[Shingles] = []
    facts = []
    for place, document in enumerate(documents):
        said = words(document.full_text)
        mine = shingles(said)
        shares = ((other, jaccard(mine, theirs)) for other, theirs in enumerate(grams))
        grams.append(mine)
        facts.append(
            DocumentFacts(
                document.id,
                places[place],
                document.source,
                document.grade,
                document.origin.prompt if document.origin else None,
                len(said),
                first.setdefault(" ".join(said), place),
                [(other, share) for other, share in shares if share],
                scores[place],
            )
        )
    return facts
