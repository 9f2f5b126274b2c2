"""Queries that people have labelled, as examples to be trained on beside what was generated."""

from collections.abc import Iterator, Mapping

from synthneg.records import GIVEN, Example, Judged, Origin

_MARK = "labelled:"  # before ids of a collection, which may be ids of the run's passages, too


def labelled_examples(
    name: str,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    documents: Mapping[str, str],
) -> Iterator[Example]:
    """Yield an example of each query for which a document is judged relevant, in the order of the judgements.

    What is judged relevant answers, and is of grade 3; what is judged and not relevant is of grade 0. Judged documents
    that are not there are left out.

    Args:
        name: of the collection.
        queries: id -> text.
        qrels: query id -> document id -> grade; above 0 is relevant.
        documents: id -> title and text.
    """
    origin = Origin(GIVEN, name, {}, 0, "")
    for id, text in queries.items():
        judged = [(d, grade > 0) for d, grade in qrels[id].items() if d in documents]
        judged.sort(key=lambda one: not one[1])
        if judged and judged[0][1]:
            found = tuple(_document(d, documents[d], answers) for d, answers in judged)
            yield Example(f"{_MARK}{id}", text, found[0].id, "train", origin, found)


def _document(id: str, text: str, answers: bool) -> Judged:
    grade = 3 if answers else 0
    return Judged(f"{_MARK}{id}", text, "", grade, "corpus" if answers else "random", {}, None)
