"""Asking: order, the ledger as memory, askings anew, retries, and how it stops."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthneg.config import LLMConfig
from synthneg.errors import BackendError
from synthneg.llm.ask import Advance, Answer, Asker, Failure, Job
from synthneg.llm.base import Backend, Request, Transient, Unanswerable
from synthneg.llm.keys import key_of
from synthneg.llm.ledger import Ledger
from synthneg.prompts.render import Message, seed_of
from synthneg.testing import ScriptedBackend

MEMORY = Path(":memory:")
SAMPLING = {"temperature": 0.7}
GRADED = {"type": "object", "properties": {"1": {"type": "string"}}, "required": ["1"]}
Outcome = Answer | Failure


def ignore(count: int = 1, note: str | None = None) -> None:
    """Count nothing."""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the growing pauses between tries pass at once; those that a server asks for are kept."""
    monkeypatch.setattr("synthneg.llm.send._LONGEST_WAIT_S", 0.001)


def job(name: str, schema: dict[str, Any] | None = None) -> Job:
    """Return a job with one turn."""
    return Job(
        name, "t@1", (Message("user", name),), SAMPLING, schema or "text", seed_of(7, name), {}
    )


def settings_of(**values: Any) -> LLMConfig:
    """Return settings of the language model."""
    return LLMConfig(**values)


def ask(
    backend: Backend,
    jobs: Sequence[Job],
    ledger: Ledger | None = None,
    ended: Advance = ignore,
    **values: Any,
) -> list[tuple[Job, Outcome]]:
    """Return all outcomes in their order; noise of the event loop is an error."""
    noise: list[dict[str, Any]] = []

    async def work() -> list[tuple[Job, Outcome]]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
        asker = Asker(backend, ledger or Ledger(MEMORY), settings_of(**values), 7)
        asked = ((None, one) for one in jobs)
        return [(one, outcome) async for _, one, outcome in asker.ask(asked, ended)]

    try:
        return asyncio.run(work())
    finally:
        assert noise == []


def said(request: Request) -> str:
    """Return the last words of a request."""
    return request.messages[-1].content or ""


def texts(outcomes: list[tuple[Job, Outcome]]) -> list[str]:
    """Return the text, or the reason of the failure, of each job."""
    return [o.value if isinstance(o, Answer) else o.reason for _, o in outcomes]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 8))
@settings(max_examples=20)
def test_outcomes_come_in_the_order_of_the_jobs(delays: list[int], concurrency: int) -> None:
    """However long each reply takes, job and outcome are yielded in the order in which the jobs were given."""
    jobs = [job(str(number)) for number in range(len(delays))]
    backend = ScriptedBackend(said, delay_s=lambda r: delays[int(said(r))] / 1000)
    outcomes = ask(backend, jobs, concurrency=concurrency)
    assert [asked for asked, _ in outcomes] == jobs
    assert texts(outcomes) == [asked.id for asked in jobs]
    assert backend.most_in_flight <= concurrency


def test_one_or_64_in_flight_give_the_same() -> None:
    """Outcomes, keys and seeds do not depend on concurrency, even where replies must be asked for anew."""

    def answer(request: Request) -> str:
        return "" if request.seed % 3 == 0 else f"{said(request)} {request.seed}"

    def run(concurrency: int) -> list[tuple[Job, Outcome]]:
        chance = random.Random(concurrency)
        backend = ScriptedBackend(answer, delay_s=lambda _: chance.random() / 500)
        return ask(backend, [job(str(n)) for n in range(100)], concurrency=concurrency)

    one, many = run(1), run(64)
    assert one == many
    assert {type(outcome) for _, outcome in one} == {Answer, Failure}


def test_nothing_answered_is_asked_twice(tmp_path: Path) -> None:
    """A second run over the same ledger asks nothing and gives the same; a third asks for the new jobs alone."""
    jobs = [job(str(number)) for number in range(30)]
    ledger = Ledger(tmp_path / "ledger.sqlite")
    first = ask(ScriptedBackend(), jobs[:20], ledger)
    again, more = ScriptedBackend(), ScriptedBackend()
    assert ask(again, jobs[:20], ledger) == first
    assert again.asked == []
    assert ask(more, jobs, ledger)[:20] == first
    assert sorted(map(said, more.asked)) == sorted(asked.id for asked in jobs[20:])
    ledger.close()


def test_replies_from_the_ledger_are_counted(tmp_path: Path) -> None:
    """`from_ledger` says how many replies did not have to be asked for."""

    async def count() -> tuple[int, int]:
        ledger, counts = Ledger(tmp_path / "ledger.sqlite"), []
        for _ in range(2):
            asker = Asker(ScriptedBackend(), ledger, settings_of(), 7)
            [_ async for _ in asker.ask([(None, job("a")), (None, job("b"))], ignore)]
            counts.append(asker.from_ledger)
        ledger.close()
        return counts[0], counts[1]

    assert asyncio.run(count()) == (0, 2)


def test_equal_requests_in_flight_are_sent_once() -> None:
    """A definition that 50 conversations begin with is asked for once; each conversation then goes its own way."""
    turns = (Message("user", "define"), Message("assistant", None))
    jobs = [
        Job(str(n), "t@1", (*turns, Message("user", f"write {n}")), SAMPLING, "text", n, {})
        for n in range(50)
    ]
    backend = ScriptedBackend(
        lambda r: "my definition" if said(r) == "define" else said(r), delay_s=lambda _: 0.002
    )
    outcomes = ask(backend, jobs, concurrency=16)
    assert texts(outcomes) == [f"write {n}" for n in range(50)]
    assert Counter(map(said, backend.asked))["define"] == 1
    assert len(backend.asked) == 51
    last = [request for request in backend.asked if said(request) != "define"]
    assert all(request.messages[1] == Message("assistant", "my definition") for request in last)


def test_an_open_turn_without_an_answer_fails_its_job() -> None:
    """Where the model does not answer the turn before, the job has that failure and its last turn is not asked."""
    turns = (Message("user", "define"), Message("assistant", None), Message("user", "write"))
    backend = ScriptedBackend(lambda r: "" if said(r) == "define" else "text")
    [(_, outcome)] = ask(backend, [Job("a", "t@1", turns, SAMPLING, "text", 1, {})], reasks=1)
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.replied) == ("empty", True)
    assert set(map(said, backend.asked)) == {"define"}


def test_a_reply_of_no_use_is_asked_for_anew_with_other_seeds() -> None:
    """A refusal is asked for again with another seed each time; the answer carries the seed and key that gave it."""
    backend = ScriptedBackend(
        lambda r: "I'm sorry, but I can't." if r.seed == seed_of(7, "tea") else "fine"
    )
    [(asked, outcome)] = ask(backend, [job("tea")], reasks=2)
    first, second = backend.asked
    assert isinstance(outcome, Answer)
    assert outcome.value == "fine"
    assert (first.seed, second.seed) == (asked.seed, seed_of(asked.seed, 1))
    assert outcome.asked[:2] == (key_of(backend.identity, second), second.seed)


@pytest.mark.parametrize(
    ("text", "schema", "reason"),
    [
        ("", None, "empty"),
        ("I'm sorry, but I can't.", None, "refusal"),
        ("no JSON", GRADED, "not_json"),
        ('{"1": ""}', GRADED, "schema"),
    ],
)
def test_askings_anew_are_bounded_and_end_in_the_reason(
    text: str, schema: dict[str, Any] | None, reason: str
) -> None:
    """After 1 + reasks replies of no use the job fails with the last problem, as one that was replied to."""
    backend = ScriptedBackend(lambda _: text)
    [(_, outcome)] = ask(backend, [job("tea", schema)], reasks=3)
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.replied) == (reason, True)
    assert outcome.detail.startswith("4 askings; the last: ")
    assert len({request.seed for request in backend.asked}) == len(backend.asked) == 4


def test_a_try_that_fails_is_tried_again() -> None:
    """Two broken tries and then a reply are an answer; each try is the same request."""
    backend = ScriptedBackend(
        said, lambda _, attempt: Transient("http_500", "down") if attempt < 3 else None
    )
    ledger = Ledger(MEMORY)
    assert texts(ask(backend, [job("tea")], ledger, retries=5)) == ["tea"]
    assert len(backend.asked) == 3
    assert len({key_of("m", request) for request in backend.asked}) == 1
    assert (ledger.totals().replies, ledger.totals().failures) == (1, 2)
    ledger.close()


def test_retries_are_bounded() -> None:
    """After 1 + retries failed tries the job fails without a reply, and the others go on."""
    backend = ScriptedBackend(
        said, lambda r, _: Transient("timeout", "no reply within 1 s") if said(r) == "b" else None
    )
    outcomes = ask(backend, [job("a"), job("b"), job("c")], retries=2)
    assert texts(outcomes) == ["a", "timeout", "c"]
    assert outcomes[1][1] == Failure("timeout", "no reply within 1 s", replied=False)
    assert Counter(map(said, backend.asked)) == {"a": 1, "b": 3, "c": 1}


def test_what_cannot_be_answered_is_not_tried_again() -> None:
    """A request that is too long for the model fails at once, alone."""
    backend = ScriptedBackend(
        said,
        lambda r, _: Unanswerable("too_long_for_model", "9 tokens") if said(r) == "b" else None,
    )
    outcomes = ask(backend, [job("a"), job("b")])
    assert texts(outcomes) == ["a", "too_long_for_model"]
    assert len(backend.asked) == 2


def test_a_server_that_asks_to_wait_is_waited_for() -> None:
    """The pause before the next try is at least the one that the server asked for, and no slot is held meanwhile."""
    times: dict[str, list[float]] = {"a": [], "b": []}

    def trouble(request: Request, attempt: int) -> Exception | None:
        times[said(request)].append(time.monotonic())
        first = said(request) == "a" and attempt == 1
        return Transient("http_429", "slow down", wait_s=0.3) if first else None

    outcomes = ask(ScriptedBackend(said, trouble), [job("a"), job("b")], concurrency=1)
    assert texts(outcomes) == ["a", "b"]
    assert times["a"][1] - times["a"][0] >= 0.3
    assert times["b"][0] < times["a"][1]


def test_a_refusing_backend_stops_all_without_noise() -> None:
    """A BackendError reaches the caller; what was answered before it stands, and nothing is asked after it."""
    backend = ScriptedBackend(
        said,
        lambda r, _: BackendError("no key") if said(r) == "3" else None,
        delay_s=lambda r: 0.001 if int(said(r)) <= 3 else 30,
    )
    ledger, start = Ledger(MEMORY), time.monotonic()
    with pytest.raises(BackendError, match="no key"):
        ask(backend, [job(str(n)) for n in range(50)], ledger, concurrency=8)
    assert time.monotonic() - start < 10
    assert ledger.totals().replies == 3
    ledger.close()


def test_a_consumer_that_stops_leaves_nothing_behind() -> None:
    """Whoever leaves the loop early cancels the rest: no task of this asking is left."""

    async def work() -> int:
        backend = ScriptedBackend(said, delay_s=lambda r: 0 if said(r) == "0" else 30)
        asker = Asker(backend, Ledger(MEMORY), settings_of(), 7)
        outcomes = asker.ask([(None, job(str(n))) for n in range(50)], ignore)
        async for _ in outcomes:
            break
        await outcomes.aclose()  # type: ignore[attr-defined]  # it is a generator
        return len(asyncio.all_tasks())

    assert asyncio.run(work()) == 1


def test_a_server_that_has_gone_away_stops_the_run() -> None:
    """After 20 requests in a row that failed in all their tries, asking stops and says how to go on."""
    backend = ScriptedBackend(said, lambda *_: Transient("connection", "refused"))
    with pytest.raises(
        BackendError,
        match=r"last 20 requests all failed after 1 retries each \(connection: refused\)",
    ):
        ask(backend, [job(str(n)) for n in range(100)], concurrency=4, retries=1)


def test_failures_between_answers_do_not_stop_the_run() -> None:
    """Only failures in a row count: every second request failing leaves a failure for each and goes on."""
    backend = ScriptedBackend(
        said, lambda r, _: Transient("http_500", "down") if int(said(r)) % 2 else None
    )
    outcomes = ask(backend, [job(str(n)) for n in range(60)], concurrency=1, retries=0)
    assert Counter(texts(outcomes))["http_500"] == 30


def test_each_job_is_counted_when_it_ends_not_when_its_turn_comes() -> None:
    """`ended` is called for jobs answered while the first is still waited for, and once for each."""
    seen: list[int] = []
    counted = 0

    def count(jobs: int = 1, note: str | None = None) -> None:
        nonlocal counted
        counted += jobs

    def answer(request: Request) -> str:
        if said(request) == "0":
            seen.append(counted)
        return said(request)

    backend = ScriptedBackend(answer, delay_s=lambda r: 0.2 if said(r) == "0" else 0)
    ask(backend, [job(str(n)) for n in range(20)], ended=count, concurrency=4)
    assert seen == [19]
    assert counted == 20


def test_jobs_are_read_as_they_are_needed() -> None:
    """A corpus of any size is not read ahead of its answers by more than a bounded number of jobs."""
    read = 0

    def jobs() -> Iterator[tuple[None, Job]]:
        nonlocal read
        for number in range(1000):
            read += 1
            yield None, job(str(number))

    async def work() -> int:
        asker = Asker(ScriptedBackend(), Ledger(MEMORY), settings_of(concurrency=2), 7)
        outcomes = asker.ask(jobs(), ignore)
        async for _ in outcomes:
            break
        await outcomes.aclose()  # type: ignore[attr-defined]  # it is a generator
        return read

    assert asyncio.run(work()) <= 32 + 2 * 2


@given(st.lists(st.integers(0, 2), min_size=60, max_size=150), st.integers(1, 3))
@settings(max_examples=20)
def test_asking_neither_spins_nor_sleeps_for_ever(delays: list[int], concurrency: int) -> None:
    """With more jobs than may be open at once, and replies in any order, every job comes to its end."""
    jobs = [job(str(number)) for number in range(len(delays))]
    backend = ScriptedBackend(said, delay_s=lambda r: delays[int(said(r))] / 2000)

    async def work() -> list[tuple[Job, Outcome]]:
        async with asyncio.timeout(20):
            asker = Asker(backend, Ledger(MEMORY), settings_of(concurrency=concurrency), 7)
            asked = ((None, one) for one in jobs)
            return [(one, outcome) async for _, one, outcome in asker.ask(asked, ignore)]

    assert texts(asyncio.run(work())) == [asked.id for asked in jobs]


def test_a_request_that_a_backend_forgets_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that neither answers nor gives up loses the request after the time-out and some grace."""
    monkeypatch.setattr("synthneg.llm.send._GRACE_S", 0.05)
    monkeypatch.setattr("synthneg.llm.ask._TICK_S", 0.02)
    tries = Counter[str]()

    def delay(request: Request) -> float:
        tries[said(request)] += 1
        return 60 if tries["b"] == 1 and said(request) == "b" else 0

    ledger, start = Ledger(MEMORY), time.monotonic()
    outcomes = ask(
        ScriptedBackend(said, delay_s=delay),
        [job("a"), job("b"), job("c")],
        ledger,
        timeout_s=0.1,
    )
    assert texts(outcomes) == ["a", "b", "c"]
    assert time.monotonic() - start < 10
    assert tries["b"] == 2
    assert ledger.totals().failures == 1
    ledger.close()


def test_what_is_waited_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """While replies are waited for, the line of progress says how many, and since when."""
    monkeypatch.setattr("synthneg.llm.ask._TICK_S", 0.02)
    notes: list[str] = []

    def note(count: int = 1, note: str | None = None) -> None:
        notes.append(note or "")

    jobs = [job("a"), job("b"), job("c")]
    ask(ScriptedBackend(said, delay_s=lambda _: 0.1), jobs, ended=note, concurrency=2)
    assert "2 in flight, the oldest for 0 s" in notes


def test_an_error_that_stops_the_run_loses_no_reply_on_its_way() -> None:
    """When a key is refused in mid-run, the requests beside it that are in flight are answered and kept."""
    backend = ScriptedBackend(
        said,
        lambda r, _: BackendError("no key") if said(r) == "3" else None,
        delay_s=lambda r: 0 if said(r) == "3" else 0.2,
    )
    ledger = Ledger(MEMORY)
    with pytest.raises(BackendError, match="no key"):
        ask(backend, [job(str(n)) for n in range(50)], ledger, concurrency=8)
    assert ledger.totals().replies == len(backend.asked) - 1 == 7
    ledger.close()
