"""What a real `synthneg generate` does when its server refuses, dies or hangs: a sentence in bounded time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import llm_server
import pytest
from asking import Asking, sentence
from llm_server import serving
from world import WAIT_S, answered

from synthneg.errors import BackendError
from synthneg.llm.base import Transient
from synthneg.llm.wire import Dialect, refusal_of, seconds_of

CONCURRENCY = 8
BOUND_S = 60  # for what takes some seconds on a machine with nothing else to do
QUOTA = '{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'
FAULTY_SERVER = Path("../shared/tools/faulty_server.py")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, '{"error": {"message": "top_k is no known parameter"}}', "top_k is no known"),
        (401, '{"error": {"message": "Incorrect API key"}}', "LOOPBACK_KEY"),
        (403, '{"error": "no access to this model"}', "no access to this model"),
        (404, '{"detail": "Not Found"}', "check llm.base_url (it ends with /v1) and llm.model"),
        (422, "<html>what is this?</html>", "what is this?"),
        (429, QUOTA, "the account has nothing left to spend"),
        (301, "", "it has moved to"),
    ],
)
def test_what_no_retry_cures_stops_the_run_at_once(
    tmp_path: Path, status: int, body: str, said: str
) -> None:
    """The server's words and a remedy are one line, status 2 follows, and nothing goes beyond what was in flight."""
    with serving(canned=(status, body), latency_ms=20) as server:
        asking = Asking(tmp_path, server.url)
        asking.build_small(100, concurrency=CONCURRENCY)
        done = asking.generate(status=2)
        assert len(server.bodies) <= CONCURRENCY
        assert max(server.attempts.values()) == 1
    assert f"answered {status}" in sentence(done.stderr)
    assert said in sentence(done.stderr)
    assert done.stderr.count("synthneg: ") == 1
    assert not (asking.run / "queries.jsonl").exists()


def test_replies_before_the_key_was_withdrawn_are_kept(tmp_path: Path) -> None:
    """Refused in mid-run, the run stops with what it has, and goes on from there when the key is good again."""
    log = tmp_path / "requests.log"
    fault = llm_server.Fault("[id:50]", "401", 1)
    with serving([fault], log=log, latency_ms=5) as server:
        asking = Asking(tmp_path, server.url)
        asking.build_small(100, concurrency=CONCURRENCY)
        asking.generate(status=2)
        stored, before = answered(asking.run), len(asking.asked())
        assert 50 - CONCURRENCY <= len(stored) <= 51 + CONCURRENCY
        assert before - len(stored) <= CONCURRENCY
        asking.generate()
        assert not stored & set(asking.asked()[before:])


@contextmanager
def own_server(tmp_path: Path, *options: str) -> "Iterator[tuple[Asking, subprocess.Popen[str]]]":
    """Give a run of 400 queries, and the process of its server."""
    log = str(tmp_path / "requests.log")
    command = [sys.executable, llm_server.__file__, "--log", log, "--latency-ms", "20", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            asking = Asking(tmp_path, process.stdout.readline().strip())
            asking.build_small(400, concurrency=CONCURRENCY, timeout_s=1, retries=1)
            yield asking, process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def after(asking: Asking, requests: int) -> "subprocess.Popen[str]":
    """Start `generate` and return it when the server has got so many requests."""
    process = asking.start("generate")
    while len(asking.asked()) < requests:
        assert process.poll() is None
        time.sleep(0.002)
    return process


def test_a_server_that_dies_stops_the_run_in_bounded_time(tmp_path: Path) -> None:
    """After SIGKILL of the server the run says so within seconds, and what was answered is kept."""
    with own_server(tmp_path) as (asking, server):
        process = after(asking, 100)
        server.kill()
        start = time.monotonic()
        _, err = process.communicate(timeout=WAIT_S)
        assert time.monotonic() - start < BOUND_S
        assert process.returncode == 2, err
        assert "the last 20 requests all failed after 1 retries each (connection: " in sentence(err)
        assert "give the same command" in sentence(err)
        assert len(answered(asking.run)) >= 100 - CONCURRENCY


def test_a_server_that_hangs_stops_the_run_in_bounded_time(tmp_path: Path) -> None:
    """A server that answers nothing is given up after a few rounds of llm.timeout_s, and the sentence says so."""
    with own_server(tmp_path) as (asking, server):
        process = after(asking, 100)
        server.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        _, err = process.communicate(timeout=WAIT_S)
        assert time.monotonic() - start < BOUND_S
        assert process.returncode == 2, err
        assert "(timeout: no reply within 1 s)" in sentence(err)


def test_a_server_that_was_away_for_a_while_is_taken_up(tmp_path: Path) -> None:
    """Stopped for a second and a half, the server is asked again: every query is made, and none that was answered."""
    with own_server(tmp_path) as (asking, server):
        process = after(asking, 100)
        server.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        server.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, err
        assert asking.books()["kept"] == 400
        again = Counter(asking.asked()).total() - 400
        assert again <= 3 * CONCURRENCY


def test_the_line_of_progress_says_what_is_waited_for(tmp_path: Path) -> None:
    """In a terminal the live line names the requests in flight, their age, and what is to be tried again."""
    with own_server(tmp_path) as (asking, server):
        outer, inner = os.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", "from synthneg.cli import main; main()", "generate"],
            cwd=asking.folder,
            stdout=subprocess.DEVNULL,
            stderr=inner,
        )
        os.close(inner)
        while len(asking.asked()) < 100:
            time.sleep(0.002)
        server.send_signal(signal.SIGSTOP)
        shown = b""
        while b"to be tried again after timeout" not in shown:
            shown += os.read(outer, 65536)
        server.send_signal(signal.SIGCONT)
        while process.poll() is None:
            try:
                shown += os.read(outer, 65536)
            except OSError:  # how a terminal says that its last writer has gone
                break
        os.close(outer)
        assert process.wait(60) == 0
    assert b"8 in flight, the oldest for 1 s" in shown
    assert b"queries  400/400" in shown


def test_the_table_of_faults_has_zeros(tmp_path: Path) -> None:
    """With every fault at once, no record is lost without a word, and none that was answered is asked for again."""
    if not FAULTY_SERVER.exists():
        pytest.skip(f"needs {FAULTY_SERVER}, which is not part of this repository")
    table = tmp_path / "table.json"
    command = [sys.executable, "benchmarks/engine/faults.py", str(FAULTY_SERVER)]
    options = ["--records", "100", "--json", str(table)]
    options += ["--only", "text, all", "--only", "schema, all"]
    subprocess.run([*command, *options], check=True, capture_output=True)
    for found in json.loads(table.read_text()).values():
        assert (found["silent"], found["wasted"], found["twice"]) == (0, 0, 0), found
        assert found["gap"] is None or found["gap"] >= 1.0


def refusal(status: int, retry_after: str) -> Exception:
    """Return what an answer means."""
    return refusal_of(
        status, b"{}", retry_after, dialect=Dialect(), request=None, where="x", key_env="K"
    )


@pytest.mark.parametrize("sent", ["inf", "nan", "1e999", "-inf", "", "soon"])
def test_a_time_that_is_none_is_not_waited_for(sent: str) -> None:
    """A Retry-After that no clock reaches is as good as none."""
    assert seconds_of(sent) is None
    error = refusal(429, sent)
    assert isinstance(error, Transient)
    assert error.wait_s is None


def test_a_server_that_asks_to_wait_for_a_day_stops_the_run() -> None:
    """Nobody waits for hours without being asked: beyond one, the run stops and says how many."""
    error = refusal(429, "86400")
    assert isinstance(error, BackendError)
    assert "asks to wait 24.0 hours" in str(error)
    waits = refusal(503, "3600")
    assert isinstance(waits, Transient)
    assert waits.wait_s == 3600
