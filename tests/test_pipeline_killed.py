"""kill -9 of a real `synthneg run`, at many points: the same command again goes on as if nothing had happened."""

import json
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from world import WAIT_S, Walked, World, answered, snapshot

pytestmark = pytest.mark.slow

CONCURRENCY = 4
Ready = Callable[[], bool]


def comparable(files: dict[str, bytes]) -> dict[str, object]:
    """Return the files of a run without what may differ between a run that was killed and one that was not.

    The undisturbed run had one request in flight, so run.yaml and `inputs` of run.json, a fingerprint of the settings,
    say so. `finished` is a time, and `from_ledger` counts what the last start found answered. The ledger itself (see
    `snapshot`) has its replies in the order of their arrival, with times. `inputs` of leaks.json says of which
    evaluation sets it is, with the times of their files.
    """
    found: dict[str, object] = dict(files)
    concurrency = b"concurrency: %d" % CONCURRENCY
    found["run.yaml"] = files["run.yaml"].replace(concurrency, b"concurrency: 1")
    if "leaks.json" in files:
        told = json.loads(files["leaks.json"])
        del told["inputs"]
        found["leaks.json"] = told
    if "run.json" in files:
        facts = json.loads(files["run.json"])
        del facts["finished"], facts["inputs"], facts["llm"]["from_ledger"]
        found["run.json"] = facts
    return found


def kill_and_go_on(world: World, outputs: str, points: Sequence[Ready], *until: str) -> None:
    """Start the run, kill it at the first point, start it again for the next, and at last let it come to its end.

    Asserts that no request is sent again whose reply was in the ledger when the process was killed, and that apart
    from those that were in flight none is sent twice. After each kill the books of every stage that has any balance.
    """
    folder = world.run_folder(outputs)
    command = ["run", "--outputs", outputs, "--set", f"llm.concurrency={CONCURRENCY}", *until]
    start = len(world.asked())
    stored: set[str] = set()
    for point in points:
        before = len(world.asked())
        assert world.kill_when(point, *command), "the run had ended before it could be killed"
        assert not stored & set(world.asked()[before:])
        assert not (folder / "run.json").exists()
        assert_books_balance(folder)
        stored = answered(folder) if (folder / "ledger.sqlite").exists() else set()
    before = len(world.asked())
    world.synthneg(*command)
    assert not stored & set(world.asked()[before:])
    repeated = [key for key, times in Counter(world.asked()[start:]).items() if times > 1]
    assert len(repeated) <= CONCURRENCY * len(points)


def assert_books_balance(folder: Path) -> None:
    """Assert that each stage that is done says of every record that came in what became of it, rejects by the line."""
    books = folder / "books.json"
    stages = json.loads(books.read_bytes()) if books.exists() else {}
    for name, of in stages.items():
        lost = sum(of["rejected"].values()) + sum(of["failed"].values())
        assert of["in"] == of["kept"] + lost, name
        rejects = folder / "parts" / "rejects.jsonl" / f"{name}.jsonl"
        assert lost == (len(rejects.read_bytes().splitlines()) if rejects.exists() else 0), name


def requests(world: World, count: int) -> Ready:
    """Return whether the server has got `count` further requests, counted from the first time that this is asked."""
    start: int | None = None

    def ready() -> bool:
        nonlocal start
        asked = len(world.asked())
        start = asked if start is None else start
        return asked >= start + count

    return ready


def appears(folder: Path, pattern: str) -> Ready:
    """Return whether a file that matches, a `.part` too, has come or been replaced since this was first asked."""
    start: set[int] | None = None

    def ready() -> bool:
        nonlocal start
        found = set()
        for path in folder.glob(pattern):
            try:
                found.add(path.stat().st_ino)
            except FileNotFoundError:
                continue  # it was renamed between the two calls
        start = found if start is None else start
        return bool(found - start)

    return ready


def test_killed_while_asking(walked: Walked, world: World) -> None:
    """Killed four times among the requests for queries and twice among those for documents, the files are equal."""
    points = [requests(world, count) for count in (1, 7, 52, 41, 40, 80)]

    kill_and_go_on(world, "asking", points, "--until", "export")

    assert comparable(snapshot(world.run_folder("asking"))) == comparable(walked.exported)


def test_killed_between_and_after_asking(walked: Walked, world: World) -> None:
    """Killed while reading, encoding, judging, mining, exporting, training and measuring, the files are equal."""
    folder = world.run_folder("stages")
    points = [
        appears(folder, "passages.jsonl*"),
        appears(folder, "vectors/*.keys"),
        appears(folder, "verified_queries.jsonl"),
        appears(folder, "parts/documents.jsonl/mine*"),
        appears(folder, "parts/scores.jsonl/mine.jsonl"),
        appears(folder, "examples.jsonl"),
        appears(folder, "leaks.json"),
        appears(folder, "dataset*"),
        appears(folder, "model*"),
        appears(folder, "parts/train.done"),
    ]

    kill_and_go_on(world, "stages", points)

    assert comparable(snapshot(folder)) == comparable(snapshot(walked.folder))


def test_stopped_by_the_keyboard(world: World) -> None:
    """Ctrl-C ends the run with status 130 and a sentence, and keeps every reply that had come."""
    folder = world.run_folder("stopped")
    command = ["generate", "--outputs", "stopped", "--set", f"llm.concurrency={CONCURRENCY}"]
    start = len(world.asked())
    process = world.start_afresh(*command)
    while len(world.asked()) < start + 30:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=WAIT_S)

    assert process.returncode == 130
    # On a slow machine there are lines of progress too.
    progress = ("corpus  ", "queries  ")
    said = "".join(line for line in said.splitlines(True) if not line.startswith(progress))
    assert re.fullmatch(
        r"(\nstopping: \d requests? in flight .*\n)?\n?"
        r"synthneg: stopped; every reply that came is kept, the same command goes on from there\n",
        said,
    )
    assert not list(folder.rglob("*.part"))
    stored, before = answered(folder), len(world.asked())
    assert len(stored) >= 30 - CONCURRENCY
    world.synthneg(*command)
    assert not stored & set(world.asked()[before:])
