"""Limits of a whole cluster, in virtual time: what its workers send together, whoever is busy and whatever dies."""

import asyncio
import random
from collections.abc import Callable

import pytest
from cluster_simulator import START, Cluster
from hypothesis import given, settings
from hypothesis import strategies as st
from pace_simulator import VirtualLoop, busiest_minute, run

from synthneg.cluster.keeper import NOTHING, Keeper, Report
from synthneg.config import LLMConfig
from synthneg.llm.used import Totals


def cluster(seed: int, config: LLMConfig, **more: object) -> Cluster:
    """Return a cluster that has done nothing yet."""
    return Cluster(config, VirtualLoop(), random.Random(seed), **more)  # type: ignore[arg-type]


def after(made: Cluster, seconds: float) -> Callable[[], bool]:
    """Return what tells whether so much time has gone by."""
    return lambda: made.loop.now >= START + seconds


def work(made: Cluster, *seconds: float) -> None:
    """Let one worker be at work for each of `seconds`."""

    async def main() -> None:
        await asyncio.gather(*(made.work(after(made, each)) for each in seconds))

    run(made.loop, main())


@settings(max_examples=8, deadline=None)
@given(
    limit=st.integers(30, 3000),
    kind=st.sampled_from(["requests", "input_tokens", "output_tokens"]),
    workers=st.integers(1, 6),
)
def test_no_minute_holds_more_than_the_limit_of_all(limit: int, kind: str, workers: int) -> None:
    """Any 60 seconds hold at most the limit and one request; of tokens, which are estimates, one of each worker more.

    The long run has 95 % of the limit.
    """
    draw = random.Random(limit)
    config = LLMConfig(concurrency=48, **{f"{kind}_per_minute": limit})
    made = cluster(limit, config, tokens=lambda: draw.randint(1, 50))
    work(made, *[200] * workers)
    sent = [(at, 1) for at, _ in made.sent] if kind == "requests" else made.sent
    largest = max(units for _, units in sent)
    over = 1 if kind == "requests" else largest * (workers + 1)
    assert busiest_minute(sorted(sent)) <= limit + over
    used = sum(units for at, units in sent if at < START + 200)
    assert used > 0.95 * limit * 200 / 60 - largest * workers


def test_one_worker_that_is_left_has_the_whole_limit() -> None:
    """Where three of four workers have nothing more to ask, the last one uses 95 % of the limit and all the places."""
    made = cluster(1, LLMConfig(concurrency=40, requests_per_minute=600), reply_s=2.0)
    work(made, 60, 60, 60, 300)
    left = [at for at, _ in made.sent if START + 100 <= at < START + 300]
    assert len(left) > 0.95 * 600 * 200 / 60
    assert busiest_minute([(at, 1) for at, _ in made.sent]) <= 601


def test_places_are_shared_and_never_lent_twice() -> None:
    """However workers come and go, no more than llm.concurrency are in flight; whoever is left has all places."""
    made = cluster(2, LLMConfig(concurrency=20), reply_s=0.3)
    seen: list[int] = []

    async def late(from_s: float, until_s: float) -> None:
        await asyncio.sleep(from_s)
        await made.work(after(made, until_s))

    async def watch() -> None:
        for _ in range(100):
            await asyncio.sleep(1)
            seen.append(made.in_flight)

    async def main() -> None:
        await asyncio.gather(
            made.work(after(made, 100)), late(10, 40), late(20, 50), late(21, 60), watch()
        )

    run(made.loop, main())
    assert made.most_in_flight == 20
    assert sum(seen[70:95]) > 0.97 * 20 * 25
    assert sum(seen[25:38]) > 0.9 * 20 * 13


def test_more_workers_than_places_all_come_to_their_turn() -> None:
    """With two places for five workers, two requests are in flight at most, and every worker ends."""
    made = cluster(3, LLMConfig(concurrency=2), reply_s=0.2)
    counts = [0] * 5

    async def worker(number: int) -> None:
        def done() -> bool:
            counts[number] += 1
            return counts[number] > 40

        await made.work(done)

    async def main() -> None:
        await asyncio.gather(*map(worker, range(5)))

    run(made.loop, main())
    assert made.most_in_flight == 2
    assert min(counts) > 40


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**16), workers=st.integers(1, 5), allowed=st.integers(1, 400))
def test_a_budget_of_requests_is_used_to_the_last(seed: int, workers: int, allowed: int) -> None:
    """As many requests are sent as the budget has, and not one more; then all workers hear why."""
    made = cluster(seed, LLMConfig(concurrency=24, budget={"requests": allowed}))
    work(made, *[1e6] * workers)
    assert len(made.sent) == allowed
    assert len(made.refused) == 24 * workers
    assert made.refused[-1] == f"llm.budget.requests: {allowed:,} of {allowed:,} are used"


def test_what_was_used_before_counts() -> None:
    """Requests of earlier starts, in whatever ledger, leave the cluster the rest of the budget."""
    made = cluster(4, LLMConfig(concurrency=8, budget={"requests": 100}), used=Totals(50, 9, 9, 20))
    work(made, 1e6, 1e6)
    assert len(made.sent) == 30


def test_a_budget_of_tokens_is_overrun_by_less_than_what_is_in_flight_may_differ() -> None:
    """Requests of 20 to 60 tokens end within what is in flight of the budget, and not far below it."""
    draw = random.Random(5)
    config = LLMConfig(concurrency=16, budget={"tokens": 20_000})
    made = cluster(5, config, tokens=lambda: draw.randint(10, 30))
    work(made, *[1e6] * 4)
    used = sum(2 * units for _, units in made.sent)
    assert 20_000 - 16 * 60 <= used <= 20_000 + 16 * 20


def test_estimates_are_corrected_for_all() -> None:
    """Replies estimated at three times their length still use 90 % of the limit on output tokens."""
    config = LLMConfig(concurrency=64, output_tokens_per_minute=6000)
    made = cluster(6, config, tokens=lambda: 20, guess=lambda units: 3 * units)
    work(made, *[400] * 4)
    assert sum(units for at, units in made.sent if at < START + 400) > 0.9 * 40_000
    assert busiest_minute(made.sent) < 1.02 * 6000 + 4 * 20


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    at=st.floats(1, 150),
    kind=st.sampled_from(["requests", "input_tokens"]),
)
def test_a_keeper_that_dies_does_not_lift_the_limit(seed: int, at: float, kind: str) -> None:
    """Whenever its memory is lost, no minute holds more, the budget is kept to, and the workers go on."""
    tokens = 40 if kind == "input_tokens" else 1
    config = LLMConfig(
        concurrency=40, **{f"{kind}_per_minute": 300 * tokens}, budget={"requests": 700}
    )
    made = cluster(seed, config, tokens=lambda: tokens)

    async def die() -> None:
        await asyncio.sleep(at)
        made.restart()

    async def main() -> None:
        await asyncio.gather(die(), *(made.work(after(made, 1e6)) for _ in range(4)))

    run(made.loop, main())
    assert busiest_minute(made.sent) <= (300 + (1 if kind == "requests" else 4)) * tokens
    assert 690 <= len(made.sent) <= 700
    assert made.loop.now < START + 190


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**16), silent=st.floats(0, 0.1))
def test_what_workers_used_that_have_left_counts(seed: int, silent: float) -> None:
    """Where the keeper loses its memory when workers have left and nobody else has heard of it, a budget is kept to."""
    made = cluster(seed, LLMConfig(concurrency=8, budget={"requests": 200}))

    async def main() -> None:
        await asyncio.gather(*(made.work(after(made, 3)) for _ in range(2)))
        assert 40 < len(made.sent) < 150
        await asyncio.sleep(silent)
        made.restart()
        await asyncio.gather(*(made.work(after(made, 1e6)) for _ in range(2)))

    run(made.loop, main())
    assert len(made.sent) == 200


def test_a_worker_that_dies_takes_its_places_along_for_a_while() -> None:
    """Its places go to the others when it has said nothing for 10 s; what it had in flight stays paid for."""
    loop = VirtualLoop()
    keeper = Keeper(
        LLMConfig(concurrency=10, budget={"requests": 100}), NOTHING, 0, clock=loop.time
    )
    keeper.answer(Report("a", 0, 0, 0, 0, 0))
    assert keeper.answer(Report("a", 0, 0, 60, 0, 0)).permits == 60
    assert keeper.answer(Report("b", 0, 0, 0, 0, 0)).places == 0
    loop.now += 11
    grant = keeper.answer(Report("b", 0, 0, 60, 0, 0))
    assert (grant.places, grant.permits) == (10, 40)
    loop.close()


def test_reports_are_few() -> None:
    """A worker that nothing limits but its places reports once a second, however many requests it sends."""
    made = cluster(7, LLMConfig(concurrency=32), reply_s=0.01)
    work(made, 100, 100)
    assert len(made.sent) > 100_000
    assert made.reports < 2 * 100 + 40


@pytest.mark.parametrize("budget", [{}, {"requests": 10**9}])
def test_permits_come_before_they_are_missed(budget: dict[str, int]) -> None:
    """A budget that is far away costs no more than 5 % of the requests that a worker could send."""
    made = cluster(8, LLMConfig(concurrency=32, budget=budget), reply_s=0.1)
    work(made, 30, 30)
    assert len(made.sent) > 0.95 * 32 * 30 / 0.1
