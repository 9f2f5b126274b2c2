"""Encoding in several processes: the same vectors, and no process that outlives the one that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from tiny_model import save_tiny_model

from synthneg.errors import ModelError
from synthneg.scoring.encoder import load_encoder

TEXTS = [f"{'tea ' * (i % 7)}pot number {i}" for i in range(40)]
BATCH = 4
_ENCODES = """
import sys
from synthneg.scoring.encoder import load_encoder
if __name__ == "__main__":
    encoder = load_encoder(sys.argv[1], batch_size=4, processes=2)
    encoder.encode([f"tea {i}" for i in range(40)], "document")
    print("encoded", flush=True)
    sys.stdin.read()
"""


def workers_of(process: int) -> list[psutil.Process]:
    """Return the running children of a process that encode, without multiprocessing's own tracker."""
    return [child for child in psutil.Process(process).children(recursive=True) if _encodes(child)]


def _encodes(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it ended meanwhile, or nobody has waited for it yet
        return False


def test_two_processes_give_what_one_gives_and_end_with_the_encoder(tmp_path: Path) -> None:
    """Rows, their order and the role's prompt are those of one process, up to the last bits of a float.

    No process is started for a batch, two are for more, and both end with the encoder.
    """
    prompts = {"query": "query: ", "document": "passage: "}
    folder = str(save_tiny_model(tmp_path / "m", prompts))
    alone = load_encoder(folder, batch_size=BATCH)
    many = load_encoder(folder, batch_size=BATCH, processes=2)
    before = len(workers_of(os.getpid()))
    many.encode(TEXTS[:BATCH], "query")
    assert len(workers_of(os.getpid())) == before
    for role in ("query", "document"):
        np.testing.assert_allclose(many.encode(TEXTS, role), alone.encode(TEXTS, role), atol=1e-6)
    assert not np.allclose(alone.encode(TEXTS, "query"), alone.encode(TEXTS, "document"), atol=1e-3)
    assert len(workers_of(os.getpid())) == before + 2
    del many
    _wait_for(lambda: len(workers_of(os.getpid())) == before)


def test_a_process_that_dies_is_said(tmp_path: Path) -> None:
    """Where the system kills one, the run stops with a sentence and the setting that helps."""
    encoder = load_encoder(str(save_tiny_model(tmp_path / "m")), batch_size=BATCH, processes=2)
    before = {child.pid for child in workers_of(os.getpid())}
    encoder.encode(TEXTS, "document")
    own = [child for child in workers_of(os.getpid()) if child.pid not in before]
    own[0].kill()
    own[0].wait(10)
    with pytest.raises(ModelError, match=r"lower verify\.encode_processes"):
        encoder.encode(TEXTS, "document")


def test_no_process_outlives_a_killed_command(tmp_path: Path) -> None:
    """After SIGKILL of the process that started them, those that encode end by themselves."""
    folder = str(save_tiny_model(tmp_path / "m"))
    script = tmp_path / "encodes.py"
    script.write_text(_ENCODES)
    command = subprocess.Popen(
        [sys.executable, str(script), folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert command.stdout is not None
    assert command.stdout.readline() == b"encoded\n"
    workers = workers_of(command.pid)
    assert len(workers) == 2
    os.kill(command.pid, signal.SIGKILL)
    command.communicate()
    _wait_for(lambda: not any(_lives(worker) for worker in workers))


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_for(holds) -> None:  # noqa: ANN001 - a function without arguments
    for _ in range(200):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("not within 20 s")
