"""The texts of the items that a person is shown, each file read once."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from synthneg.progress import track
from synthneg.records import Document, Passage, Query
from synthneg.review.answers import Key, mark_of
from synthneg.review.items import Item
from synthneg.run.books import read_records


@dataclass(frozen=True, slots=True)
class Shown:
    """A query, and the text that is asked about; of a query over several passages all of them."""

    query: str
    parts: tuple[tuple[str, str], ...]  # title and text of each

    @property
    def text(self) -> str:
        """All of the text, titles above it."""
        return "\n\n".join(f"{title}\n{text}" if title else text for title, text in self.parts)

    @property
    def mark(self) -> str:
        """The fingerprint by which an answer about other texts is known."""
        return mark_of(self.query, self.text)


def texts_of(folder: Path, items: Iterable[Item]) -> Mapping[Key, Shown]:
    """Return by its key what is shown of each item.

    Raises:
        RunError: a file is missing.
    """
    own, others = [], set()
    for item in items:
        if item.question == "answers":
            own.append(item)
        else:
            others.add(item.key)
    wanted = {item.query_id for item in own} | {query_id for query_id, _ in others}
    read = track(read_records(folder / "queries.jsonl", Query), "review", "queries read")
    queries = {query.id: query for query in read if query.id in wanted}
    about = {i.key: (i.document_id, *queries[i.query_id].also) for i in own}
    passages = _passages(folder, {id for ids in about.values() for id in ids})
    found = {
        key: Shown(queries[key[0]].text, tuple(passages[id] for id in ids))
        for key, ids in about.items()
    }
    if others:
        read_documents = read_records(folder / "documents.jsonl", Document)
        for document in track(read_documents, "review", "documents read"):
            key = (document.query_id, document.id)
            if key in others:
                part = (document.title, document.text)
                found[key] = Shown(queries[document.query_id].text, (part,))
    return found


def _passages(folder: Path, wanted: Collection[str]) -> dict[str, tuple[str, str]]:
    read = track(read_records(folder / "passages.jsonl", Passage), "review", "passages read")
    return {passage.id: (passage.title, passage.text) for passage in read if passage.id in wanted}
