"""The Batch API, with the real client against a server on the loopback interface: states, faults, and what survives."""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import batch_asker
import pytest
from batch_server import Fault, Server, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_server import MODEL

from synthneg.config import BatchConfig, LLMConfig
from synthneg.errors import BackendError, SettingsError
from synthneg.llm import batch, batch_course, keys
from synthneg.llm.ask import Answer, Asker
from synthneg.llm.base import Reply, Request, Transient, Unanswerable
from synthneg.llm.batch import open_batches
from synthneg.llm.batch_memory import OpenBatches
from synthneg.llm.ledger import Ledger
from synthneg.llm.open import asking_config, check_backend, open_backend
from synthneg.llm.wire import Dialect, body_of
from synthneg.prompts.render import Message

KEY = "sk-planted-batch-0123456789abcdef"
KEY_VARIABLE = "LOOPBACK_KEY"
SAMPLING = {"temperature": 0.7, "max_tokens": 50}
GRADED = {
    "type": "object",
    "properties": {"1": {"type": "string"}, "0": {"type": "string"}},
    "required": ["1", "0"],
}
Outcome = Reply | BaseException


def request_of(text: str, schema: dict[str, Any] | None = None, seed: int = 7) -> Request:
    """Return a request of two turns."""
    return Request((Message("system", "You write."), Message("user", text)), SAMPLING, seed, schema)


def requests_of(*texts: str) -> list[Request]:
    """Return a request for each text."""
    return [request_of(text) for text in texts]


def settings_of(server: Server, requests: int = 100) -> LLMConfig:
    """Return settings for batches on the server."""
    return LLMConfig(
        backend="openai",
        mode="batch",
        base_url=server.url,
        model=MODEL,
        api_key_env=KEY_VARIABLE,
        batch=BatchConfig(requests=requests, poll_s=0.02),
    )


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let batches go soon after the last request."""
    monkeypatch.setattr(batch, "_QUIET_S", 0.15)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Return the ledger of a new run."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def complete(
    config: LLMConfig,
    ledger: Ledger,
    requests: list[Request],
    *,
    until: Callable[[], bool] | None = None,
) -> list[Outcome]:
    """Return what becomes of requests that are put to one backend at once.

    Args:
        config: the settings.
        ledger: the run's memory.
        requests: asked for together.
        until: where given, all are cancelled when it comes true, as by Ctrl-C, and the backend is closed.
    """

    async def work() -> list[Outcome]:
        backend = open_batches(config, ledger)
        tasks = [asyncio.create_task(backend.complete(request)) for request in requests]
        try:
            while until is not None and not until():
                await asyncio.sleep(0.005)
            for task in tasks if until is not None else []:
                task.cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await backend.close()

    return asyncio.run(work())


def uploaded(server: Server) -> list[list[dict[str, Any]]]:
    """Return the lines of each uploaded file, in the order of the uploads."""
    inputs = [data for id, data in server.files.items() if re.fullmatch(r"file-\d+", id)]
    return [[json.loads(line) for line in data.splitlines()] for data in inputs]


def is_forgotten(ledger: Ledger) -> bool:
    """Whether no fact of a batch is left in the ledger."""
    rows = ledger._base.execute("SELECT subject FROM facts WHERE subject LIKE 'batch%'")
    return rows.fetchall() == []


# The way of a batch that goes well.


def test_requests_become_one_file_and_one_batch(ledger: Ledger) -> None:
    """Requests that are put together are uploaded once, each line under its ledger key, and each gets its own reply."""
    requests = [request_of(f"tea {n}", GRADED if n % 2 else None, seed=n) for n in range(30)]
    with serving(key=KEY) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, KEY)
        config = settings_of(server)
        replies = complete(config, ledger, requests)

    identity = f"{server.url} {MODEL}"
    [lines] = uploaded(server)
    assert lines == [
        {
            "custom_id": keys.key_of(identity, request),
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": json.loads(json.dumps(body_of(MODEL, request, Dialect()), default=vars_of)),
        }
        for request in requests
    ]
    assert all(isinstance(reply, Reply) for reply in replies)
    assert [reply.tokens_in for reply in replies] == [4] * 30  # type: ignore[union-attr]  # see above
    stored = ledger.get_many([line["custom_id"] for line in lines])
    assert [stored[line["custom_id"]] for line in lines] == replies
    assert server.paid.total() == len(server.paid) == 30
    assert (server.calls["upload"], server.calls["create"]) == (1, 1)
    [made] = server.batches.values()
    assert made["metadata"]["sha256"] == hashlib.sha256(server.files["file-0"]).hexdigest()
    assert is_forgotten(ledger)


def vars_of(message: Message) -> dict[str, str | None]:
    """Return a message as a body has it."""
    return {"role": message.role, "content": message.content}


def test_a_full_batch_goes_at_once_and_the_rest_after_it(ledger: Ledger) -> None:
    """25 requests of which a batch may hold 10 make batches of 10, 10 and 5; a request asked for twice is in one."""
    texts = [f"tea {n}" for n in range(25)]
    with serving() as server:
        replies = complete(settings_of(server, requests=10), ledger, requests_of(*texts, texts[0]))
    assert [len(lines) for lines in uploaded(server)] == [10, 10, 5]
    assert replies[0] == replies[-1]
    assert server.paid.total() == 25


def test_files_are_cut_by_their_size(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is longer than the most that a server takes."""
    monkeypatch.setattr(batch, "_MOST_BYTES", 2000)
    with serving() as server:
        replies = complete(
            settings_of(server), ledger, requests_of(*(f"tea {n}" for n in range(20)))
        )
    sizes = [len(data) for id, data in server.files.items() if "put" not in id]
    assert len(sizes) > 1
    assert max(sizes) <= 2000
    assert all(isinstance(reply, Reply) for reply in replies)


def test_requests_that_trickle_in_wait_for_each_other(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that come one after the other go into one batch; the time of a busy loop is no pause."""
    monkeypatch.setattr(batch, "_QUIET_S", 0.3)

    async def work(config: LLMConfig) -> None:
        backend = open_batches(config, ledger)
        tasks = []
        for n in range(4):
            tasks.append(asyncio.create_task(backend.complete(request_of(f"tea {n}"))))
            await asyncio.sleep(0.05)
            time.sleep(0.4)  # the loop is busy: no pause of theirs
        await asyncio.gather(*tasks)
        await backend.close()

    with serving() as server:
        asyncio.run(work(settings_of(server)))
    assert server.calls["create"] == 1


def test_what_is_waited_for_is_said(ledger: Ledger) -> None:
    """The words name the batch, its state, how much of it is done, and when the next look is."""
    said = set()

    async def work(config: LLMConfig) -> None:
        backend = open_batches(config, ledger)
        waiting = asyncio.gather(*(backend.complete(request_of(f"tea {n}")) for n in range(20)))
        while not waiting.done():
            said.add(backend.waits_for())
            await asyncio.sleep(0.002)
        await backend.close()

    with serving(seconds=0.6) as server:
        asyncio.run(work(settings_of(server)))
    shapes = {re.sub(r"\b\d+\b", "N", words) for words in said}
    assert "N requests for a further batch" in shapes
    for state in ("validating", "in_progress", "finalizing"):
        shape = f"batch batch_0 {state}: N of N done, next look in N s"
        assert shape in shapes
    done = {int(found[1]) for words in said if (found := re.search(r": (\d+) of 20 done", words))}
    assert min(done) < 5 < 15 < max(done) <= 20


# What goes wrong with single lines.


@pytest.mark.parametrize(
    ("kind", "error", "reason"),
    [
        ("429", Transient, "batch_429"),
        ("500", Transient, "batch_500"),
        ("expired", Transient, "batch_expired"),
        ("missing", Transient, "no_line"),
        ("garbage", Transient, "no_line"),
        ("too_long", Unanswerable, "too_long_for_model"),
    ],
)
def test_each_failed_line_has_its_reason(
    ledger: Ledger, kind: str, error: type[Transient], reason: str
) -> None:
    """What a batch does not answer is told apart, line by line; all other lines of it are answered."""
    with serving([Fault("rice", kind)]) as server:
        config = settings_of(server)
        outcomes = complete(config, ledger, requests_of("tea", "rice", "milk"))
    assert [type(outcome) for outcome in outcomes] == [Reply, error, Reply]
    assert outcomes[1].reason == reason  # type: ignore[union-attr]  # see above
    assert is_forgotten(ledger)


@pytest.mark.parametrize(("kind", "remedy"), [("400", "temperature"), ("401", KEY_VARIABLE)])
def test_a_refusal_ends_the_run_when_all_else_is_safe(
    ledger: Ledger, kind: str, remedy: str
) -> None:
    """A line that no retry can cure is an error with the server's words; the replies beside it are in the ledger."""
    with serving([Fault("rice", kind)]) as server:
        config = settings_of(server)
        outcomes = complete(config, ledger, requests_of("rice", "tea", "milk"))
    assert [type(outcome) for outcome in outcomes] == [BackendError, Reply, Reply]
    assert f"answered {kind}" in str(outcomes[0])
    assert remedy in str(outcomes[0])
    assert ledger.totals().replies == 2
    assert ledger.totals().failures == 1
    assert is_forgotten(ledger)


def test_failed_lines_are_asked_again_in_the_next_batch(ledger: Ledger) -> None:
    """Under the asking engine each line that failed in a way that can pass is answered by a later batch."""
    faults = [Fault("1", "500", 1), Fault("2", "expired", 1), Fault("3", "missing", 2)]

    async def work(config: LLMConfig) -> list[object]:
        backend = open_batches(config, ledger)
        asker = Asker(backend, ledger, asking_config(config), 7)
        outcomes = [
            o async for *_, o in asker.ask(batch_asker.asked(), lambda count=1, note=None: None)
        ]
        await backend.close()
        return outcomes

    with serving(faults) as server:
        outcomes = asyncio.run(work(settings_of(server)))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert server.paid.total() == len(server.paid) == len(outcomes) == 40
    sizes = [len(lines) for lines in uploaded(server)]
    assert sizes[0] == 40


def test_the_dialect_is_found_out_and_remembered(ledger: Ledger) -> None:
    """A reply schema that is refused goes into the next batch in another form; the next process begins with that."""
    requests = [request_of("a drink", GRADED), request_of("a town", GRADED), request_of("tea")]
    with serving(formats=("json_object",)) as server:
        replies = complete(settings_of(server), ledger, requests)
        first = [
            [line["body"].get("response_format", {}).get("type") for line in lines]
            for lines in uploaded(server)
        ]
        complete(settings_of(server), ledger, [request_of("a river", GRADED)])
    assert first == [["json_schema", "json_schema", None], ["json_object", "json_object"]]
    assert all(isinstance(reply, Reply) for reply in replies)
    assert uploaded(server)[2][0]["body"]["response_format"] == {"type": "json_object"}
    assert server.calls["create"] == 3
    assert server.paid.total() == 4


# What goes wrong with whole batches.


def test_a_file_that_is_refused_costs_nothing(ledger: Ledger) -> None:
    """A batch that fails as a whole is an error with the server's words, and the same command makes a new one."""
    with serving(calls=[Fault("create", "fail", 1)]) as server:
        config = settings_of(server)
        refused = complete(config, ledger, requests_of("tea", "milk"))
        assert is_forgotten(ledger)
        replies = complete(config, ledger, requests_of("tea", "milk"))
    for error in refused:
        assert isinstance(error, BackendError)
        assert "line 2: Each line in the file must have a URL" in str(error)
        assert "nothing of it was answered or paid" in str(error)
    assert all(isinstance(reply, Reply) for reply in replies)
    assert server.paid.total() == 2


def test_a_cancelled_batch_keeps_what_it_had(ledger: Ledger) -> None:
    """Replies of a batch that somebody cancelled are kept; the next command asks for the rest alone."""
    requests = requests_of("tea", "milk", "rice", "salt")
    with serving(calls=[Fault("create", "cancel", 1)]) as server:
        config = settings_of(server)
        outcomes = complete(config, ledger, requests)
        again = complete(config, ledger, requests)
    assert [type(outcome) for outcome in outcomes] == [Reply, Reply, BackendError, BackendError]
    assert "cancelled at the server, by somebody with access" in str(outcomes[2])
    assert "the other 2 requests" in str(outcomes[2])
    assert again[:2] == outcomes[:2]
    assert [len(lines) for lines in uploaded(server)] == [4, 2]
    assert max(server.paid.values()) == 1


def test_a_full_queue_makes_smaller_batches(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the account may queue only so much, batches are halved and wait for each other until all is answered."""
    requests = requests_of(*(f"tea {n}" for n in range(16)))
    with serving(most_queued=5, seconds=0.1) as server:
        replies = complete(settings_of(server, requests=16), ledger, requests)
    assert all(isinstance(reply, Reply) for reply in replies)
    assert server.paid.total() == len(server.paid) == 16
    assert "Enqueued token limit reached" in capsys.readouterr().err


def test_a_queue_without_any_room_is_an_error(ledger: Ledger) -> None:
    """Where not even one request is taken, the error has the server's words and says to wait."""
    with serving(calls=[Fault("create", "full")]) as server:
        [error] = complete(settings_of(server), ledger, requests_of("tea"))
    assert isinstance(error, BackendError)
    assert "Enqueued token limit reached" in str(error)
    assert "wait until other batches of the account have ended" in str(error)


@pytest.mark.parametrize(
    "faults",
    [
        ["upload:reset:1"],
        ["upload:lost:1"],
        ["create:500:2"],
        ["create:reset:1"],
        ["create:lost:1"],
        ["create:lost:1", "list:500:1"],
        ["create:no_file:2"],
        ["poll:500:4", "poll:reset:4"],
        ["content:half:2"],
        ["content:reset:4"],
    ],
)
def test_a_bad_line_costs_nothing(ledger: Ledger, faults: list[str]) -> None:
    """Connections that break at any call are survived, and no request is paid for twice."""
    # Another batch of the account's, and one more than a page of the list holds.
    requests = requests_of(*(f"tea {n}" for n in range(9)))
    with serving(calls=[Fault.read(text) for text in faults], seconds=0.1) as server:
        replies = complete(settings_of(server, requests=3), ledger, requests)
    assert all(isinstance(reply, Reply) for reply in replies), replies
    assert len(set(replies)) == 9  # type: ignore[arg-type]  # see above
    assert server.paid.total() == len(server.paid) == 9
    assert len(server.batches) == 3


@pytest.mark.parametrize("call", ["upload", "create"])
def test_a_server_without_batches_is_an_error(ledger: Ledger, call: str) -> None:
    """A server that has no such addresses is told apart, with the setting that does without; nothing stays open."""
    with serving(calls=[Fault(call, "404")]) as server:
        [error] = complete(settings_of(server), ledger, requests_of("tea"))
    assert isinstance(error, BackendError)
    assert "does this server have the Batch API? use llm.mode: live" in str(error)
    assert [
        batch for batch in OpenBatches(ledger, f"{server.url} {MODEL}").all() if batch.file
    ] == []


def test_a_server_that_is_not_there_is_an_error(ledger: Ledger) -> None:
    """Nobody at the address is one error at once, not a day of patience."""
    config = LLMConfig(
        backend="openai", mode="batch", base_url="http://127.0.0.1:9/v1", model=MODEL
    )
    [error] = complete(config, ledger, requests_of("tea"))
    assert isinstance(error, BackendError)
    assert "is the server running? else correct llm.base_url" in str(error)


def test_batches_are_for_servers_alone() -> None:
    """The mode is refused with a backend that has no batches, and asks under settings of its own."""
    with pytest.raises(SettingsError, match="llm.mode: batch is for llm.backend: openai"):
        check_backend(LLMConfig(backend="local", mode="batch"))
    config = LLMConfig(
        backend="openai", mode="batch", base_url="http://x/v1", requests_per_minute=3, retries=2
    )
    asking = asking_config(config)
    assert (asking.concurrency, asking.requests_per_minute, asking.retries) == (10_000, None, 2)
    assert asking.timeout_s > 5 * 24 * 3600
    assert asking_config(LLMConfig()) == LLMConfig()


# What outlives the process.


def test_a_stopped_process_leaves_its_batch_to_the_next(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who stops while a batch works is told that it goes on; the same requests then wait for that very batch."""
    requests = requests_of("tea", "milk", "rice")
    with serving(seconds=0.5) as server:
        config = settings_of(server)
        stopped = complete(config, ledger, requests, until=lambda: server.calls["poll"] > 2)
        assert "left to the server: batch_0; the same command takes up" in capsys.readouterr().err
        live = open_backend(config.model_copy(update={"mode": "live"}), ledger)
        assert "llm.mode: live pays for them again" in capsys.readouterr().err
        asyncio.run(live.close())
        replies = complete(config, ledger, requests)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in stopped)
    assert all(isinstance(reply, Reply) for reply in replies)
    assert (server.calls["upload"], server.calls["create"]) == (1, 1)
    assert is_forgotten(ledger)


def test_replies_that_nobody_waits_for_are_kept(ledger: Ledger) -> None:
    """Replies to requests that this process never makes come into the ledger with what was asked; so do failures."""
    before = [request_of("tea", GRADED), *requests_of("milk", "rice")]
    with serving([Fault("rice", "500")], seconds=0.3) as server:
        config = settings_of(server)
        complete(config, ledger, before, until=lambda: server.calls["poll"] > 2)
        [reply] = complete(config, ledger, requests_of("salt"), until=None)
        identity = f"{server.url} {MODEL}"
    assert isinstance(reply, Reply)
    for request in before[:2]:
        stored = ledger.show(keys.key_of(identity, request))
        assert stored is not None
        assert stored.messages == [vars_of(message) for message in request.messages]
        assert stored.sampling == SAMPLING
    assert ledger.totals().replies == 3
    assert ledger.totals().failures == 1
    assert is_forgotten(ledger)
    assert max(server.paid.values()) == 1


def test_a_request_that_is_taken_back_in_time_is_not_sent(ledger: Ledger) -> None:
    """A request that is cancelled before its batch is made is not uploaded; the others are."""

    async def work(config: LLMConfig) -> None:
        backend = open_batches(config, ledger)
        tasks = [asyncio.create_task(backend.complete(r)) for r in requests_of("tea", "milk")]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await tasks[1]
        await backend.close()

    with serving() as server:
        asyncio.run(work(settings_of(server)))
    [[line]] = uploaded(server)
    assert line["body"]["messages"][-1]["content"] == "milk"


def test_an_unknown_batch_stops_the_run_for_two_days(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that the server denies is an error that names it; when it is too old to be answered, it is made anew."""
    requests = requests_of("tea", "milk")
    monkeypatch.setattr(batch_course, "_NEW_S", 0.1)
    with serving(calls=[Fault("create", "forget", 1)], seconds=9.0) as server:
        config = settings_of(server)
        for _ in range(2):
            outcomes = complete(config, ledger, requests)
            assert all("does not know batch batch_0" in str(error) for error in outcomes)
            assert all(isinstance(error, BackendError) for error in outcomes)
        server._seconds = 0.0
        monkeypatch.setattr(batch_course, "_OLD_S", 0.0)
        replies = complete(config, ledger, requests)
    assert all(isinstance(reply, Reply) for reply in replies)
    assert server.calls["create"] == 2


def test_a_planted_key_is_nowhere(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key reaches neither uploaded files nor metadata, ledger or errors, even where the server repeats it."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    errors: list[Outcome] = []
    for call in ("upload", "create", "poll", "content"):
        with serving(calls=[Fault(call, "echo", 1)], key=KEY, seconds=0.1) as server:
            errors += complete(settings_of(server), ledger, requests_of(f"tea {call}"))
            errors += complete(settings_of(server), ledger, requests_of(f"milk {call}"))
            assert KEY.encode() not in b"".join(server.files.values())
            assert KEY not in str(server.batches)
    said = [str(error) for error in errors if isinstance(error, BackendError)]
    assert len(said) == 4
    assert all("the header Authorization: Bearer *** is not allowed" in words for words in said)
    assert not any(KEY in str(error.__cause__) for error in errors if isinstance(error, Exception))
    ledger.close()
    assert not any(KEY.encode() in file.read_bytes() for file in tmp_path.iterdir())


TEXT = st.text(max_size=20)


@settings(max_examples=50)
@given(
    st.lists(TEXT, min_size=1, max_size=4),
    st.dictionaries(TEXT, st.none() | st.integers(-(2**53), 2**53) | TEXT, max_size=3),
    st.integers(0, 2**31 - 1),
    st.none() | st.dictionaries(TEXT, TEXT | st.lists(TEXT, max_size=2), max_size=3),
)
def test_a_request_is_remembered_to_the_letter(
    said: list[str], sampling: dict[str, Any], seed: int, schema: dict[str, Any] | None
) -> None:
    """What the ledger remembers of a request in a batch is that request, under the same key."""
    messages = tuple(Message("user", text) for text in said)
    request = Request(messages, sampling, seed, schema)
    ledger = Ledger(Path(":memory:"))
    memory = OpenBatches(ledger, "server model")
    begun = memory.begin(Dialect())
    memory.add(begun, keys.key_of("server model", request), request)
    memory.add(begun, "00", request_of("another"))
    after = OpenBatches(ledger, "server model")
    [seen] = after.all()
    assert seen == begun
    assert after.request(seen, keys.key_of("server model", request)) == request
    assert set(after.owed(seen)) == {keys.key_of("server model", request), "00"}
    after.drop(seen)
    assert OpenBatches(ledger, "server model").all() == after.all() == []
    ledger.close()
