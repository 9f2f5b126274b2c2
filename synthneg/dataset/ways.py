"""What a card says of how a dataset came to be: from a corpus, from given queries, from a topic, or imported whole."""

from collections.abc import Set
from typing import Literal, NamedTuple

from synthneg.records import Source

Came = Literal["given", "title", "written"]  # how a query came to be


class Way(NamedTuple):
    """The sentences that differ."""

    begun: str
    synthetic: str
    held_out: str


_WRITTEN = (
    "They are for training retrievers, and were verified by an encoder. The first document of each query, its positive,"
    " is a passage that the model wrote to answer it (grade 3); the others were written to be of a wanted grade, or are"
    " passages of other queries, mined as negatives by BM25, an encoder or a reranker (grade 1), or drawn (grade 0)."
)
_FALSE = (
    "no person has judged them. What they state may be\n"
    "  false: they show what an answer looks like, and are no source of facts."
)
_HELD_OUT = """\
- The validation split holds queries of other passages, written by the same prompts and models: it says nothing about
  the queries of real users."""
FROM_CORPUS = Way(
    "Queries and documents for training retrievers, written by a language model from a corpus of passages and"
    " verified by an encoder. The first document of each query is the corpus passage that the query was written"
    " from (grade 3); the others were written to be of a wanted grade, or are passages that were mined from the corpus"
    " as negatives: by BM25, an encoder or a reranker (grade 1), or at random (grade 0).",
    "- All queries and all documents but the corpus passages are synthetic; no person has judged them.",
    _HELD_OUT,
)
FROM_CORPUS_AND_TITLES = FROM_CORPUS._replace(
    begun=f"{FROM_CORPUS.begun} Some queries are the titles of their passages: those no model wrote.",
    synthetic="- All queries but titles, and all documents but the corpus passages, are synthetic; no person has judged"
    " them.",
)
FROM_TITLES = FROM_CORPUS._replace(
    begun="Titles of a corpus's passages as queries for training retrievers, verified by an encoder; no language model"
    " wrote them. The first document of each query is the passage that has the title (grade 3); the others were"
    " written to be of a wanted grade, or are passages that were mined from the corpus as negatives: by BM25, an"
    " encoder or a reranker (grade 1), or at random (grade 0).",
    synthetic="- Titles are no queries of users; no person has judged what answers them. Documents that are no corpus"
    " passages are synthetic.",
    held_out="""\
- The validation split holds the titles of other passages: it says nothing about the queries of real users.""",
)
FROM_QUERIES = Way(
    f"Given queries, and documents that a language model wrote for them: there was no corpus. {_WRITTEN}",
    f"- The queries were given. All documents, the positives too, are synthetic; {_FALSE}",
    """\
- The validation split holds other given queries, but their passages are written by the same prompts and models: it
  says nothing about real documents.""",
)
FROM_TOPIC = Way(
    "Queries and documents that a language model wrote for retrieval tasks of a topic: there was no corpus, and there"
    f" were no queries. {_WRITTEN}",
    f"- All queries and all documents, the positives too, are synthetic; {_FALSE}",
    _HELD_OUT,
)
FROM_DATASET = Way(
    "Queries, documents and labels of a dataset that was imported. The first document of each query is a passage that"
    " the dataset says answers it; others have the grade that their label came to (3 answers fully, 0 is unrelated).",
    "- What came with the dataset is as it was there; who has written and judged it, the dataset itself must say.",
    "- The validation split holds the queries of the dataset's own splits for validation and test.",
)


def way_of(kinds: Set[tuple[Came, Source]]) -> Way:
    """Return what fits examples of these kinds: how their query came to be, and the source of their positive."""
    if ("given", "corpus") in kinds:
        return FROM_DATASET
    came = {of_query for of_query, _ in kinds}
    if not any(source == "written" for _, source in kinds):
        if came == {"title"}:
            return FROM_TITLES
        return FROM_CORPUS_AND_TITLES if "title" in came else FROM_CORPUS
    return FROM_QUERIES if "given" in came else FROM_TOPIC
