"""The sample in a spreadsheet: what is written comes back, no cell is a formula, and no row is dropped in silence."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import HOSTILE

from synthneg.errors import SettingsError
from synthneg.review.answers import Answer, Answers
from synthneg.review.items import Item
from synthneg.review.sheet import (
    COLUMNS,
    Imported,
    _bare,
    _guarded,
    imported,
    read_sheet,
    write_sheet,
)
from synthneg.review.texts import Shown

ITEMS = [
    Item("=q1", "d1", "negative", "bm25", "", True, "", 1, 1, {}, {}),
    Item("q2", "p2", "answers", "corpus", "p@1", True, "", 3, 3, {}, {}),
    Item("q3", "d3", "grade", "graded", "p@2", True, "", 2, 2, {}, {}),
]
TEXTS = {
    item.key: Shown("what, is 'it'?", (("Title", 'First "line";\nsecond\tline'),)) for item in ITEMS
}
BY_KEY = {item.key: item for item in ITEMS}
NOTHING = Answers({}, 0)
AT = "2026-01-01T00:00:00+00:00"


def taken(file: Path, before: Answers = NOTHING, reviewer: str = "") -> Imported:
    """Return what an import of the file adds."""
    return imported(file, read_sheet(file, reviewer), BY_KEY, TEXTS, before)


def filled(file: Path, said: list[str], **change: str) -> None:
    """Fill the sheet in as a person does, each answer in the column that its question asks for."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row, answer in zip(rows, said, strict=True):
        row["grade" if "grade" in row["question"] else "answers"] = answer
        row.update(change)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    file.write_text(out.getvalue(), encoding="utf-8", newline="")


def test_a_sheet_that_was_filled_in_comes_back(tmp_path: Path) -> None:
    """Ids, also one that looks like a formula, answers and reviewer are those written; a row without one is counted."""
    file = tmp_path / "sheet.csv"
    write_sheet(file, ITEMS, TEXTS, "ada")
    filled(file, ["n", "", "2"])

    found = taken(file)
    assert [(*a.key, a.answer, a.reviewer, a.seconds) for a in found.answers] == [
        ("=q1", "d1", "no", "ada", None),
        ("q3", "d3", "2", "ada", None),
    ]
    assert (found.blank, found.unchanged) == (1, 0)
    assert {a.text for a in found.answers} == {TEXTS[ITEMS[0].key].mark}


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t=", "＝", "'=", '=HYPERLINK("x")'])
def test_no_cell_is_a_formula(begin: str, tmp_path: Path) -> None:
    """Whatever a query, a text or an id begins with, no cell begins with what a spreadsheet takes for a formula."""
    file = tmp_path / "sheet.csv"
    item = Item(f"{begin}q", f"{begin}d", "negative", "bm25", "", True, "", 1, 1, {}, {})
    write_sheet(file, [item], {item.key: Shown(f"{begin}cmd", ((f"{begin}t", "x"),))}, begin)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        [head, cells] = csv.reader(stream)

    assert tuple(head) == COLUMNS
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r＝＋－＠"))]


@given(st.text(alphabet="=+-@'a\t"))
def test_guarding_is_undone(cell: str) -> None:
    """What was guarded is the same cell again, whatever quotes and signs it begins with."""
    assert _bare(_guarded(cell)) == cell


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_cells(name: str, tmp_path: Path) -> None:
    """Texts with control characters, quotes and markup stay in their cell, and the row comes back."""
    file = tmp_path / "sheet.csv"
    texts = {ITEMS[1].key: Shown(HOSTILE[name], ((HOSTILE[name], HOSTILE[name]),))}
    write_sheet(file, [ITEMS[1]], texts, "")
    filled(file, ["yes"])

    assert [a.answer for a in taken(file).answers] == ["yes"]
    assert b"\0" not in file.read_bytes()
    assert b"\x1b" not in file.read_bytes()


def test_a_text_too_long_for_a_cell_is_cut_and_says_so(tmp_path: Path) -> None:
    """A spreadsheet holds 32,767 characters in a cell; longer texts end in how much was left out."""
    file = tmp_path / "sheet.csv"
    write_sheet(file, [ITEMS[1]], {ITEMS[1].key: Shown("q", (("", "tea " * 20_000),))}, "")
    with file.open(encoding="utf-8-sig", newline="") as stream:
        [row] = csv.DictReader(stream)

    assert len(row["text"]) < 32_767
    assert row["text"].endswith("[cut: 47,999 more characters]")


@pytest.mark.parametrize(
    ("data", "answers"),
    [
        ("query_id,document_id,answers\nq2,p2,y\n", [("q2", "yes", "me")]),
        ("\ufeffquery_id;document_id;grade;reviewer\r\nq2;p2;3;bob\r\n", [("q2", "3", "bob")]),
        ("Reviewer\tDocument_ID\tquery_id\tAnswers\n ada \tp2\tq2\tNO\n", [("q2", "no", "ada")]),
        ("query_id,document_id,grade,note\nq3,d3,2.0,good\nq3,d3,,\n", [("q3", "2", "me")]),
        ("query_id,document_id,answers\nq2,p2,skip\n\n", [("q2", "skip", "me")]),
        ("query_id,document_id,answers\nq3,d3,s\n", [("q3", "skip", "me")]),
    ],
)
def test_tables_of_other_programs_are_read(
    data: str, answers: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    """Comma, semicolon or tab, a byte order mark, columns in any order and case, further columns and blank lines."""
    file = tmp_path / "sheet.csv"
    file.write_text(data, encoding="utf-8", newline="")

    assert [(a.query_id, a.answer, a.reviewer) for a in taken(file, reviewer="me").answers] == (
        answers
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"query_id,answers\nq2,y\n", ("line 1", "missing: document_id", "found: query_id")),
        (b"query_id,document_id\nq2,p2\n", ("line 1", "missing: answers or grade")),
        (b"", ("line 1", "found: nothing")),
        (b"query_id,document_id,answers\nq2,p2,maybe\n", ("line 2", "expected y, n", "'maybe'")),
        (b"query_id,document_id,grade\nq2,p2,4\n", ("line 2", "0 to 3", "'4'")),
        (b"query_id,document_id,answers\nq3,d3,y\n", ("line 2", "0, 1, 2 or 3", "'y'")),
        (b"query_id,document_id,answers\nq2,p2,y\nq9,p2,n\n", ("line 3", "no query 'q9'")),
        (b"query_id,document_id,answers\nq2,p2,y\nq2,p2,n\n", ("line 3", "than on line 2")),
        (b"query_id,document_id,answers,grade\nq2,p2,y,3\n", ("line 2", "got both")),
        (b"query_id,document_id,answers\nq2,p2\n", ("line 2", "expected 3 cells", "got 2")),
        (b'query_id,document_id,answers\nq2,p2,"y\n', ("line 2", "expected a table")),
        (b"query_id,document_id,answers\nq2,p2,\xff\n", ("UTF-8", "byte 35")),
    ],
)
def test_a_row_that_is_wrong_is_refused_with_its_line(
    data: bytes, words: tuple[str, ...], tmp_path: Path
) -> None:
    """The error names the line, what was expected and what was found; nothing is imported."""
    file = tmp_path / "sheet.csv"
    file.write_bytes(data)

    with pytest.raises(SettingsError) as error:
        taken(file)
    for word in words:
        assert word in str(error.value)


def test_many_wrong_rows_are_told_with_their_number(tmp_path: Path) -> None:
    """Five are named, the others counted, and lines count as an editor counts them, also below cells of many lines."""
    file = tmp_path / "sheet.csv"
    rows = [f'q2,p2,"no\nidea",{number}' for number in range(9)]
    file.write_text("\n".join(["query_id,document_id,answers,note", *rows]))

    with pytest.raises(SettingsError, match="line 2: .*line 4: .*line 10: .*and 4 more"):
        taken(file)


def test_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    """What stands already is counted, not added again; another answer of the same person replaces it."""
    file = tmp_path / "sheet.csv"
    file.write_text("query_id,document_id,answers,reviewer\nq2,p2,y,ada\nq2,p2,y,ada\n")
    first = taken(file)
    [answer] = first.answers
    before = Answers({"ada": {answer.key: answer}}, 0)

    assert first.unchanged == 1
    assert taken(file, before) == Imported((), 2, 0)
    file.write_text("query_id,document_id,answers,reviewer\nq2,p2,n,ada\n")
    assert [a.answer for a in taken(file, before).answers] == ["no"]


def test_an_answer_about_another_text_is_given_anew(tmp_path: Path) -> None:
    """The same answer counts as new where the text has changed since."""
    file = tmp_path / "sheet.csv"
    file.write_text("query_id,document_id,answers\nq2,p2,y\n")
    old = Answer("q2", "p2", "answers", "yes", None, "", "another", AT)

    assert len(taken(file, Answers({"": {old.key: old}}, 0)).answers) == 1


def test_files_that_cannot_be_read_or_written_are_said(tmp_path: Path) -> None:
    """A missing file and a missing folder are errors that name the option and the path."""
    with pytest.raises(SettingsError, match="--import .*none.csv"):
        read_sheet(tmp_path / "none.csv", "")
    with pytest.raises(SettingsError, match="--export .*none"):
        write_sheet(tmp_path / "none" / "x.csv", ITEMS, TEXTS, "")
