"""Ctrl-C and SIGTERM while a real `synthneg generate` asks: what is in flight comes in, and nothing is asked again."""

import asyncio
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from asking import Asking, sentence
from llm_server import started
from world import WAIT_S

from synthneg.config import LLMConfig
from synthneg.llm.ask import Asker, Job, Stopped
from synthneg.llm.base import Request
from synthneg.llm.interrupt import stopping
from synthneg.llm.ledger import Ledger
from synthneg.progress import Progress
from synthneg.prompts.render import Message
from synthneg.testing import ScriptedBackend

CONCURRENCY = 8
BOUND_S = 20  # for what takes a second on a machine with nothing else to do
KEPT = "synthneg: stopped; every reply that came is kept, the same command goes on from there"


@contextmanager
def slow_server(tmp_path: Path, latency_ms: int, *options: str) -> Iterator[Asking]:
    """Give a run of 100 queries, 8 at once, and a server that takes its time."""
    log = str(tmp_path / "requests.log")
    with started("--log", log, "--latency-ms", str(latency_ms), *options) as url:
        asking = Asking(tmp_path, url)
        asking.build_small(100, concurrency=CONCURRENCY)
        yield asking


def begun(asking: Asking, requests: int) -> "subprocess.Popen[str]":
    """Start `generate` and return it when the server has got so many requests."""
    process = asking.start("generate")
    while len(asking.asked()) < requests:
        assert process.poll() is None
        time.sleep(0.005)
    return process


def ended(process: "subprocess.Popen[str]") -> tuple[str, float]:
    """Return what a process said until its end, and how long that took; it must end with status 130 and no noise."""
    start = time.monotonic()
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, err
    assert sentence(err) == KEPT
    return err, time.monotonic() - start


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_what_is_in_flight_comes_in(tmp_path: Path, sent: signal.Signals) -> None:
    """The first signal says how many replies are waited for, and the next start asks for none of them."""
    with slow_server(tmp_path, 700) as asking:
        process = begun(asking, 2 * CONCURRENCY + 3)
        time.sleep(0.1)
        process.send_signal(sent)
        err, seconds = ended(process)
        assert re.search(r"stopping: \d requests? in flight (are|is) waited for; Ctrl-C again", err)
        assert 0.2 < seconds < BOUND_S
        before = len(asking.asked())
        asking.generate("--set", "llm.concurrency=100")
        assert len(asking.asked()) == 100
        assert before == len(set(asking.asked()[:before]))
        # A machine that has much else to do begins another round or two before it hears the signal; there are twelve.
        assert 3 * CONCURRENCY - 5 <= before <= 6 * CONCURRENCY


@pytest.mark.slow
def test_a_second_signal_leaves_at_once(tmp_path: Path) -> None:
    """Whoever presses Ctrl-C twice does not wait, and loses the replies in flight and no other."""
    with slow_server(tmp_path, 60_000) as asking:
        process = begun(asking, CONCURRENCY)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, seconds = ended(process)
        assert seconds < BOUND_S


@pytest.mark.slow
@pytest.mark.parametrize("latency_ms", [5, 1000])
def test_a_pause_that_the_server_asks_for_is_not_waited_for(
    tmp_path: Path, latency_ms: int
) -> None:
    """With Retry-After of a minute, whether it came before Ctrl-C or comes after, the run ends at once."""
    with slow_server(tmp_path, latency_ms, "--fault", ":429", "--retry-after", "60") as asking:
        process = begun(asking, CONCURRENCY)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, seconds = ended(process)
        assert seconds < BOUND_S


@pytest.mark.slow
def test_retries_end_with_a_signal(tmp_path: Path) -> None:
    """A server that fails everything does not keep a stopped run alive."""
    with slow_server(tmp_path, 300, "--fault", ":500") as asking:
        process = begun(asking, 2 * CONCURRENCY)
        process.send_signal(signal.SIGINT)
        _, seconds = ended(process)
        before = len(asking.asked())
        assert seconds < BOUND_S
        assert max(Counter(asking.asked()).values()) <= 3
        time.sleep(0.3)
        assert len(asking.asked()) == before


def test_a_signal_is_heard_while_all_comes_from_the_ledger(tmp_path: Path) -> None:
    """A run that asks nothing, because everything is stored, stops in the middle too."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    jobs = [Job(str(n), "t@1", (Message("user", str(n)),), {}, "text", n, {}) for n in range(2000)]
    backend = ScriptedBackend(lambda request: request.messages[-1].content or "")
    seen = 0

    def asked() -> Iterator[tuple[None, Job]]:
        return ((None, job) for job in jobs)

    def asker() -> Asker:
        return Asker(backend, ledger, LLMConfig(concurrency=64), 7)

    async def fill() -> None:
        async for _ in asker().ask(asked(), Progress("", None, "").advance):
            pass

    async def read() -> None:
        nonlocal seen
        mine = asker()
        with stopping(mine):
            async for _ in mine.ask(asked(), Progress("", None, "").advance):
                seen += 1
                if seen == 100:
                    os.kill(os.getpid(), signal.SIGINT)

    asyncio.run(fill())
    with pytest.raises(Stopped):
        asyncio.run(read())
    assert 100 <= seen < 300
    ledger.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_stop_at_any_moment_loses_no_reply(tmp_path: Path, seed: int) -> None:
    """Stopped among short replies, bad ones and failures, every reply that was asked for is in the ledger."""

    def answer(request: Request) -> str:
        return "" if request.seed % 5 == 0 else "fine"

    backend = ScriptedBackend(answer, delay_s=lambda request: request.seed % 7 / 2000)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    jobs = (Job(str(n), "t@1", (Message("user", str(n)),), {}, "text", n, {}) for n in count())
    asked = ((None, job) for job in jobs)

    async def work() -> None:
        asker = Asker(backend, ledger, LLMConfig(concurrency=16), 7)
        asyncio.get_running_loop().call_later(0.05 + seed * 0.013, asker.stop)
        async for _ in asker.ask(asked, Progress("", None, "").advance):
            pass

    with pytest.raises(Stopped):
        asyncio.run(work())
    assert ledger.totals().replies == len(backend.asked) > 0
    ledger.close()


def test_a_stop_while_others_are_about_to_be_sent_loses_no_reply(tmp_path: Path) -> None:
    """Stopped at the moment when a slot comes free, the requests in flight are still waited for."""

    async def work(ledger: Ledger, stop_at: int) -> int:
        def answer(request: Request) -> str:
            if request.seed == stop_at:
                asker.stop()
            return "fine"

        backend = ScriptedBackend(answer, delay_s=lambda request: 0.001 + request.seed % 16 / 50)
        asker = Asker(backend, ledger, LLMConfig(concurrency=16), 7)
        jobs = [
            Job(str(n), "t@1", (Message("user", str(n)),), {}, "text", n, {}) for n in range(500)
        ]
        asked = ((None, job) for job in jobs)
        with suppress(Stopped):
            async for _ in asker.ask(asked, Progress("", None, "").advance):
                await asyncio.sleep(0.003)  # whoever asks is busy with something else
        return len(backend.asked)

    for stop_at in (16, 32, 48):
        ledger = Ledger(tmp_path / f"{stop_at}.sqlite")
        assert asyncio.run(work(ledger, stop_at)) == ledger.totals().replies
        ledger.close()


def test_in_another_thread_signals_are_left_alone(tmp_path: Path) -> None:
    """Asking from a thread, as a notebook does, sets no handler and works."""
    said: list[object] = []

    async def work() -> None:
        ledger = Ledger(tmp_path / "ledger.sqlite")
        asker = Asker(ScriptedBackend(), ledger, LLMConfig(), 7)
        asked = [(None, Job("a", "t@1", (Message("user", "a"),), {}, "text", 1, {}))]
        with stopping(asker):
            said.extend([one async for one in asker.ask(asked, Progress("", None, "").advance)])
        ledger.close()

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    thread.join()
    assert len(said) == 1
    assert signal.getsignal(signal.SIGINT) is before
