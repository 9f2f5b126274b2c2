"""A passage as it was found, before any check, and the words in which bad input is refused."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from synthneg.config import CorpusConfig
from synthneg.errors import CorpusError

# Tab and line ends would break BEIR's files, other controls hide in a terminal, and half a surrogate pair has no UTF-8.
_NO_ID = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Raw:
    """A passage as found; `where` says file and line, row or piece, for a person."""

    id: str
    title: str
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The names under which a table holds its passages."""

    id: str
    text: str
    title: str


def bad(where: str, message: str) -> CorpusError:
    """Return the error for `where`, in one line whatever the parts hold."""
    return CorpusError(" ".join(f"{where}: {message}".split()))


def columns_of(found: Iterable[str], where: str, config: CorpusConfig) -> Columns:
    """Return the columns to read of those `found`; where `_id` is wanted and absent, `id` serves.

    Raises:
        CorpusError: there is no column of ids or of texts.
    """
    names = list(found)
    id_field = config.id_field
    if id_field == "_id" and "_id" not in names and "id" in names:
        id_field = "id"
    for field, setting in ((id_field, "id_field"), (config.text_field, "text_field")):
        if field not in names:
            wanted = "'_id' or 'id'" if field == "_id" else repr(field)
            raise bad(
                where,
                f"expected a field {wanted}, found {', '.join(map(repr, names)) or 'none'};"
                f" name the right one with corpus.{setting}",
            )
    return Columns(id_field, config.text_field, config.title_field)


def from_row(row: Mapping[str, Any], columns: Columns, where: str) -> Raw:
    """Return the passage of a row that has the columns; a title may be absent or null.

    Raises:
        CorpusError: a value is of the wrong kind.
    """
    title = row.get(columns.title)
    return Raw(
        id=id_of(row[columns.id], where, columns.id),
        title="" if title is None else _string(title, where, columns.title),
        text=_string(row[columns.text], where, columns.text),
        where=where,
    )


def id_of(value: object, where: str, field: str) -> str:
    """Return an id as a string.

    Raises:
        CorpusError: neither string nor whole number, empty, or with characters that no BEIR file could hold.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise bad(where, f"expected a string or a whole number as {field!r}, got {_shown(value)}")
    text = str(value)
    if not text.strip():
        raise bad(where, f"expected an id in {field!r}, got an empty one")
    if _NO_ID.search(text):
        raise bad(
            where,
            f"expected an id without tabs, line ends and control characters, got {ascii(text)[:80]}",
        )
    return text


def _string(value: object, where: str, field: str) -> str:
    if not isinstance(value, str):
        raise bad(where, f"expected a string as {field!r}, got {_shown(value)}")
    return value


def _shown(value: object) -> str:
    return "null" if value is None else f"{type(value).__name__} {ascii(value)[:80]}"
