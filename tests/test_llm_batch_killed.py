"""Batches and processes that die: the same command again goes on, and no reply is paid for twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import batch_asker
import pytest
import yaml
from batch_server import started
from llm_server import MODEL

from synthneg.llm.ledger import Ledger

pytestmark = pytest.mark.slow

PASSAGES = 8
KEY = "sk-planted-batch-0123456789abcdef"
KEY_VARIABLE = "LOOPBACK_KEY"


def logged(log: Path) -> list[str]:
    """Return the calls that a server has had, in their order."""
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize(
    ("moment", "faults"),
    [
        ("upload", ["upload:slow:1"]),  # the file arrives, and nobody knows its name
        ("create", ["create:never:1"]),  # the call does not get through
        ("create", ["create:slow:1"]),  # it does, and nobody hears its answer
        ("poll", []),
        ("content", []),  # half of the replies have been read
    ],
)
def test_killed_at_any_moment_nothing_is_paid_twice(
    tmp_path: Path, moment: str, faults: list[str]
) -> None:
    """Killed while uploading, creating, waiting or fetching, the same command goes on; each reply is paid for once."""
    log, file = tmp_path / "calls.log", tmp_path / "ledger.sqlite"
    arguments = [word for fault in faults for word in ("--call", fault)]
    with started("--log", str(log), "--seconds", "0.3", "--chunk-s", "0.03", *arguments) as url:
        script = str(Path(batch_asker.__file__))
        command = [sys.executable, script, url, str(file)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        while not any(line.startswith(moment) for line in logged(log)):
            assert process.poll() is None
            time.sleep(0.005)
        if moment == "content":
            time.sleep(0.25)  # some pieces have come, others have not
        process.send_signal(signal.SIGKILL)
        assert process.communicate()[0] == ""
        if "create:slow:1" not in faults:
            time.sleep(0.5)  # what the server was doing for the dead client is over
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(f"{n} answered\n" for n in range(batch_asker.REQUESTS))
    paid = [line for line in logged(log) if line.startswith("paid")]
    assert len(paid) == len(set(paid)) == batch_asker.REQUESTS
    assert logged(log).count("create") - ("create:never:1" in faults) == 1
    ledger = Ledger(file)
    assert ledger.totals().replies == batch_asker.REQUESTS
    ledger.close()


def start(folder: Path) -> "subprocess.Popen[str]":
    """Start `synthneg generate` in a folder."""
    return subprocess.Popen(
        [sys.executable, "-c", "from synthneg.cli import main; main()", "generate", "run.yaml"],
        cwd=folder,
        env=os.environ | {KEY_VARIABLE: KEY, "HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that was started in the background ignores Ctrl-C, and its processes would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait(process: "subprocess.Popen[str]", ready: Callable[[], bool]) -> None:
    """Wait until something is so, while the process is at work."""
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)


def test_stopped_and_killed_from_the_command_line(tmp_path: Path) -> None:
    """Ctrl-C does not wait for a batch and says what becomes of it; then killed, the command ends as if undisturbed."""
    log = tmp_path / "calls.log"
    rows = (
        {"_id": str(n), "text": f"The {n} keepers of the harbour drink tea"}
        for n in range(PASSAGES)
    )
    (tmp_path / "corpus.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with started("--log", str(log), "--seconds", "5", "--key", KEY) as url:
        llm = {"backend": "openai", "mode": "batch", "base_url": url, "model": MODEL}
        llm |= {"api_key_env": KEY_VARIABLE, "batch": {"poll_s": 0.1}}
        settings = {"run": "batched", "corpus": {"path": "corpus.jsonl"}, "llm": llm}
        settings["generate"] = {"queries": {"rounds": 0}}
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))

        process = start(tmp_path)
        wait(process, lambda: "poll" in logged(log))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=600)[1]
        assert process.returncode == 130, said
        assert "left to the server: batch_0; the same command takes up what comes back" in said
        polls = logged(log).count("poll")

        process = start(tmp_path)
        wait(process, lambda: logged(log).count("poll") > polls)
        process.kill()
        process.communicate()

        process = start(tmp_path)
        said = process.communicate(timeout=600)[1]
        assert process.returncode == 0, said
    lines = (tmp_path / "outputs" / "batched" / "queries.jsonl").read_text().splitlines()
    paid = [line for line in logged(log) if line.startswith("paid")]
    assert len(lines) == len(paid) == len(set(paid)) == 3 * PASSAGES
    assert logged(log).count("create") == 1
    assert not any(
        KEY.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()
    )
