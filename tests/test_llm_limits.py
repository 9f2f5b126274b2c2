"""Pacing: requests in flight against servers of many kinds, rates per minute, turns and words."""

import asyncio
import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pace_simulator import (
    Clock,
    Cold,
    Moody,
    PerMinute,
    Queueing,
    Refusing,
    Seen,
    Server,
    Unlimited,
    VirtualLoop,
    Work,
    busiest_minute,
    by_length,
    fixed,
    lognormal,
    run,
    simulate,
)

from synthneg.config import LLMConfig
from synthneg.llm.limits import Outcome, Pace
from synthneg.llm.rates import Rates

_MEAN_LOGNORMAL = 0.05 * 2.718281828**0.125
_MEAN_BY_LENGTH = 1.02
CAP = 256


def play(
    server: Server, works: Iterator[Work], seconds: float, cap: int = CAP, **more: Any
) -> Seen:
    """Simulate a client with `cap` in flight at most."""
    clock = Clock()
    return simulate(Pace(LLMConfig(concurrency=cap), clock), clock, server, works, seconds, **more)


def mean_of(works: str) -> float:
    """Return the mean seconds of a request on an idle server."""
    return {"fixed": 0.05, "lognormal": _MEAN_LOGNORMAL, "by_length": _MEAN_BY_LENGTH}[works]


def make(works: str, seed: int) -> Iterator[Work]:
    """Return requests of a kind."""
    draw = random.Random(seed)
    return {
        "fixed": fixed(),
        "lognormal": lognormal(draw),
        "by_length": by_length(draw),
    }[works]


KINDS = ("fixed", "lognormal", "by_length")


@pytest.mark.parametrize("works", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_server_without_limit_is_used_to_the_cap(works: str, seed: int) -> None:
    """Where every request more does as much as the first, at least 97 % of the cap is in flight on the average."""
    seen = play(Unlimited(), make(works, seed), 300 * mean_of(works))
    assert seen.in_flight(0) > 0.97 * CAP
    assert seen.rate(0) * mean_of(works) > 0.97 * CAP


@pytest.mark.parametrize("works", KINDS)
@pytest.mark.parametrize("half", [float("inf"), CAP])
def test_a_short_run_is_never_slowed_down(works: str, half: float) -> None:
    """In the first eight rounds the limit is the cap, also at twice the least latency."""
    seen = play(Unlimited(half), make(works, 3), 8 * mean_of(works) * (1 + CAP / half))
    assert {limit for _, limit in seen.limits} == {CAP}


@pytest.mark.parametrize("half", [32, 64, 256])
@pytest.mark.parametrize("works", KINDS)
def test_throughput_that_still_grows_is_not_given_away(half: float, works: str) -> None:
    """A server that slows down with each request and yet does more in all keeps 95 % of what it can do."""
    best = CAP / (1 + CAP / half) / mean_of(works)
    assert play(Unlimited(half), make(works, 4), 800 * mean_of(works)).rate(0) > 0.95 * best


@pytest.mark.parametrize("slots", [8, 16, 64])
@pytest.mark.parametrize("works", KINDS)
def test_a_queue_is_kept_short_and_the_server_busy(slots: int, works: str) -> None:
    """Of a server that queues, all slots are used, with less than twice as many in flight, on the average."""
    seconds = 20_000 / slots * mean_of(works)
    seen = play(Queueing(lambda now: slots), make(works, 5), seconds)
    assert seen.rate(0) * mean_of(works) > 0.97 * slots
    assert seen.in_flight(seconds / 2) < 2 * slots


def test_a_queue_is_found_though_no_reply_was_ever_quick() -> None:
    """Where even the first replies took four times as long as an idle server would, the queue is kept as short."""
    server = Cold(Queueing(lambda now: 16), CAP, 0.15)
    seen = play(server, make("lognormal", 10), 70)
    assert seen.rate(0) * _MEAN_LOGNORMAL > 0.97 * 16
    assert seen.in_flight(35) < 2 * 16


def test_a_server_that_gets_more_slots_is_used_to_its_new_limit() -> None:
    """When 16 slots become 64 in mid-run, they are found within ten seconds of 50 ms requests."""
    server = Queueing(lambda now: 16 if now < 1030 else 64)
    seen = play(server, make("lognormal", 6), 80)
    assert seen.rate(40) * _MEAN_LOGNORMAL > 0.95 * 64
    assert seen.in_flight(20, 30) < 3 * 16


@pytest.mark.parametrize("slots", [1, 8, 100])
@pytest.mark.parametrize("refusal_s", [0.001, 0.02])
def test_a_server_that_refuses_gets_what_it_takes(slots: int, refusal_s: float) -> None:
    """Beside those sent at the start, fewer than 8 % of requests are refused, and every slot is used."""
    seconds = 40.0
    seen = play(Refusing(lambda now: slots), make("lognormal", 7), seconds, refusal_s=refusal_s)
    assert seen.rate(0) * _MEAN_LOGNORMAL > 0.93 * slots
    assert seen.in_flight(1) < 1.25 * slots + 1
    assert len(seen.refused) - (CAP - slots) < 0.08 * len(seen.done) + 20


def test_the_limit_of_a_server_that_refuses_is_found_at_once() -> None:
    """256 sent to a server that takes 8 end in a limit of 8 within half a second, for 300 refusals or so."""
    seen = play(Refusing(lambda now: 8), fixed(), 0.5)
    assert seen.limits[-1][1] == 8
    assert len(seen.refused) < 310


def test_a_server_that_refuses_less_than_before_is_used_again() -> None:
    """When it takes 8 and later 100, more than 90 are in flight six seconds later."""
    server = Refusing(lambda now: 8 if now < 1010 else 100)
    seen = play(server, make("lognormal", 8), 40)
    assert seen.in_flight(1, 9) < 10
    assert seen.rate(16, 25) * _MEAN_LOGNORMAL > 0.9 * 100


def test_a_server_that_takes_less_than_before_is_obeyed() -> None:
    """When it takes 100 and later 20, fewer than 25 are in flight from a second later."""
    server = Refusing(lambda now: 100 if now < 1010 else 20)
    assert 19 < play(server, make("lognormal", 8), 20).in_flight(11) < 25


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("cap", [16, CAP])
def test_refusals_at_random_cost_no_more_than_themselves(share: float, cap: int) -> None:
    """A server that refuses some at random, however many there are, is not taken for a full one.

    With few in flight, chance alone makes a row of refusals now and then, and some speed is lost to it.
    """
    server = Moody(Unlimited(), share, random.Random(9))
    seen = play(server, make("lognormal", 9), 30, cap=cap)
    assert seen.rate(0) * _MEAN_LOGNORMAL > (0.95 if share == 0.05 or cap == CAP else 0.85) * cap


def test_a_server_with_requests_per_minute_is_asked_at_its_rate() -> None:
    """Where 600 a minute are let through, all of them are used, and fewer than half as many are refused."""
    seen = play(PerMinute(10, 600), fixed(), 300)
    assert seen.rate(60) > 9.5
    assert len(seen.refused) < 0.5 * len(seen.done)


def test_a_server_that_refuses_everything_is_asked_when_it_said() -> None:
    """With Retry-After of 20 seconds and nothing done, at most a limit's worth of requests is sent in 20 seconds."""
    server = Refusing(lambda now: 0)
    seen = play(server, fixed(), 200, retry_after_s=20.0)
    assert not any(0.5 < at % 20.0 < 19.5 for at in seen.refused)
    assert sum(at > 150 for at in seen.refused) < 30


def refuse(pace: Pace, clock: Clock, count: int, retry_after_s: float | None) -> None:
    """Let `count` requests go and have them refused at once."""
    for _ in range(count):
        assert pace.try_enter(1, 1)
    clock.now += 0.01
    for _ in range(count):
        pace.leave("refused", 0.01, 1, 1, 0, 0, retry_after_s)


def test_one_refusal_stops_nobody() -> None:
    """After a refusal that asks for a minute, others still go."""
    clock = Clock()
    pace = Pace(LLMConfig(concurrency=8), clock)
    refuse(pace, clock, 1, 60.0)
    assert pace.try_enter(1, 1)
    assert pace.waits_for() == ""


def test_the_words_say_what_is_waited_for() -> None:
    """Retry-After, a server that only refuses, a limit in flight and a limit per minute each have their words."""
    clock = Clock()
    pace = Pace(LLMConfig(concurrency=8), clock)
    refuse(pace, clock, 8, 12.0)
    assert pace.waits_for() == "the server asks to wait 12 s"
    assert not pace.try_enter(1, 1)
    clock.now += 12
    assert pace.waits_for() == "the server refuses more than 4 of 8 at once"
    assert pace.try_enter(1, 1)

    silent = Pace(LLMConfig(concurrency=8), clock)
    refuse(silent, clock, 8, None)
    assert silent.waits_for() == "the server refuses everything; next try in 1 s"

    paced = Pace(LLMConfig(concurrency=8, requests_per_minute=60), clock)
    assert paced.waits_for() == ""
    while paced.try_enter(1, 1):
        pass
    assert paced.waits_for() == "limit of 60 requests/min"

    queued_at = Clock()
    queued = Pace(LLMConfig(concurrency=CAP), queued_at)
    simulate(queued, queued_at, Queueing(lambda now: 16), fixed(), 30)
    assert queued.waits_for() == f"the server is at its limit: {queued.limit} of 256 in flight"


# ---- rates ----


def send_for(
    seconds: float, config: LLMConfig, tokens: Iterator[int], guess: float
) -> list[tuple[float, int]]:
    """Return when each request went, with its true output tokens, all guessed `guess` times too high."""
    loop = VirtualLoop()
    pace = Pace(config, loop.time)
    sent: list[tuple[float, int]] = []

    async def worker() -> None:
        while loop.now < 1000 + seconds:
            units = next(tokens)
            estimate = round(units * guess)
            await pace.enter(estimate, estimate)
            sent.append((loop.now, units))
            await asyncio.sleep(0.5)
            pace.leave("done", 0.5, estimate, estimate, units, units)

    async def main() -> None:
        await asyncio.gather(*(worker() for _ in range(config.concurrency)))

    run(loop, main())
    return sent


@settings(max_examples=15, deadline=None)
@given(
    limit=st.integers(1, 3000), kind=st.sampled_from(["requests", "input_tokens", "output_tokens"])
)
def test_no_minute_holds_more_than_its_limit(limit: int, kind: str) -> None:
    """Any 60 seconds hold at most the limit and one request, the long run 97 % of it; the first goes at once."""
    draw = random.Random(limit)
    tokens = iter(lambda: draw.randint(1, 50), 0)
    config = LLMConfig(concurrency=64, **{f"{kind}_per_minute": limit})
    sent = send_for(400, config, tokens, 1.0)
    if kind == "requests":
        sent = [(at, 1) for at, _ in sent]
    largest = max(units for _, units in sent)
    assert sent[0][0] == 1000
    assert busiest_minute(sent) <= limit + largest
    used = sum(units for at, units in sent if at < 1400)
    assert used > 0.97 * limit * 400 / 60 - largest


def test_requests_go_evenly() -> None:
    """At 600 a minute none waits longer than a tenth of a second, and a second's worth goes at the start."""
    at = [
        time
        for time, _ in send_for(
            120, LLMConfig(concurrency=64, requests_per_minute=600), itertools.repeat(1), 1
        )
    ]
    assert sum(time < 1000.01 for time in at) <= 10
    assert max(b - a for a, b in itertools.pairwise(at)) < 0.11


def test_estimates_are_corrected_by_what_was_used() -> None:
    """Replies estimated at three times their length still use 90 % of the limit on output tokens."""
    config = LLMConfig(concurrency=64, output_tokens_per_minute=6000)
    sent = send_for(600, config, itertools.repeat(20), 3.0)
    assert sum(units for at, units in sent if at < 1600) > 0.9 * 60_000
    assert busiest_minute(sent) < 1.02 * 6000 + 20


def test_without_limits_rates_are_nothing() -> None:
    """Settings without limits make rates that are false."""
    assert not Rates(LLMConfig())
    assert Rates(LLMConfig(input_tokens_per_minute=5))


# ---- turns ----


def test_nothing_is_made_when_nothing_limits() -> None:
    """Entering a free place needs no event loop, and the coroutine ends without being suspended."""
    pace = Pace(LLMConfig(concurrency=2))
    with pytest.raises(StopIteration):
        pace.enter(1, 1).send(None)
    assert pace.try_enter(1, 1)
    assert not pace.try_enter(1, 1)
    assert pace.in_flight == 2


def test_turns_come_in_order_and_the_urgent_first() -> None:
    """Who waits longest goes first, an urgent request before all others, and none slips in between."""
    loop = VirtualLoop()
    pace, order = Pace(LLMConfig(concurrency=1), loop.time), []

    async def ask(name: str, urgent: bool) -> None:
        await pace.enter(1, 1, urgent=urgent)
        order.append(name)
        await asyncio.sleep(1)
        pace.leave("done", 1, 1, 1)
        assert not pace.try_enter(1, 1) or name == "b"

    async def main() -> None:
        tasks = [asyncio.create_task(ask(name, name == "z")) for name in "acbz"]
        await asyncio.gather(*tasks)

    run(loop, main())
    assert order == ["a", "z", "c", "b"]


def test_nobody_slips_in_before_who_waits() -> None:
    """A place that has come free is for the one that waits, also before it could take it."""
    loop = VirtualLoop()
    pace = Pace(LLMConfig(concurrency=9, requests_per_minute=60), loop.time)

    async def main() -> None:
        while pace.try_enter(1, 1):
            pass
        waiting = asyncio.create_task(pace.enter(1, 1))
        await asyncio.sleep(0)
        loop.now += 5
        assert not pace.try_enter(1, 1)
        await waiting

    run(loop, main())


def test_a_turn_that_is_given_up_goes_to_the_next() -> None:
    """Cancelled while waiting, or at the very moment at which the turn came, a request leaves nothing behind."""
    loop = VirtualLoop()
    pace = Pace(LLMConfig(concurrency=1), loop.time)

    async def main() -> None:
        await pace.enter(1, 1)
        waiting = [asyncio.create_task(pace.enter(1, 1)) for _ in range(4)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        pace.leave("done", 1, 1, 1)  # the turn of the first, which has not yet learnt of it
        waiting[0].cancel()
        await asyncio.wait(waiting[:3])
        assert [task.cancelled() for task in waiting[:3]] == [True, True, False]
        assert pace.in_flight == 1
        waiting[3].cancel()
        await asyncio.wait(waiting)
        pace.leave("done", 1, 1, 1)
        assert pace.in_flight == 0
        assert pace.try_enter(1, 1)

    run(loop, main())


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    cap=st.integers(1, 5),
    rpm=st.sampled_from([None, 600, 6000]),
    slots=st.integers(0, 4),
)
def test_everybody_gets_a_turn(seed: int, cap: int, rpm: int | None, slots: int) -> None:
    """Whatever is refused, fails or is cancelled, all requests end, and never more than the cap are in flight.

    The loop fails where nobody is left to wake the others.
    """
    draw, loop = random.Random(seed), VirtualLoop()
    pace = Pace(LLMConfig(concurrency=cap, requests_per_minute=rpm), loop.time)

    async def ask() -> None:
        await asyncio.sleep(draw.random())
        if not pace.try_enter(5, 5):
            await pace.enter(5, 5, urgent=draw.random() < 0.3)
        assert pace.in_flight <= cap
        outcome: Outcome = "failed"
        start = loop.now
        try:
            full = pace.in_flight > slots
            await asyncio.sleep(0.01 if full else draw.random())
            outcome = "refused" if full else draw.choice(["done", "failed"])
        finally:
            pace.leave(outcome, loop.now - start, 5, 5, 5, 5, draw.choice([None, 0.5]))

    async def main() -> None:
        tasks = [asyncio.create_task(ask()) for _ in range(60)]
        for _ in range(20):
            await asyncio.sleep(draw.random() / 10)
            draw.choice(tasks).cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(o is None or isinstance(o, asyncio.CancelledError) for o in outcomes)

    run(loop, main())
    assert pace.in_flight == 0
