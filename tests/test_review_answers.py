"""The file of answers: nothing that was answered is lost, whatever happens to it."""

import os
import shutil
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.errors import RunError
from synthneg.records import to_line
from synthneg.review.answers import FILE, Answer, notes, read_answers, says_yes


def answer(number: int, said: str = "yes", reviewer: str = "") -> Answer:
    """Return an answer about a made-up item."""
    at = "2026-01-01T00:00:00+00:00"
    return Answer(f"q{number}", "d\u2028", "negative", said, 1.5, reviewer, "mark", at)


def test_what_was_added_is_read(tmp_path: Path) -> None:
    """Answers come back as they were, by reviewer, in their order; of none there are none."""
    assert not read_answers(tmp_path)
    given_ = [answer(1), answer(2, "skip"), answer(1, "no", "ada")]
    with notes(tmp_path) as file:
        for one in given_:
            file.add([one])

    found = read_answers(tmp_path)
    assert list(found.by[""].values()) == given_[:2]
    assert list(found.by["ada"].values()) == given_[2:]
    assert found.keys == {("q1", "d\u2028"), ("q2", "d\u2028")}


def test_the_last_answer_counts_and_back_takes_one_back(tmp_path: Path) -> None:
    """A second answer replaces the first, at its own place; one that was taken back is gone."""
    with notes(tmp_path) as file:
        file.add([answer(1), answer(2), answer(3)])
        file.add([answer(1, "no"), answer(2, "back")])

    assert [(a.query_id, a.answer) for a in read_answers(tmp_path).by[""].values()] == [
        ("q3", "yes"),
        ("q1", "no"),
    ]


@given(st.integers(0, 10_000))
def test_a_file_that_was_cut_anywhere_keeps_every_whole_line(tmp_path_factory, cut: int) -> None:
    """Cut at any byte, all whole answers are read, and what is added then is read too."""
    folder = tmp_path_factory.mktemp("cut")
    data = b"".join(to_line(answer(number)) for number in range(4))
    ends = [place for place, byte in enumerate(data, 1) if byte == 10]
    cut %= len(data) + 1
    (folder / FILE).write_bytes(data[:cut])
    whole = sum(end <= cut for end in ends)
    with notes(folder) as file:
        file.add([answer(9)])

    found = read_answers(folder)
    assert sum(a.query_id != "q9" for a in found.by[""].values()) in (whole, whole + 1)
    assert ("q9", "d\u2028") in found.by[""]
    assert set(found.keys) >= {(f"q{n}", "d\u2028") for n in range(whole)}
    assert found.unreadable <= 1
    shutil.rmtree(folder)


def test_two_people_write_at_the_same_time(tmp_path: Path) -> None:
    """Lines of two writers stand side by side, none inside another."""
    with notes(tmp_path) as one, notes(tmp_path) as other:
        for number in range(50):
            one.add([answer(number, reviewer="ada")])
            other.add([answer(number, reviewer="bob")])

    rows = [orjson.loads(line) for line in (tmp_path / FILE).read_bytes().splitlines()]
    assert len(rows) == 100
    assert {len(found) for found in read_answers(tmp_path).by.values()} == {50}


def test_each_answer_is_on_the_disk_before_add_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is written and synced in this order, once for each answer."""
    calls = []
    write, fsync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda d, data: (calls.append("write"), write(d, data))[1])
    monkeypatch.setattr(os, "fsync", lambda d: (calls.append("sync"), fsync(d))[1])
    with notes(tmp_path) as file:
        file.add([answer(1)])
        file.add([answer(2)])

    assert calls == ["write", "sync"] * 2


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    """A full disk ends in one line that names the file and the remedy."""
    (tmp_path / FILE).symlink_to("/dev/full")
    with (
        pytest.raises(RunError, match="make room") as error,
        notes(tmp_path) as file,
    ):
        file.add([answer(1)])
    assert "No space left" in str(error.value)


def test_grades_say_yes_from_2_on() -> None:
    """Grades 2 and 3 answer, 1 and 0 do not, and a skip says neither."""
    said = {"yes": 1, "no": 0, "3": 1, "2": 1, "1": 0, "0": 0, "skip": None}
    assert {word: says_yes(word) for word in said} == said
