"""FlagEmbedding's training files: a query with its positives and negatives as texts, and a teacher's scores of them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from synthneg.corpus.raw import bad
from synthneg.dataset.formats.parts import (
    NEGATIVE,
    NO_SCORES,
    POSITIVE,
    Asked,
    Label,
    Parts,
    Text,
    id_of_text,
)
from synthneg.dataset.formats.rows import Found, list_of, number_of, read_rows, text_of
from synthneg.dataset.held import Examples
from synthneg.dataset.shapes import Common
from synthneg.dataset.write import by_split, write_lines
from synthneg.records import GIVEN, Example, Passage, Row


def count(example: Example, common: Common) -> int:
    """Return 1 where the query has a negative: FlagEmbedding draws one for each row."""
    return int(bool(example.negatives))


def write(folder: Path, passages: Iterable[Passage], examples: Examples, common: Common) -> None:
    """Write `<split>.jsonl` for each split; no configuration reads them, they are FlagEmbedding's own.

    Scores are there where one scorer knows every document, for a file has them in all rows or in none.
    """
    folder.mkdir(parents=True)
    held = examples.where(lambda example: bool(example.negatives))
    scorer = common.scorer if all(_knows(common.scorer, e) for e in held) else None
    for name, of_split in by_split(held).items():
        for _ in write_lines(folder / f"{name}.jsonl", _rows(of_split, scorer)):
            pass


def _knows(scorer: str | None, example: Example) -> bool:
    return all(scorer in d.scores for d in (*example.positives, *example.negatives))


def _rows(examples: Iterable[Example], scorer: str | None) -> Iterator[Row]:
    for example in examples:
        row: Row = {
            "query": example.query,
            "pos": [d.full_text for d in example.positives],
            "neg": [d.full_text for d in example.negatives],
        }
        if scorer is not None:
            row["pos_scores"] = [d.scores[scorer] for d in example.positives]
            row["neg_scores"] = [d.scores[scorer] for d in example.negatives]
        yield row


def read(path: str) -> Parts:
    """Yield what such rows hold; ids are made of the texts.

    Raises:
        CorpusError: a file is missing or a row is broken.
    """
    for found in read_rows(path):
        yield from _parts(found)


def _parts(found: Found) -> Parts:
    where, split, row = found
    query = text_of(row, "query", where)
    query_id = id_of_text("q", query)
    yield Asked(where, query_id, query, split)
    for name, grade in (("pos", POSITIVE), ("neg", NEGATIVE)):
        texts = list_of(row, name, where)
        scores = list_of(row, f"{name}_scores", where) if row.get(f"{name}_scores") else []
        if scores and len(scores) != len(texts):
            raise bad(
                where, f"expected {len(texts)} scores under '{name}_scores', got {len(scores)}"
            )
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise bad(where, f"expected strings under {name!r}, got {ascii(text)[:80]}")
            id = id_of_text("d", text)
            said = (
                {GIVEN: number_of(scores[place], f"{name}_scores", where)} if scores else NO_SCORES
            )
            yield Text(where, id, "", text)
            yield Label(where, query_id, id, grade, scores=said, split=split)
