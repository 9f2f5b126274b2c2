"""The replies of one ledger, taken into another."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthneg.errors import RunError
from synthneg.llm.base import Reply, Request
from synthneg.llm.keys import key_of
from synthneg.llm.ledger import Ledger
from synthneg.prompts.render import Message


def put(ledger: Ledger, *words: str) -> None:
    """Store a reply to each of the words, of as many tokens as it has letters."""
    for word in words:
        request = asked(word)
        reply = Reply(f"on {word}", "stop", 3, len(word), "m", top={word: -0.5}, logprob=-1.0)
        ledger.put(key_of("here m", request), "here m", request, reply, 0.25)


def asked(word: str) -> Request:
    """Return the request for a word."""
    return Request((Message("system", "You write."), Message("user", word)), {}, 7, None)


def texts(ledger: Ledger, *words: str) -> list[str | None]:
    """Return the replies to the words."""
    found = [ledger.get(key_of("here m", asked(word))) for word in words]
    return [reply and reply.text for reply in found]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Ledger]:
    """Give a run's ledger with one reply."""
    with closing(Ledger(tmp_path / "run.sqlite")) as ledger:
        put(ledger, "tea")
        yield ledger


def test_replies_failures_and_facts_are_taken_once(tmp_path: Path, run: Ledger) -> None:
    """All that a part has is in the run's ledger then, counted once however often it is taken in, and can be shown."""
    with closing(Ledger(tmp_path / "part.sqlite")) as part:
        put(part, "bread", "salt")
        part.put_failure("0f" * 16, "timeout", "none", 1.0)
        part.learn("here m", "dialect", "plain")

    assert [run.take_in(tmp_path / "part.sqlite", "p0") for _ in range(3)] == [2, 0, 0]

    assert texts(run, "tea", "bread", "salt") == ["on tea", "on bread", "on salt"]
    assert run.totals() == (3, 9, 12, 1)
    assert run.fact("here m", "dialect") == "plain"
    shown = run.show(key_of("here m", asked("salt")))
    assert shown is not None
    assert [message["content"] for message in shown.messages] == ["You write.", "salt"]
    assert (shown.reply.top, shown.reply.logprob) == ({"salt": -0.5}, -1.0)


def test_what_both_have_is_counted_once(tmp_path: Path, run: Ledger) -> None:
    """Of a request that both have a reply to, the run's own stays, and its tokens are not counted again."""
    with closing(Ledger(tmp_path / "part.sqlite")) as part:
        put(part, "tea", "bread")
    assert run.take_in(tmp_path / "part.sqlite", "p0") == 1
    assert run.totals() == (2, 6, 8, 0)


def test_what_has_come_since_is_taken(tmp_path: Path, run: Ledger) -> None:
    """A part that goes on is read from where it was left; one that was deleted and begun anew, from its start."""
    file = tmp_path / "part.sqlite"
    for words in (["bread"], ["salt", "milk"]):
        with closing(Ledger(file)) as part:
            put(part, *words)
        run.take_in(file, "p0")
    assert run.totals().replies == 4
    os.unlink(file)  # noqa: PTH108 - as a user does
    with closing(Ledger(file)) as part:
        put(part, "rice", "oats", "corn", "rye", "soy")
        part.put_failure("0f" * 16, "timeout", "none", 1.0)
    assert run.take_in(file, "p0") == 5
    assert run.totals()[::3] == (9, 1)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.booleans()), max_size=25))
@settings(max_examples=25)
def test_any_order_of_writing_and_taking_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, bool]]
) -> None:
    """However parts are written and taken in by turns, the run has each reply once, and its totals are theirs."""
    folder = tmp_path_factory.mktemp("parts")
    with closing(Ledger(folder / "run.sqlite")) as ledger:
        for number, word, taken in steps:
            with closing(Ledger(folder / f"{number}.sqlite")) as part:
                put(part, "x" * (word + 1))
            if taken:
                ledger.take_in(folder / f"{number}.sqlite", str(number))
        for number in {number for number, _, _ in steps}:
            ledger.take_in(folder / f"{number}.sqlite", str(number))
        words = {word + 1 for _, word, _ in steps}
        assert ledger.totals()[:3] == (len(words), 3 * len(words), sum(words))


def test_a_ledger_that_one_worker_has_is_no_other_s(
    tmp_path: Path, run: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is open alone can neither be opened by another nor be taken in, and can when it is closed."""
    monkeypatch.setattr("synthneg.llm.ledger_file._ALONE_S", 0.05)
    file = tmp_path / "part.sqlite"
    with closing(Ledger(file, alone=True)) as part:
        put(part, "bread")
        with pytest.raises(RunError, match="locked"):
            Ledger(file, alone=True)
        with pytest.raises(RunError, match="wait for its end"):
            run.take_in(file, "p0")
    with closing(Ledger(file, alone=True)) as part:
        assert texts(part, "bread") == ["on bread"]
    assert run.take_in(file, "p0") == 1
    assert sorted(path.name for path in tmp_path.glob("part*")) == ["part.sqlite"]


def test_a_damaged_part_is_named(tmp_path: Path, run: Ledger) -> None:
    """A part that is no database is refused in one line that names its file, and the run's ledger stays as it was."""
    (tmp_path / "part.sqlite").write_bytes(b"no database at all, but long enough to look at" * 99)
    with pytest.raises(RunError, match=r"part\.sqlite: this ledger cannot be read"):
        run.take_in(tmp_path / "part.sqlite", "p0")
    assert texts(run, "tea") == ["on tea"]
    assert run.totals().replies == 1
