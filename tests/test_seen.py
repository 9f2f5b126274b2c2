"""What is remembered of what went by: exact, and in memory that does not grow."""

import sqlite3
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.errors import RunError
from synthneg.seen import Seen

# The peak of a process of its own, as the system counts it; getrusage would count the parent's too.
PEAK = """
import re, sys
from pathlib import Path
from synthneg.config import CorpusConfig
from synthneg.corpus.check import check
from synthneg.corpus.raw import Raw
from synthneg.corpus.sample import choose
from synthneg.seen import Seen
count = int(sys.argv[1])
def passages():
    raws = (Raw(f"{n * 7919 % count}", "", f"one two three four {n}", "here") for n in range(count))
    return check(raws, CorpusConfig(path="x"), 7)
with Seen() as ids:
    assert sum(ids.add(p.id, "") is None for p in passages()) == count
assert sum(1 for p in choose(passages, count // 2, "random", 7)) == count // 2
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@given(st.lists(st.tuples(st.text("ab", max_size=2) | st.binary(max_size=1), st.text(max_size=3))))
def test_the_first_name_of_a_key_is_remembered(added):
    """Adding a key gives the name under which it came first, and None the first time; bytes and text are apart."""
    first = {}
    with Seen() as seen:
        for key, name in added:
            name = name.encode("utf-8", "replace").decode()
            assert seen.add(key, name) == first.get(key)
            first.setdefault(key, name)


def test_nothing_is_forgotten_once_it_lies_on_disk():
    """Of 60,000 keys, many times what the memory holds, each is found again under its name."""
    with Seen() as seen:
        assert all(seen.add(f"{n} {'x' * 60}", f"name {n}") is None for n in range(60_000))
        assert all(
            seen.add(f"{n} {'x' * 60}", "other") == f"name {n}" for n in range(0, 60_000, 37)
        )


def test_no_room_for_what_was_seen_is_one_line(monkeypatch):
    """Where temporary files find no room, the error says so and names the variable that moves them."""
    with Seen() as seen:
        seen._base.execute("PRAGMA max_page_count=2")

        def fill():
            for n in range(10_000):
                seen.add(f"{n} {'x' * 60}", "")

        with pytest.raises(RunError, match=r"disk is full.*TMPDIR") as caught:
            fill()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, sqlite3.Error)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ten_times_the_corpus_takes_the_same_memory():
    """Checking and choosing of 80,000 passages needs at most 4 MB more than of 8,000."""
    peaks = [
        int(subprocess.check_output([sys.executable, "-c", PEAK, str(count)]))
        for count in (8_000, 80_000)
    ]
    assert peaks[1] - peaks[0] < 4 * 1024, peaks
