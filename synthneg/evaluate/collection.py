"""Test collections: documents, queries and judgements, from a folder in BEIR format or from a run's own records."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from synthneg.errors import CollectionError
from synthneg.records import Passage

Qrels = Mapping[str, Mapping[str, int]]  # query id -> document id -> grade; above 0 is relevant
_QRELS_LINE = "query-id, corpus-id and a whole-number score, separated by tabs"


@dataclass(frozen=True, slots=True)
class Collection:
    """What a retriever is measured on; every query has judgements."""

    name: str
    split: str
    document_ids: tuple[str, ...]
    document_texts: tuple[str, ...]  # title and text, joined by a blank
    queries: Mapping[str, str]  # id -> text
    qrels: Qrels
    synthetic: bool = False  # a language model wrote the queries: no proof for real ones

    @classmethod
    def of_records(
        cls, name: str, passages: Iterable[Passage], queries: Mapping[str, str], qrels: Qrels
    ) -> Self:
        """Return the collection of a run's own passages and the queries that were written from them.

        Raises:
            CollectionError: there is nothing to measure.
        """
        documents = {passage.id: passage.full_text for passage in passages}
        return cls._checked(name, "held_out", documents, queries, qrels, synthetic=True)

    @classmethod
    def _checked(
        cls,
        name: str,
        split: str,
        documents: Mapping[str, str],
        queries: Mapping[str, str],
        qrels: Qrels,
        synthetic: bool,
    ) -> Self:
        if not qrels:
            raise CollectionError(
                f"{name}: expected judgements in the split {split}, but there are none"
            )
        if missing := next((id for id in qrels if id not in queries), None):
            raise CollectionError(
                f"{name}: the split {split} judges the query {missing!r}, but no query has that id"
            )
        if not any(id in documents for judged in qrels.values() for id in judged):
            raise CollectionError(
                f"{name}: none of the {len(documents)} documents is judged in the split {split};"
                " the ids of the judgements must be those of the documents"
            )
        judged_queries = {id: queries[id] for id in qrels}
        ids, texts = tuple(documents), tuple(documents.values())
        return cls(name, split, ids, texts, judged_queries, qrels, synthetic)


def read_collection(folder: Path, split: str) -> Collection:
    """Return the collection in `folder`: corpus.jsonl, queries.jsonl and qrels/<split>.tsv, in BEIR format.

    Queries without a judgement in this split are left out. Judged documents that the corpus lacks are kept among the
    judgements, as other evaluators do: they count as relevant and cannot be found.

    Raises:
        CollectionError: a file is missing or a line is not in the format; the message names both.
    """
    qrels_file = _files_of(folder, split)
    documents = dict(_texts(folder / "corpus.jsonl"))
    queries = dict(_texts(folder / "queries.jsonl"))
    name = folder.resolve().name
    return Collection._checked(
        name, split, documents, queries, _read_qrels(qrels_file), synthetic=False
    )


def read_judged(folder: Path, split: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the judged queries of the split, and the documents that it judges relevant, each text by its id.

    Raises:
        CollectionError: as `read_collection` does.
    """
    qrels = _read_qrels(_files_of(folder, split))
    relevant = {id for judged in qrels.values() for id, grade in judged.items() if grade > 0}
    queries = {id: text for id, text in _texts(folder / "queries.jsonl") if id in qrels}
    documents = {id: text for id, text in _texts(folder / "corpus.jsonl") if id in relevant}
    return queries, documents


def check_collection(folder: Path, split: str) -> None:
    """Read the judgements and the beginnings of the other files, so that a wrong folder is refused in little time.

    Raises:
        CollectionError: as `read_collection` does.
    """
    qrels = _read_qrels(_files_of(folder, split))
    for name in ("corpus.jsonl", "queries.jsonl"):
        next(_texts(folder / name), None)
    if not qrels:
        raise CollectionError(
            f"{folder}: expected judgements in the split {split}, but there are none"
        )


def _files_of(folder: Path, split: str) -> Path:
    """Return the file of the judgements, having seen that all three files are there."""
    qrels = folder / "qrels" / f"{split}.tsv"
    for file in (folder / "corpus.jsonl", folder / "queries.jsonl", qrels):
        if not file.is_file():
            raise CollectionError(f"{file}: expected this file in BEIR format, {_seen(file)}")
    return qrels


def _seen(file: Path) -> str:
    if not file.parent.is_dir():
        return f"but there is no folder {file.parent}"
    names = sorted(path.name for path in file.parent.iterdir())[:8]
    return f"but {file.parent} holds {', '.join(names) or 'nothing'}"


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the place, for an error, and the text of each line that is not empty."""
    with file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            place = f"{file}:{number}"
            try:
                text = line.decode("utf-8-sig").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise CollectionError(
                    f"{place}: expected UTF-8, but byte {error.start + 1} is {line[error.start]:#04x}"
                ) from error
            if text.strip():
                yield place, text


def _texts(file: Path) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for place, line in _lines(file):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CollectionError(f"{place}: expected a JSON object, but {error}") from error
        if not isinstance(row, dict):
            raise CollectionError(f"{place}: expected a JSON object, got {line[:60]!r}")
        id, text, title = row.get("_id"), row.get("text"), row.get("title") or ""
        if not isinstance(id, str | int) or id == "":
            raise CollectionError(f"{place}: expected a field _id with a text, got {id!r:.60}")
        if not isinstance(text, str) or not isinstance(title, str):
            wrong = text if not isinstance(text, str) else title
            raise CollectionError(
                f"{place}: expected texts in the fields text and title, got {wrong!r:.60}"
            )
        if str(id) in seen:
            raise CollectionError(
                f"{place}: the _id {str(id)!r} stands in an earlier line too; ids must differ"
            )
        seen.add(str(id))
        yield str(id), f"{title} {text}".strip()


def _read_qrels(file: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, (place, line) in enumerate(_lines(file)):
        cells = line.split("\t")
        try:
            query, document, grade = cells[0], cells[1], int(cells[2])
        except (IndexError, ValueError) as error:
            if number == 0 and len(cells) == 3:
                continue  # the header; a file without one loses no judgement
            raise CollectionError(f"{place}: expected {_QRELS_LINE}, got {line[:60]!r}") from error
        if len(cells) != 3:
            raise CollectionError(f"{place}: expected {_QRELS_LINE}, got {line[:60]!r}")
        if document in qrels.setdefault(query, {}):
            raise CollectionError(
                f"{place}: query {query!r} and document {document!r} are judged in an earlier line too"
            )
        qrels[query][document] = grade
    return qrels
