"""Real queries from a file, and a run's generated ones."""

import csv
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from synthneg.corpus.raw import bad
from synthneg.corpus.tables import decode
from synthneg.errors import CorpusError, RunError
from synthneg.realism.chance import FEW
from synthneg.records import Query
from synthneg.run.books import read_records
from synthneg.words import normalized

LEAST = 5
_MOST = 1000  # of each set: time and memory grow with the square
_FIELDS = ("text", "query")
_VERIFIED, _ALL = "verified_queries.jsonl", "queries.jsonl"

Numbered = tuple[int, str]


class Generated(NamedTuple):
    """The queries of a run, and the file that they stand in."""

    file: str
    queries: list[Query]


def real_queries(file: Path) -> list[str]:
    """Return the different queries of a file, in its order, blanks made one.

    A .jsonl file has them under `text` or `query`, a .csv or .tsv file in a column of that name; any other has one on
    each line.

    Raises:
        CorpusError: no such file, a line that is damaged or holds no query, or fewer than 5 queries.
    """
    if not file.is_file():
        raise bad(str(file), "expected a file of real queries, but there is none")
    read = {".jsonl": _of_jsonl, ".csv": _of_table, ".tsv": _of_table}.get(
        file.suffix.lower(), _of_lines
    )
    queries: dict[str, str] = {}
    for text in (" ".join(line.split()) for line in read(file)):
        if text:
            queries.setdefault(normalized(text) or text, text)
    if len(queries) < LEAST:
        raise bad(
            str(file),
            f"expected at least {LEAST} different queries, found {len(queries)}; of so few nothing can be said",
        )
    return list(queries.values())


def generated_queries(folder: Path, rejected_too: bool) -> Generated:
    """Return the queries of a run: those that passed their checks where these were made, else or if asked for, all.

    Raises:
        RunError: the run has no queries yet, or too few.
    """
    file = folder / _VERIFIED
    if rejected_too or not file.exists():
        file = folder / _ALL
    if not file.exists():
        raise RunError(f"{folder}: there are no queries yet; run `synthneg generate`")
    queries = list(read_records(file, Query))
    if len(queries) < LEAST:
        raise RunError(
            f"{file}: expected at least {LEAST} queries, found {len(queries)}; generate more of them"
        )
    return Generated(file.name, queries)


def one_per_passage(queries: Sequence[Query], seed: int) -> list[Query]:
    """Return one query of each passage, drawn at random, and at most 1,000: queries of one passage resemble each other.

    Where there are too few passages for that, the queries are drawn without regard to them.
    """
    drawn = random.Random(seed).sample(list(queries), len(queries))
    firsts = list({query.passage_id: query for query in reversed(drawn)}.values())
    return (firsts if len(firsts) >= FEW else drawn)[:_MOST]


def sample(texts: Sequence[str], seed: int) -> list[str]:
    """Return at most 1,000 of the texts, drawn at random, in their order."""
    places = random.Random(seed).sample(range(len(texts)), min(_MOST, len(texts)))
    return [texts[place] for place in sorted(places)]


def _lines(file: Path) -> Iterator[Numbered]:
    offset = 0
    with file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            text = decode(line, f"{file}, line {number}", offset)
            yield number, text.removeprefix("\ufeff") if number == 1 else text
            offset += len(line)


def _of_lines(file: Path) -> Iterator[str]:
    return (line for _, line in _lines(file))


def _of_jsonl(file: Path) -> Iterator[str]:
    for number, line in _lines(file):
        if line.strip():
            where = f"{file}, line {number}"
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise bad(where, f"expected a JSON object, but {error}") from error
            if not isinstance(row, dict):
                raise bad(where, f"expected a JSON object, got {line.strip()[:40]!r}")
            yield _query_of(row, where)


def _of_table(file: Path) -> Iterator[str]:
    delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
    rows = csv.reader((line for _, line in _lines(file)), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    try:
        for values in rows:
            where = f"{file}, line {rows.line_num}"
            if header is None:
                header = [name.strip().lower() for name in values]
                _query_of(dict.fromkeys(header, ""), where)
            elif values:
                if len(values) != len(header):
                    raise bad(
                        where, f"expected {len(header)} values as in the header, got {len(values)}"
                    )
                yield _query_of(dict(zip(header, values, strict=True)), where)
    except csv.Error as error:
        raise bad(f"{file}, line {rows.line_num}", f"expected a table, but {error}") from error


def _query_of(row: Mapping[str, object], where: str) -> str:
    text = next((row[field] for field in _FIELDS if field in row), None)
    if not isinstance(text, str):
        seen = ", ".join(map(repr, row)) or "nothing"
        raise _no_query(where, seen)
    return text


def _no_query(where: str, seen: str) -> CorpusError:
    return bad(where, f"expected a query as a string under 'text' or 'query', found {seen}")
