"""The ledger: what makes a key, what survives a kill, and what a damaged file says."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.errors import RunError
from synthneg.llm.base import Reply, Request
from synthneg.llm.keys import key_of
from synthneg.llm.ledger import Ledger
from synthneg.llm.used import Totals
from synthneg.prompts.render import Message

SCHEMA = {"type": "object", "required": ["1"]}
REQUEST = Request(
    (Message("system", "You write."), Message("user", "tea")),
    {"temperature": 0.7, "top_p": 0.9},
    7,
    None,
)
REPLY = Reply("Green tea.", "stop", 5, 2, "m", "I think of tea.", {"Green": -0.25}, -0.5)
KEY, OTHER = key_of("m", REQUEST), key_of("other", REQUEST)
WRITER = """
import sys
from pathlib import Path
from synthneg.llm.base import Reply, Request
from synthneg.llm.keys import key_of
from synthneg.llm.ledger import Ledger
from synthneg.prompts.render import Message

ledger, name = Ledger(Path(sys.argv[1])), sys.argv[2]
for number in range(int(sys.argv[3])):
    request = Request((Message("user", name),), {}, number, None)
    ledger.put(key_of("m", request), "m", request, Reply(f"{name} {number}", "stop", 1, 1, "m"), 0.1)
    print(number, flush=True)
sys.stdin.read()
"""


def request_of(name: str, number: int) -> Request:
    """Return the request that WRITER makes."""
    return Request((Message("user", name),), {}, number, None)


def writer(file: Path, name: str, count: int) -> subprocess.Popen[str]:
    """Start a process that puts `count` replies, says so after each, then waits."""
    command = [sys.executable, "-c", WRITER, str(file), name, str(count)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, messages=(Message("system", "You write."), Message("user", "tea "))),
        replace(REQUEST, messages=(Message("user", "You write."), Message("user", "tea"))),
        replace(REQUEST, messages=(*REQUEST.messages, Message("user", ""))),
        replace(REQUEST, messages=(Message("user", "You write.tea"),)),
        replace(REQUEST, sampling={"temperature": 0.8, "top_p": 0.9}),
        replace(REQUEST, sampling={"temperature": 0.7}),
        replace(REQUEST, seed=8),
        replace(REQUEST, schema=SCHEMA),
    ],
)
def test_each_part_of_a_request_changes_its_key(other: Request) -> None:
    """Words, roles, number of messages, sampling, seed and schema each make another key."""
    assert key_of("m", other) != key_of("m", REQUEST)


def test_the_backend_is_part_of_the_key_and_the_order_of_settings_is_not() -> None:
    """Another model never meets an old reply; the same settings in another order do."""
    turned = replace(REQUEST, sampling={"top_p": 0.9, "temperature": 0.7})
    assert key_of("other", REQUEST) != key_of("m", REQUEST)
    assert key_of("m", turned) == key_of("m", REQUEST)


def test_keys_do_not_change_between_versions() -> None:
    """A ledger outlives an upgrade: the key of a request is fixed for good."""
    assert key_of("m", REQUEST) == "3254476e84b7723af4c7048da95dbf42"


def test_a_reply_comes_back_as_it_was_put(tmp_path: Path) -> None:
    """All fields of a reply are read back, also by a ledger opened anew; the request can be shown."""
    file = tmp_path / "ledger.sqlite"
    first = Ledger(file)
    first.put(KEY, "m", REQUEST, REPLY, 0.5)
    first.put_failure(OTHER, "http_500", "down", 0.1)
    first.close()
    ledger = Ledger(file)
    assert ledger.get(KEY) == REPLY
    assert ledger.get(OTHER) is None
    assert ledger.totals() == Totals(1, 5, 2, 1)
    messages, sampling, reply = ledger.show(KEY) or pytest.fail("the request is lost")
    assert messages == [{"role": m.role, "content": m.content} for m in REQUEST.messages]
    assert (sampling, reply) == (REQUEST.sampling, REPLY)
    assert ledger.show(OTHER) is None
    ledger.close()


def test_probabilities_come_back_with_their_reply(tmp_path: Path) -> None:
    """What the first token could have been is stored to the last digit, whatever the tokens; without it, nothing is."""
    file, top = tmp_path / "ledger.sqlite", {"Yes": -0.0123, '"\n\u2028é': -4.5, "": -7.25}
    first = Ledger(file)
    first.put(KEY, "m", REQUEST, replace(REPLY, top=top), 0.5)
    first.put(OTHER, "m", REQUEST, REPLY, 0.5)
    first.close()
    ledger = Ledger(file)
    assert [ledger.get(key) for key in (KEY, OTHER)] == [replace(REPLY, top=top), REPLY]
    ledger.close()


def test_a_changed_probability_is_seen(tmp_path: Path) -> None:
    """The checksum of a reply covers its probabilities."""
    file = tmp_path / "ledger.sqlite"
    ledger = Ledger(file)
    ledger.put(KEY, "m", REQUEST, replace(REPLY, top={"Yes": -0.5}), 0.5)
    ledger.close()
    with sqlite3.connect(file) as base:
        base.execute("UPDATE replies SET top = '{\"Yes\":-4.5}'")
    base.close()
    changed = Ledger(file)
    with pytest.raises(RunError, match="is not as it was written"):
        changed.get(KEY)
    changed.close()


def test_the_first_reply_to_a_key_stays(tmp_path: Path) -> None:
    """A second reply under one key does not replace the first, from which records may have been made."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.put(KEY, "m", REQUEST, REPLY, 0.5)
    ledger.put(KEY, "m", REQUEST, replace(REPLY, text="Black tea."), 0.5)
    assert ledger.get(KEY) == REPLY
    ledger.close()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text: str) -> None:
    """Blanks, NUL, line ends and characters of every plane survive the file."""
    ledger = Ledger(Path(":memory:"))
    ledger.put(KEY, "m", REQUEST, replace(REPLY, text=text), 0.5)
    reply = ledger.get(KEY)
    ledger.close()
    assert reply is not None
    assert reply.text == text


def test_a_reply_that_was_put_survives_a_kill(tmp_path: Path) -> None:
    """After SIGKILL the ledger holds every reply whose `put` had returned."""
    file = tmp_path / "ledger.sqlite"
    with writer(file, "tea", 20) as process:
        said = [process.stdout.readline() for _ in range(20)]  # type: ignore[union-attr]
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert said[-1] == "19\n"
    ledger = Ledger(file)
    replies = [ledger.get(key_of("m", request_of("tea", number))) for number in range(20)]
    ledger.close()
    assert [reply and reply.text for reply in replies] == [f"tea {number}" for number in range(20)]


def test_two_processes_may_write_to_one_ledger(tmp_path: Path) -> None:
    """Two writers at once lose nothing: each waits for the other's commit."""
    file = tmp_path / "ledger.sqlite"
    processes = [writer(file, name, 100) for name in ("tea", "bread")]
    for process in processes:
        process.communicate("")
        assert process.returncode == 0
    ledger = Ledger(file)
    assert ledger.totals().replies == 200
    ledger.close()


@pytest.mark.parametrize(
    "content",
    [b"this is no database, but a text of some length" * 99, b"SQLite format 3\0" + b"?" * 9000],
)
def test_a_damaged_file_is_an_error_of_one_line(tmp_path: Path, content: bytes) -> None:
    """A file that SQLite cannot read is refused by its name, with a remedy, and left as it is."""
    file = tmp_path / "ledger.sqlite"
    file.write_bytes(content)
    with pytest.raises(RunError, match=rf"{re.escape(str(file))}: .*restore the file") as caught:
        Ledger(file)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == content


def test_a_page_that_is_damaged_later_is_an_error_of_one_line(tmp_path: Path) -> None:
    """Damage behind an intact head is found when a reply is read, and said in the same way."""
    file = tmp_path / "ledger.sqlite"
    ledger = Ledger(file)
    for number in range(200):
        ledger.put(f"{number:032x}", "m", REQUEST, REPLY, 0.5)
    ledger.close()
    data = bytearray(file.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    file.write_bytes(data)
    broken = Ledger(file)
    with pytest.raises(RunError, match="restore the file"):
        [broken.get(f"{number:032x}") for number in range(200)]
    with pytest.raises(RunError, match="restore the file"):
        broken.totals()
    broken.close()


def test_a_folder_that_is_missing_is_an_error_of_one_line(tmp_path: Path) -> None:
    """A ledger that cannot be created says which file and what to check."""
    with pytest.raises(RunError, match="check the disk's space and rights"):
        Ledger(tmp_path / "nowhere" / "ledger.sqlite")
