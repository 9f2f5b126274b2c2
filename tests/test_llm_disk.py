"""What disks and people do to a run's folder while it asks: a sentence with a remedy, exit status 2, nothing lost."""

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from asking import Asking, sentence
from llm_server import started
from test_llm_ledger import REPLY, REQUEST
from world import WAIT_S, answered

from synthneg.errors import RunError
from synthneg.llm.base import Reply
from synthneg.llm.ledger import Ledger

CONCURRENCY = 8


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    """Give a folder in which 300 queries can be asked for, 8 at once, and the server that answers after 20 ms."""
    with started("--log", str(tmp_path / "requests.log"), "--latency-ms", "20") as url:
        made = Asking(tmp_path, url)
        made.build_small(300, concurrency=CONCURRENCY)
        yield made


def meddled(asking: Asking, meddle: "object", requests: int = 60) -> str:
    """Start `generate`, meddle after so many requests, and return the sentence with which it ends with status 2."""
    process = asking.start("generate")
    while len(asking.asked()) < requests and process.poll() is None:
        time.sleep(0.002)
    meddle()  # type: ignore[operator]
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 2, err
    return sentence(err)


def goes_on(asking: Asking, stored: set[str], at_once: int = CONCURRENCY) -> None:
    """Start `generate` again: all is made, nothing that was stored is asked for, and little is asked for twice."""
    before = len(asking.asked())
    asking.generate()
    assert asking.books()["kept"] == 300
    assert not stored & set(asking.asked()[before:])
    times = Counter(asking.asked())
    assert sum(n - 1 for n in times.values()) <= at_once


@pytest.mark.slow
def test_a_ledger_that_is_deleted_is_written_anew(asking: Asking) -> None:
    """Deleted in mid-run, the ledger is saved from the file that is still open, with the last reply in it."""
    said = meddled(asking, lambda: [f.unlink() for f in asking.run.glob("ledger.sqlite*")])
    assert "ledger.sqlite: the ledger was deleted or replaced while the run was at work" in said
    assert said.endswith("then give the same command again")
    stored = answered(asking.run)
    assert len(stored) >= 60 - CONCURRENCY
    goes_on(asking, stored)


@pytest.mark.slow
def test_a_ledger_that_is_replaced_is_saved_beside_the_new_one(asking: Asking) -> None:
    """Another file in the ledger's place is left as it is; the replies are saved beside it, and can be put there."""

    def meddle() -> None:
        (asking.folder / "other").write_bytes(b"somebody's copy")
        os.replace(asking.folder / "other", asking.ledger)

    said = meddled(asking, meddle)
    assert "put ledger.sqlite.saved in its place" in said
    assert asking.ledger.read_bytes() == b"somebody's copy"
    os.replace(asking.run / "ledger.sqlite.saved", asking.ledger)
    goes_on(asking, answered(asking.run))


@pytest.mark.slow
def test_a_folder_that_is_deleted_leaves_its_ledger(asking: Asking) -> None:
    """Deleted with all that is in it, the run's folder comes back with the ledger, and the same command goes on."""

    def meddle() -> None:
        asking.run.rename(asking.folder / "gone")
        shutil.rmtree(asking.folder / "gone")

    said = meddled(asking, meddle)
    assert "give the same command again" in said
    assert asking.ledger.exists()
    goes_on(asking, answered(asking.run))


@pytest.mark.slow
def test_two_processes_do_not_ask_in_one_run(asking: Asking) -> None:
    """The second says that the first is at work, and disturbs it in nothing."""
    process = asking.start("generate")
    while len(asking.asked()) < 20:
        time.sleep(0.002)
    process.send_signal(
        signal.SIGSTOP
    )  # else it may be done before a slow machine has started the second
    second = asking.generate(status=2)
    process.send_signal(signal.SIGCONT)
    assert "another synthneg process is at work in this run" in sentence(second.stderr)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, err
    assert set(Counter(asking.asked()).values()) == {1}


def in_small(asking: Asking, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run `synthneg` so that no file may become larger than 160 KiB."""
    code = "from synthneg.cli import main; main()"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (160 << 10, 160 << 10))

    return subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=asking.folder,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=limit,
    )


@pytest.mark.slow
def test_files_that_may_grow_no_more_are_said(asking: Asking) -> None:
    """At a limit of file sizes the run stops with a sentence; with the limit gone it goes on from what is stored."""
    asking.build_small(300, concurrency=CONCURRENCY)
    done = in_small(asking, "generate")
    assert done.returncode == 2, done.stderr
    assert "check the disk's space" in sentence(done.stderr)
    stored = answered(asking.run)
    assert 0 < len(stored) < 300
    goes_on(asking, stored)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a disk in memory on a folder; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_is_said(asking: Asking) -> None:
    """On a real disk of 400 KiB the run stops with a sentence; with room it goes on from what is stored."""
    with mounted(asking.folder / "outputs", "size=400k"):
        said = sentence(asking.generate(status=2).stderr)
        assert "disk is full" in said or "No space left on device" in said
        stored = answered(asking.run)
        assert 0 < len(stored) < 300
        more = ["mount", "-o", "remount,size=20m", str(asking.folder / "outputs")]
        subprocess.run(more, check=True)
        goes_on(asking, stored)


@pytest.mark.slow
def test_a_folder_that_may_only_be_read_is_said(asking: Asking) -> None:
    """On a disk that is mounted for reading alone there is a sentence, and nothing is asked."""
    with mounted(asking.folder / "outputs", "ro"):
        said = sentence(asking.generate(status=2).stderr)
    assert "a run's folder must be writable, but Read-only file system" in said
    assert asking.asked() == []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_ledger_that_may_only_be_read_is_said(asking: Asking) -> None:
    """Where the ledger belongs to somebody else, there is a sentence, and nothing is asked."""
    asking.generate()
    before = len(asking.asked())
    asking.ledger.chmod(0o444)
    said = sentence(asking.generate("--set", "seed=8", status=2).stderr)
    assert "check the disk's space and rights" in said
    assert len(asking.asked()) - before <= 2 * CONCURRENCY


@pytest.mark.slow
def test_a_page_that_is_overwritten_between_two_starts_is_said(asking: Asking) -> None:
    """A damaged ledger stops the next start that reads it with its name and two remedies; a copy cures it."""
    asking.generate()
    (asking.run / "queries.jsonl").unlink()  # what stands reads no reply
    copy = asking.folder / "copy.sqlite"
    shutil.copy(asking.ledger, copy)
    data = bytearray(asking.ledger.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 3 * 4096] = os.urandom(3 * 4096)
    asking.ledger.write_bytes(data)
    before = len(asking.asked())
    said = sentence(asking.generate(status=2).stderr)
    assert "ledger.sqlite: the ledger cannot be used (" in said
    assert "restore the file from a copy" in said
    assert ".recover" in said
    assert len(asking.asked()) - before <= CONCURRENCY + 32
    shutil.copy(copy, asking.ledger)
    for log in asking.run.glob("ledger.sqlite-*"):
        log.unlink()
    goes_on(asking, answered(asking.run), at_once=CONCURRENCY + 32)


def filled(file: Path, replies: int = 60) -> dict[str, Reply]:
    """Write a ledger with different replies, and return them by key."""
    ledger, stored = Ledger(file), {}
    chance = random.Random(7)
    for number in range(replies):
        text = " ".join(str(chance.random()) for _ in range(chance.randint(1, 60)))
        key, reply = f"{chance.getrandbits(128):032x}", Reply(text, "stop", number, 2, "m", "")
        ledger.put(key, "m", REQUEST, reply, 0.1)
        stored[key] = reply
    ledger.learn("m", "dialect", "text")
    ledger.close()
    return stored


def test_no_flipped_bit_changes_a_reply(tmp_path: Path) -> None:
    """With one bit of the file flipped, 400 times: a reply is as it was, missing, or an error of one line."""
    file, chance = tmp_path / "ledger.sqlite", random.Random(3)
    stored = filled(file)
    whole = file.read_bytes()
    errors = []
    for _ in range(400):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        for log in tmp_path.glob("ledger.sqlite-*"):
            log.unlink()
        try:
            use(file, stored)
        except RunError as error:
            errors.append(str(error))
    assert len(errors) > 40
    assert not any("\n" in error for error in errors)


def use(file: Path, stored: dict[str, Reply]) -> None:
    """Do with a ledger all that can be done; what it gives out must be as it was stored."""
    ledger = Ledger(file)
    try:
        for key, reply in stored.items():
            assert ledger.get(key) in (reply, None)
        ledger.totals()
        ledger.facts("m")
        ledger.show(next(iter(stored)))
        ledger.learn("m", "dialect", None)
        ledger.put("0" * 32, "m", REQUEST, REPLY, 0.1)
    finally:
        with suppress(RunError):
            ledger.close()


@pytest.mark.parametrize("version", [0, 1, 99])
def test_a_ledger_of_another_format_is_refused(tmp_path: Path, version: int) -> None:
    """A file that another version wrote otherwise is named with both formats, and not a row of it is changed."""
    file = tmp_path / "ledger.sqlite"
    base = sqlite3.connect(file)
    base.executescript(
        f"CREATE TABLE replies (key TEXT, request TEXT); INSERT INTO replies VALUES ('a', 'b');"
        f"PRAGMA user_version={version};"
    )
    base.close()
    with pytest.raises(
        RunError, match=rf"has format {version}, .* reads format 2; use the version"
    ):
        Ledger(file)
    base = sqlite3.connect(file)
    assert base.execute("SELECT * FROM replies").fetchall() == [("a", "b")]
    base.close()


def test_what_is_stored_on_a_full_disk_stays(tmp_path: Path) -> None:
    """A commit that fails for want of room changes nothing: what was stored is read, the rest is not there."""
    file = tmp_path / "ledger.sqlite"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ledger = Ledger(file)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200 << 10, before[1]))
    kept, said = 0, ""
    try:
        while not said and kept < 10_000:
            ledger.put(f"{kept:032x}", "m", REQUEST, REPLY, 0.5)
            kept += 1
    except RunError as error:
        said = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "check the disk's space" in said
    assert kept > 10
    ledger.put(f"{kept:032x}", "m", REQUEST, REPLY, 0.5)
    ledger.close()
    again = Ledger(file)
    assert again.totals().replies == kept + 1
    assert all(again.get(f"{number:032x}") == REPLY for number in range(kept + 1))
    again.close()
