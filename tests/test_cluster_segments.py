"""A partition's ledger in pieces on a storage: what any reader finds, whoever wrote, folded or was killed meanwhile."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthneg.cluster import segments as segments_module
from synthneg.cluster.ledgers import SegmentedLedger
from synthneg.cluster.segments import Segments, packed, take_new
from synthneg.cluster.storage import Storage, storage_at
from synthneg.errors import RunError
from synthneg.llm.base import Reply, Request
from synthneg.llm.keys import key_of
from synthneg.llm.ledger import Ledger
from synthneg.llm.used import Totals
from synthneg.prompts.render import Message

FOLDER = "partitions/007/ledger"
MEMORY = Path(":memory:")
WRITER = """
import asyncio, sys
from synthneg.cluster.ledgers import SegmentedLedger
from synthneg.cluster.segments import Segments
from synthneg.cluster.storage import storage_at
from test_cluster_segments import FOLDER, key, reply, request

async def work(place, name, count):
    ledger = SegmentedLedger(Segments(storage_at(place), FOLDER), {})
    print("open", ledger.totals().replies, flush=True)
    async def ask(number):
        if ledger.get(key(number)) is None:
            await asyncio.sleep(number % 7 / 100)
            await ledger.store(key(number), "m", request(number), reply(name, number), 0.2)
            print(number, flush=True)
    for start in range(0, count, 16):
        await asyncio.gather(*map(ask, range(start, min(start + 16, count))))
    ledger.close()

asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def request(number: int) -> Request:
    """Return a request of its own."""
    return Request((Message("system", "You write."), Message("user", f"{number}")), {}, 7, None)


def key(number: int) -> str:
    """Return its key."""
    return key_of("m", request(number))


def reply(name: str, number: int) -> Reply:
    """Return what a writer of this name got as a reply to it."""
    return Reply(f"{name} {number}", "stop", 3, 2, "m")


def opened(storage: Storage) -> SegmentedLedger:
    """Return the ledger as a new worker has it."""
    return SegmentedLedger(Segments(storage, FOLDER), {})


def put(ledger: SegmentedLedger, name: str, *numbers: int) -> None:
    """Store replies as a worker does, each of them safe when this returns."""

    async def store() -> None:
        await asyncio.gather(
            *(ledger.store(key(n), "m", request(n), reply(name, n), 0.01) for n in numbers)
        )

    asyncio.run(store())


def read(storage: Storage) -> tuple[dict[int, str], Totals]:
    """Return what a reader finds: the name of each number's writer, and the totals."""
    ledger = Ledger(MEMORY)
    take_new(storage, Segments(storage, FOLDER).names, ledger)
    replies = ledger.get_many([key(number) for number in range(200)])
    found = {int(r.text.split()[1]): r.text.split()[0] for r in replies.values()}
    totals = ledger.totals()
    ledger.close()
    return found, totals


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """Give a folder."""
    return storage_at(str(tmp_path))


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """Give the address of a bucket of a server that speaks S3, and the way there in the environment."""
    pytest.importorskip("s3fs", reason="needs the extra s3")
    pytest.importorskip("moto", reason="needs moto[server]")
    from object_store import BUCKET, storing  # noqa: PLC0415 - as above

    with storing():
        yield BUCKET


def test_a_reply_is_there_before_anybody_sees_it(storage: Storage) -> None:
    """What `store` has returned from is read by the next worker, with failed tries and facts of the moment before."""
    first = opened(storage)
    first.put_failure(key(1), "http_500", "down", 0.1)
    first.learn("m", "dialect", "plain")
    put(first, "a", 1, 2)
    assert read(storage) == ({1: "a", 2: "a"}, Totals(2, 6, 4, 1))
    second = opened(storage)  # the first was never closed: its process is gone
    assert second.get(key(2)) == reply("a", 2)
    assert second.fact("m", "dialect") == "plain"
    second.close()
    first.close()


def test_what_comes_together_is_one_object(storage: Storage) -> None:
    """Sixty replies that take 200 ms each, eight at a time, are a tenth as many objects; each waits 5 % of its time."""
    ledger = opened(storage)

    async def ask(first: int) -> None:
        for number in range(first, 64, 8):
            await asyncio.sleep(random.random() / 100)
            await ledger.store(key(number), "m", request(number), reply("a", number), 2.0)

    async def main() -> float:
        start = time.monotonic()
        await asyncio.gather(*map(ask, range(8)))
        return time.monotonic() - start

    seconds = asyncio.run(main())
    assert len(Segments(storage, FOLDER).names()) <= 16
    assert seconds > 8 * 0.1
    ledger.close()


def test_failed_tries_are_safe_a_second_later(storage: Storage) -> None:
    """Where no reply comes, what failed is written by itself."""
    ledger = opened(storage)

    async def fail() -> None:
        ledger.put_failure(key(1), "http_500", "down", 0.1)
        await asyncio.sleep(1.5)

    asyncio.run(fail())
    assert read(storage)[1].failures == 1
    ledger.close()


def test_many_objects_become_one(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that closes leaves one object in the place of many, and it holds what they held."""
    monkeypatch.setattr(segments_module, "MOST_OBJECTS", 4)
    ledger = opened(storage)
    for number in range(9):
        ledger.put_failure(key(number), "http_500", "down", 0.1)
        put(ledger, "a", number)
    before = read(storage)
    assert len(Segments(storage, FOLDER).names()) == 10
    ledger.close()
    assert len(Segments(storage, FOLDER).names()) == 1
    assert read(storage) == before == (dict.fromkeys(range(9), "a"), Totals(9, 27, 18, 9))


def test_a_kill_while_folding_does_no_harm(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new object is written before the old ones go; with any part of those still there, all counts once."""
    monkeypatch.setattr(segments_module, "MOST_OBJECTS", 2)
    ledger = opened(storage)
    for number in range(5):
        ledger.put_failure(key(number), "http_500", "down", 0.1)
        put(ledger, "a", number)
    before = read(storage)
    kept = {name: storage.read_bytes(name) for name in storage.list(FOLDER)}
    ledger.close()
    assert len(storage.list(FOLDER)) == 1
    for name, data in kept.items():
        storage.write_whole(name, data)
        assert read(storage) == before


def test_a_reader_does_not_mind_what_is_folded_meanwhile(
    storage: Storage,
) -> None:
    """Objects that were listed, and are gone when they are read, are looked for again in the one that has them."""
    ledger, reader = opened(storage), Ledger(MEMORY)
    for number in range(20):
        put(ledger, "a", number)
    lists: list[list[str]] = []

    def listed() -> list[str]:
        lists.append(Segments(storage, FOLDER).names())
        ledger.close()  # folds, the first time
        return lists[-1]

    take_new(storage, listed, reader)
    assert [len(names) for names in lists] == [21, 1]
    assert reader.totals().replies == 20
    reader.close()


def test_what_a_given_up_worker_still_writes_stands_back(storage: Storage) -> None:
    """Its replies are kept where nobody else has one; to what both asked, the later worker's reply stays."""
    zombie = opened(storage)
    put(zombie, "old", 1)
    later = opened(storage)
    assert zombie.is_superseded()
    assert not later.is_superseded()
    put(zombie, "old", 2, 3)
    put(later, "new", 3, 4)
    put(zombie, "old", 4, 5)
    expected = {1: "old", 2: "old", 3: "new", 4: "new", 5: "old"}
    assert read(storage)[0] == expected
    zombie.close()
    later.close()
    assert read(storage)[0] == expected
    assert read(storage)[1].replies == 5


@pytest.mark.parametrize("damage", [b"", b"no gzip", None])
def test_a_damaged_object_is_an_error_of_one_line(storage: Storage, damage: bytes | None) -> None:
    """An object that is cut off, or is something else, is named, with the remedy; nothing is passed over in silence."""
    ledger = opened(storage)
    put(ledger, "a", 1)
    ledger.close()
    *_, name = storage.list(FOLDER)
    storage.write_whole(name, storage.read_bytes(name)[:-30] if damage is None else damage)
    with pytest.raises(RunError, match=rf"{name}: this piece of a ledger is damaged") as caught:
        opened(storage)
    assert "\n" not in str(caught.value)


def test_an_object_that_cannot_be_written_is_said_to_whoever_waits(storage: Storage) -> None:
    """A storage that is full or gone ends the asking with its own words, and the reply is in no file."""
    ledger = opened(storage)
    root = storage.local("")
    assert root is not None
    shutil.rmtree(root / FOLDER)
    (root / FOLDER).write_text("a file in the folder's place")
    with pytest.raises((RunError, OSError)):
        put(ledger, "a", 1)
    assert ledger.get(key(1)) is None
    (root / FOLDER).unlink()
    ledger.close()


Act = tuple[str, int]


@settings(max_examples=40, deadline=None)
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(["open", "put", "put", "fail", "close"]), st.integers(0, 9)),
        max_size=14,
    )
)
def test_whatever_happens_all_readers_find_the_same(acts: list[Act]) -> None:
    """Workers open, write, go on after they were given up, fold and end: no reply is lost, and each counts once.

    Whoever read in between, and takes in what is new, knows the same replies as one who reads all at once.
    """
    old = segments_module.MOST_OBJECTS
    segments_module.MOST_OBJECTS = 1
    with tempfile.TemporaryDirectory() as folder:
        storage = storage_at(folder)
        along, alive = Ledger(MEMORY), []
        wrote: dict[int, list[int]] = {}
        failed = 0
        for act, number in acts:
            if act == "open":
                alive.append((len(alive), opened(storage)))
            elif alive:
                name, ledger = alive[number % len(alive)]
                if act == "put" and ledger.get(key(number)) is None:
                    put(ledger, f"{name}", number)
                    wrote.setdefault(number, []).append(name)
                elif act == "fail":
                    ledger.put_failure(key(number), "http_500", "down", 0.1)
                    failed += 1
                elif act == "close":
                    ledger.close()
                    alive.pop(number % len(alive))
            take_new(storage, Segments(storage, FOLDER).names, along)
        for _, ledger in alive:
            ledger.close()
        take_new(storage, Segments(storage, FOLDER).names, along)
        found, totals = read(storage)
        assert set(found) == set(wrote)
        assert totals == along.totals()
        assert (totals.replies, totals.failures) == (len(wrote), failed)
        along.close()
    segments_module.MOST_OBJECTS = old


def test_equal_ledgers_are_equal_bytes() -> None:
    """An object has no time in it: what is the same is stored the same."""
    ledger = Ledger(MEMORY)
    ledger.put(key(1), "m", request(1), replace(reply("a", 1), top={"T": -0.5}), 0.5)
    assert packed(ledger) == packed(ledger)
    ledger.close()


def writer(place: str, name: str, count: int) -> subprocess.Popen[str]:
    """Start a worker that stores replies, says so after each, and closes."""
    command = [sys.executable, "-c", WRITER, place, name, str(count)]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.slow
@pytest.mark.trial
def test_killed_at_random_moments_on_an_object_store(store: str) -> None:
    """Each worker that is killed leaves every reply that it had said was safe, and its successor begins with them."""
    chance, place = random.Random(7), f"{store}/killed"
    storage, said = storage_at(place), set[int]()
    for attempt in range(5):
        with writer(place, f"w{attempt}", 150) as process:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[0] == "open"
            assert int(words[1]) >= len(said)
            heard = islice(process.stdout, chance.randint(1, 40))  # fewer where it has written all
            said |= {int(line) for line in heard}
            time.sleep(chance.random() / 5)
            process.send_signal(signal.SIGKILL)
            said |= {int(line) for line in process.stdout if line.strip()}
        assert said <= set(read(storage)[0])
    with writer(place, "last", 150) as process:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert set(read(storage)[0]) == set(range(150))


@pytest.mark.slow
@pytest.mark.trial
def test_two_workers_at_once_on_an_object_store(store: str) -> None:
    """A worker that was given up and its successor both go on to their ends: nothing is lost, a key has one reply."""
    place = f"{store}/two"
    with writer(place, "old", 100) as old:
        assert old.stdout is not None
        old.stdout.readline()
        old.stdout.readline()
        with writer(place, "new", 100) as new:
            new.communicate(timeout=120)
        old.communicate(timeout=120)
        assert (old.returncode, new.returncode) == (0, 0)
    found, totals = read(storage_at(place))
    assert set(found) == set(range(100))
    assert totals.replies == 100
