"""What a run will use, from a pilot; and runs that end at their budget with a dataset that is whole."""

import json
import os
import subprocess
import sys
from collections import Counter
from math import sqrt
from typing import Any

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import KEY, KEY_VARIABLE, World, answered

from synthneg.cli.plan import _lines as plan_lines
from synthneg.config import LLMConfig, RunConfig
from synthneg.errors import SettingsError
from synthneg.generate.pilot import Pilot, Use
from synthneg.generate.projection import Estimate, estimate, project
from synthneg.llm.base import Reply
from synthneg.llm.budget import Budget, check_budget, cost_usd
from synthneg.llm.ledger import Ledger
from synthneg.llm.used import Totals

PRICE = {"input": 1.0, "output": 2.0}


def use(stage: str, tokens: int) -> Use:
    """Return what a passage used: one request of so many tokens in, half as many out, in one second."""
    return Use(stage, stage, 1, tokens, tokens // 2, 1.0)


def pilot_of(*tokens: int) -> Pilot:
    """Return a pilot whose passages used so many tokens, for a query and for a document alike."""
    both = ("generate.queries", "generate.negatives")
    return Pilot(tuple(tuple(use(stage, n) for stage in both) for n in tokens))


def test_a_total_has_the_t_interval_of_a_sample_from_a_finite_population() -> None:
    """By hand: mean 4, s 2, n 3 of N 12, t(2) 4.3027: half = 4.3027 · 2/√3 · √(1 − 3/12) a passage."""
    total = estimate([2.0, 4.0, 6.0], 12)
    half = 4.3026527 * 2 / sqrt(3) * sqrt(0.75) * 12
    assert total.mean == pytest.approx(48)
    assert total.high == pytest.approx(48 + half)
    assert total.low == pytest.approx(12)  # 48 - half is less than the pilot itself has used


@given(
    st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=2, max_size=20),
    st.integers(0, 1000),
)
def test_an_interval_holds_its_mean(values: list[float], more: int) -> None:
    """Low ≤ mean ≤ high, never below what the pilot has used; of a whole population nothing is uncertain."""
    total = estimate(values, len(values) + more)
    assert total.low <= total.mean * (1 + 1e-9)
    assert total.mean <= total.high * (1 + 1e-9)
    assert total.low >= sum(values) * (1 - 1e-9)
    if not more:
        assert total.low == total.mean == total.high == pytest.approx(sum(values))


def test_a_projection_counts_what_is_paid_and_waited_for() -> None:
    """Equal passages: 100 of them use 100 times as much; half the queries passing halves what documents use."""
    config = LLMConfig(concurrency=4, price=PRICE)
    whole = project(pilot_of(1000, 1000, 1000), 100, config, None)
    half = project(pilot_of(1000, 1000, 1000), 100, config, 0.5)
    assert whole.total.requests == Estimate(200, 200, 200)
    assert whole.total.usd is not None
    assert whole.total.usd.mean == pytest.approx(200 * (1000 * 1 + 500 * 2) / 1e6)
    assert whole.seconds.mean == pytest.approx(200 / 4)
    assert half.total.tokens_in.mean == pytest.approx(150_000)
    assert [row.stage for row in whole.rows] == ["generate.queries", "generate.negatives"]


@pytest.mark.parametrize(
    ("path", "rounds", "said"), [("d", 2, True), ("d", 0, False), ("tasks:t", 2, False)]
)
def test_a_plan_says_that_rounds_are_not_counted(path: str, rounds: int, said: bool) -> None:
    """With rounds, what is asked again is named as left out, with its bound; not where there are none."""
    values = {"run": "r", "corpus": {"path": path}, "generate": {"queries": {"rounds": rounds}}}
    config = RunConfig.model_validate(values)
    lines = "\n".join(plan_lines(project(pilot_of(9, 9), 100, config.llm, None), config))
    assert ("generate.queries.rounds" in lines) is ("at most 2 more requests" in lines) is said


def test_a_limit_a_minute_bounds_the_time() -> None:
    """200 requests at 20 a minute take ten minutes, however many may be in flight."""
    config = LLMConfig(concurrency=1000, requests_per_minute=20)
    assert project(pilot_of(10, 10), 100, config, None).seconds.mean == pytest.approx(600)


def test_a_price_that_is_not_given_is_not_known() -> None:
    """Money without both prices is unknown, not nothing; a budget in it is refused."""
    assert project(pilot_of(10, 10), 100, LLMConfig(), None).total.usd is None
    assert cost_usd(LLMConfig(price={"input": 1.0}).price, 5, 5) is None
    with pytest.raises(SettingsError, match=r"llm\.budget\.usd needs llm\.price"):
        check_budget(LLMConfig(budget={"usd": 1}, price={"input": 1.0}))


@pytest.mark.parametrize(
    ("budget", "affords"),
    [({"requests": 60}, 30), ({"tokens": 30_000}, 10), ({"usd": 0.02}, 5), ({"requests": 1}, 1)],
)
def test_a_budget_affords_whole_passages(budget: dict[str, float], affords: int) -> None:
    """Each passage takes 2 requests, 3,000 tokens and 0.004 USD; a budget for half of one still affords one."""
    config = LLMConfig(budget=budget, price=PRICE)
    found = project(pilot_of(1000, 1000, 1000), 100, config, None).affords
    assert found == Estimate(affords, affords, affords)


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(1, 90), st.integers(0, 90)), min_size=60, max_size=60),
    st.integers(200, 3000),
)
def test_requests_in_flight_are_reserved_for(
    width: int, replies: list[tuple[int, int]], tokens: int
) -> None:
    """However many are in flight, the budget is overrun by less than those in flight may differ from the mean."""
    budget = Budget(LLMConfig(budget={"tokens": tokens}), Totals(0, 0, 0, 0))
    used = 0
    in_flight: list[tuple[int, int]] = []
    left = list(replies)
    while left or in_flight:
        if left and len(in_flight) < width and budget.used_up(len(in_flight)) is None:
            in_flight.append(left.pop())
        elif in_flight:
            tokens_in, tokens_out = in_flight.pop(0)
            used += tokens_in + tokens_out
            budget.count(Reply("", "stop", tokens_in, tokens_out, "m"))
        else:
            break
    assert used <= tokens + (width + 1) * 180


@pytest.mark.slow
def test_plan_is_light(world: World) -> None:
    """`synthneg plan` loads nothing that computes vectors, reads datasets or is another client's."""
    heavy = {"torch", "transformers", "datasets", "openai", "sentence_transformers"}
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: sys.stderr.write('loaded: ' + repr({heavy!r} & set(sys.modules))))\n"
        "from synthneg.cli import main; main()"
    )
    words = ("plan", "--outputs", "light", "--pilot", "2", "--set", "llm.budget.requests=500")
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=world.folder,
        env=os.environ | {KEY_VARIABLE: KEY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("loaded: set()")
    assert "money: not known (set llm.price)" in done.stdout
    assert "the budget affords" in done.stdout


@pytest.mark.slow
def test_a_pilot_is_asked_once_and_counts_for_the_run(world: World) -> None:
    """A second `plan` asks nothing; the run asks for nothing that the pilot asked for."""
    command = ["plan", "--outputs", "planned", "--pilot", "5", "--json"]
    start = len(world.asked())
    first = json.loads(world.synthneg(*command).stdout)
    pilot = world.asked()[start:]
    again = json.loads(world.synthneg(*command).stdout)
    assert world.asked()[start:] == pilot
    assert first == again
    assert first["pilot_passages"] == 5
    assert first["total"]["usd"] is None
    assert first["pilot"]["requests"]["mean"] == len(pilot)
    assert first["total"]["requests"]["mean"] == pytest.approx(len(pilot) / 5 * first["passages"])
    world.synthneg("generate", "--outputs", "planned")
    assert not set(pilot) & set(world.asked()[start + len(pilot) :])
    assert max(Counter(world.asked()[start:]).values()) == 1


def walk(world: World, outputs: str, until: str, *changes: str) -> tuple[str, int, dict[str, Any]]:
    """Walk as far as `until`; return what was said, how many were asked, and the books."""
    start = len(world.asked())
    words = [word for change in changes for word in ("--set", f"llm.{change}")]
    done = world.synthneg("run", "--until", until, "--outputs", outputs, *words)
    books = json.loads((world.run_folder(outputs) / "books.json").read_text())
    for name, counts in books.items():
        ends = counts["kept"] + sum(counts["rejected"].values()) + sum(counts["failed"].values())
        assert counts["in"] == ends, name
    return done.stderr, len(world.asked()) - start, books


def passages_of(books: dict[str, Any]) -> int:
    """Return how many passages two prompts were put to."""
    assert not books["generate.queries"]["in"] % 2
    return int(books["generate.queries"]["in"]) // 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outputs", "changes", "limit"),
    [
        ("requests", ("budget.requests=150",), 150),
        ("tokens", ("budget.tokens=40000",), 40_000),
        ("usd", ("budget.usd=0.05", "price.input=1", "price.output=2"), 0.05),
    ],
)
def test_a_budget_is_kept_to_and_leaves_no_query_without_documents(
    world: World, outputs: str, changes: tuple[str, ...], limit: float
) -> None:
    """A third to all of the budget is used, some passages are taken through all stages, and nothing fails over it."""
    said, asked, books = walk(world, outputs, "generate.negatives", "concurrency=8", *changes)
    assert f"the budget affords {passages_of(books)} of 51 passages" in said
    assert 8 <= passages_of(books) <= 40
    assert books["generate.negatives"]["kept"] > 0
    assert not [name for name, counts in books.items() if "budget" in counts["failed"]]
    totals = Ledger(world.run_folder(outputs) / "ledger.sqlite", read_only=True).totals()
    assert totals.replies == asked
    used = {
        "requests": asked,
        "tokens": totals.tokens_in + totals.tokens_out,
        "usd": (totals.tokens_in + 2 * totals.tokens_out) / 1e6,
    }[outputs]
    assert limit / 3 < used <= limit


@pytest.mark.slow
def test_a_run_within_a_budget_ends_in_a_dataset_and_goes_on_when_it_is_raised(
    world: World,
) -> None:
    """The dataset has negatives; the same command asks nothing more; a larger budget adds, and asks nothing twice."""
    tight = ("budget", "export", "concurrency=8", "budget.requests=90")
    _, asked, books = walk(world, *tight)
    folder = world.run_folder("budget")
    found = datasets.load_dataset(
        str(folder / "dataset"), "triplet", split="train", cache_dir=str(folder.parent / "cache")
    )
    assert len(found) > 0
    assert all(found["negative"])

    again, more, same = walk(world, *tight)
    assert (asked > 30, more, same) == (True, 0, books)
    assert f"the budget affords {passages_of(books)} of 51 passages" in again

    start, stored = len(world.asked()), answered(folder)
    _, _, whole = walk(world, "budget", "generate.queries", "budget.requests=100000")
    assert passages_of(whole) == 51
    assert not stored & set(world.asked()[start:])


@pytest.mark.slow
def test_a_budget_for_a_few_passages_makes_a_pilot_of_a_few(world: World) -> None:
    """Where 12 passages would use the whole budget, 2 to 8 tell what a passage uses, and become the dataset."""
    said, asked, books = walk(world, "few", "generate.queries", "budget.requests=40")
    assert 2 <= passages_of(books) <= 6
    assert asked <= 40
    assert "by a pilot of 2:" in said or "by a pilot of 4:" in said


@pytest.mark.slow
def test_a_budget_that_no_passage_fits_into_is_refused(world: World) -> None:
    """Three requests do not take two passages through: one line says so, and what was answered is kept."""
    start = len(world.asked())
    words = ("run", "--outputs", "nothing", "--set", "llm.budget.requests=3")
    done = world.synthneg(*words, status=2)
    assert "the budget does not reach through a pilot" in done.stderr
    assert "3 of 3 are used" in done.stderr
    assert len(world.asked()) - start == 3


@pytest.mark.slow
def test_what_other_prompts_have_used_is_no_longer_there(world: World) -> None:
    """A budget that would do for many passages does for fewer once other prompts have used a part of it."""
    prompts = "generate.queries.prompts=[query/keywords]"
    words = ("--until", "generate.queries", "--set", prompts, "--set", "corpus.limit=40")
    world.synthneg("run", "--outputs", "elsewhere", *words)
    _, asked, books = walk(world, "elsewhere", "generate.negatives", "budget.requests=150")
    assert asked <= 110
    assert 8 <= passages_of(books) <= 19
    assert not [name for name, counts in books.items() if "budget" in counts["failed"]]


@pytest.mark.slow
def test_a_budget_of_minutes_is_counted_by_what_the_pilot_has_shown(world: World) -> None:
    """At one request in flight of some 5 ms, a twentieth of a minute affords some of the passages, and is kept to."""
    said, _, books = walk(world, "minutes", "generate.negatives", "budget.minutes=0.01")
    assert 2 <= passages_of(books) < 51
    assert "the budget affords" in said
    assert books["generate.negatives"]["kept"] > 0
