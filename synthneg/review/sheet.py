"""The sample as a table for a spreadsheet, and answers from one: CSV with a header, UTF-8.

Columns of what is written: query_id, document_id, question, query, text, answers, grade, reviewer. Read are query_id,
document_id, one of answers (y or n) and grade (0 to 3), and reviewer, in any order; other columns are passed over.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from synthneg.errors import SettingsError
from synthneg.files import write_whole
from synthneg.printable import printable, printable_lines
from synthneg.review.answers import GRADES, NO, SKIP, YES, Answer, Answers, Key, Said
from synthneg.review.items import Item
from synthneg.review.screen import ASKED
from synthneg.review.texts import Shown

COLUMNS = ("query_id", "document_id", "question", "query", "text", "answers", "grade", "reviewer")
_NEEDED = ("query_id", "document_id")
_YES: Mapping[str, Said] = dict.fromkeys(("y", "yes", "true", "1"), YES)
_NO: Mapping[str, Said] = dict.fromkeys(("n", "no", "false", "0"), NO)
_SKIP: Mapping[str, Said] = dict.fromkeys(("s", SKIP), SKIP)
_GRADE: Mapping[str, Said] = {str(grade): grade for grade in GRADES}
# A cell that begins with one of these is a formula to a spreadsheet, in Japanese ones the wide forms too (OWASP).
_FORMULA = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
_MOST_CHARS = 32_000  # Excel cuts a cell at 32,767, and what is beyond falls into the next ones
_MOST_TOLD = 5


class Row(NamedTuple):
    """One answer of a table."""

    line: int
    key: Key
    said: str  # as it stands there, with which column it stands in
    is_grade: bool
    reviewer: str


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds: its answers, and how many rows have none."""

    rows: Sequence[Row]
    blank: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a table's rows."""

    answers: Sequence[Answer]  # new or changed ones
    unchanged: int
    blank: int


def write_sheet(
    file: Path, items: Iterable[Item], texts: Mapping[Key, Shown], reviewer: str
) -> None:
    """Write the items, in the order in which they are asked about, with answers left to be filled in.

    Raises:
        SettingsError: the file cannot be written.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for item in items:
        shown = texts[item.key]
        question = ASKED["grade" if item.question == "grade" else "yes"]
        text = "\n".join(printable_lines(shown.text))
        if len(text) > _MOST_CHARS:
            text = f"{text[:_MOST_CHARS]} … [cut: {len(text) - _MOST_CHARS:,} more characters]"
        cells = (*item.key, question, printable(shown.query), text, "", "", reviewer)
        writer.writerow(map(_guarded, cells))
    try:
        # With a byte order mark, without which Excel takes UTF-8 for an old encoding.
        write_whole(file, out.getvalue().encode("utf-8-sig"))
    except OSError as error:
        raise SettingsError(
            f"--export {file}: expected a file that can be written ({error.strerror}); name another"
        ) from error


def read_sheet(file: Path, reviewer: str) -> Table:
    """Return the answers in a file; `reviewer` is that of the rows that name none.

    Raises:
        SettingsError: the file cannot be read, lacks a column, or has a row with too few cells or with two answers.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(
            f"--import {file}: no file can be read there ({error.strerror})"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"--import {file}: expected UTF-8, and byte {error.start} is none; save it as CSV UTF-8"
        ) from error
    head, lines = _lines(file, text)
    at = _columns(file, head)
    rows, wrong, blank = [], [], 0
    for line, cells in lines:
        found = _row(line, cells, at, len(head), reviewer)
        if found is None:
            blank += 1
        elif isinstance(found, str):
            wrong.append(f"line {line}: {found}")
        else:
            rows.append(found)
    _refuse(file, wrong)
    return Table(rows, blank)


def imported(
    file: Path,
    table: Table,
    items: Mapping[Key, Item],
    texts: Mapping[Key, Shown],
    before: Answers,
) -> Imported:
    """Return the answers of a table that are not there already.

    Args:
        file: for the words of an error.
        table: what it holds.
        items: those of the run that it names, by their keys.
        texts: theirs.
        before: what was answered already.

    Raises:
        SettingsError: a row is about no record of the run, its answer is none, or two rows contradict each other; the
            message names up to five of them by their lines, and nothing is imported.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    found: dict[tuple[str, Key], Answer] = {}
    lines: dict[tuple[str, Key], int] = {}
    wrong = []
    unchanged = 0
    for row in table.rows:
        item, said = items.get(row.key), _said(row, items.get(row.key))
        name = (row.reviewer, row.key)
        if item is None:
            wrong.append(
                f"line {row.line}: the run has no query {row.key[0]!r} with a document {row.key[1]!r}"
            )
        elif said is None:
            wrong.append(f"line {row.line}: {_wanted(item)}, got {row.said!r}")
        elif name in found and found[name].answer != said:
            wrong.append(
                f"line {row.line}: another answer than on line {lines[name]}; leave one of them"
            )
        else:
            old = before.by.get(row.reviewer, {}).get(row.key)
            mark = texts[row.key].mark
            if name in found or (old is not None and (old.answer, old.text) == (said, mark)):
                unchanged += 1
                continue
            found[name] = Answer(*row.key, item.question, said, None, row.reviewer, mark, now)
            lines[name] = row.line
    _refuse(file, wrong)
    return Imported(tuple(found.values()), unchanged, table.blank)


def _said(row: Row, item: Item | None) -> Said | None:
    """Return what a row says, in the words of an answer; None where it is no answer to the question."""
    value = row.said.casefold()
    if row.is_grade:
        value = value.removesuffix(".0")  # a number as some spreadsheets write it
        return {**_GRADE, **_SKIP}.get(value)
    if item is not None and item.question == "grade":
        return _SKIP.get(value)
    return {**_YES, **_NO, **_SKIP}.get(value)


def _wanted(item: Item) -> str:
    if item.question == "grade":
        return (
            "this text was written to a grade: expected 0, 1, 2 or 3 in the column grade, or skip"
        )
    return "expected y, n or skip in the column answers, or 0 to 3 in the column grade"


def _lines(file: Path, text: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the header and, of each further row, the line on which it begins and its cells."""
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)

    def rows() -> Iterator[tuple[int, list[str]]]:
        begin = 1
        try:
            for cells in reader:
                yield begin, cells
                begin = reader.line_num + 1
        except csv.Error as error:
            raise SettingsError(
                f"--import {file}: line {begin}: expected a table as CSV, but {error}"
            ) from error

    found = rows()
    _, head = next(found, (1, []))
    return [name.strip().casefold() for name in head], found


def _columns(file: Path, head: Sequence[str]) -> dict[str, int]:
    at = {
        name: head.index(name)
        for name in (*_NEEDED, "answers", "grade", "reviewer")
        if name in head
    }
    missing = [name for name in _NEEDED if name not in at]
    if "answers" not in at and "grade" not in at:
        missing.append("answers or grade")
    if missing:
        raise SettingsError(
            f"--import {file}: line 1: expected the columns query_id, document_id and answers or grade; missing:"
            f" {', '.join(missing)}; found: {printable(', '.join(head))[:200] or 'nothing'}"
        )
    return at


def _row(
    line: int, cells: Sequence[str], at: Mapping[str, int], width: int, reviewer: str
) -> Row | str | None:
    """Return the row; None where it has no answer, or in words what is wrong with it."""
    if not any(cell.strip() for cell in cells):
        return None
    if len(cells) != width:
        return f"expected {width} cells as in the header, got {len(cells)}"
    held = {name: _bare(cells[place]) for name, place in at.items()}
    said = {name: held.get(name, "").strip() for name in ("answers", "grade")}
    given = [name for name, value in said.items() if value]
    if not given:
        return None
    if len(given) == 2:
        return "expected an answer in one of the columns answers and grade, got both"
    key = (held["query_id"], held["document_id"])
    name = " ".join(held.get("reviewer", "").split()) or reviewer
    return Row(line, key, said[given[0]], given == ["grade"], name)


def _refuse(file: Path, wrong: Sequence[str]) -> None:
    if wrong:
        more = f"; and {len(wrong) - _MOST_TOLD:,} more" if len(wrong) > _MOST_TOLD else ""
        raise SettingsError(
            f"--import {file}: nothing was imported, because {'; '.join(wrong[:_MOST_TOLD])}{more}; put these lines"
            " right, or take them out, and give the same command again"
        )


def _guarded(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    >>> _guarded("=1+1"), _guarded("'=1"), _guarded("tea")
    ("'=1+1", "''=1", 'tea')
    """
    begins = cell.lstrip("'").startswith(_FORMULA)
    return f"'{cell}" if begins else cell


def _bare(cell: str) -> str:
    """Return a cell as it was before it was guarded."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
