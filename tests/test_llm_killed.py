"""kill -9 of a real `synthneg generate` at twenty random moments: what is asked again was in flight, and no more."""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from asking import Asking
from llm_server import started
from world import answered, snapshot

pytestmark = pytest.mark.slow

RECORDS, IN_FLIGHT, KILLS = 700, 32, 20


def later(asking: Asking, requests: int, more_s: float) -> Callable[[], bool]:
    """Return whether the server has got so many further requests, and some time has gone by since."""
    start, reached = len(asking.asked()), 0.0

    def ready() -> bool:
        nonlocal reached
        if not reached and len(asking.asked()) >= start + requests:
            reached = time.monotonic()
        return bool(reached) and time.monotonic() >= reached + more_s

    return ready


def test_killed_at_twenty_random_moments(tmp_path: Path) -> None:
    """Each kill costs the requests that had no reply in the ledger, at most those in flight; the files are the same."""
    chance, lost = random.Random(7), Counter[str]()
    log = tmp_path / "requests.log"
    with started("--log", str(log), "--latency-ms", "20") as url:
        asking = Asking(tmp_path, url)
        asking.build_small(RECORDS, concurrency=IN_FLIGHT)
        asking.generate("--outputs", "undisturbed")
        log.write_text("")
        stored: set[str] = set()
        kills = 0
        while kills < KILLS:
            before = len(asking.asked())
            ready = later(asking, chance.randint(1, 50), chance.random() * 0.01)
            if not asking.kill_when(ready, "generate"):
                break
            kills += 1
            time.sleep(0.05)  # the server reads what was on its way
            assert not stored & set(asking.asked()[before:]), "a stored reply was asked for again"
            stored = answered(asking.run) if asking.ledger.exists() else set()
            unanswered = set(asking.asked()[before:]) - stored
            assert len(unanswered) <= IN_FLIGHT
            lost.update(unanswered)
        before = len(asking.asked())
        asking.generate()
        assert not stored & set(asking.asked()[before:])
        asked = Counter(asking.asked())
    assert kills >= KILLS - 3, "the run was over too soon"
    assert len(asked) == RECORDS
    assert asked - Counter(set(asked)) == lost, "what was sent again is not what had been in flight"
    files, expected = (
        {name: data for name, data in snapshot(folder).items() if not name.endswith(".done")}
        for folder in (asking.run, asking.run_folder("undisturbed"))
    )
    assert files == expected  # the marks hold the times at which files were written
