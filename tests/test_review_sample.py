"""The sample: every kind of record is in it, it only grows, and what it holds depends on the seed and the ids alone."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from synthneg.review.items import Item
from synthneg.review.sample import Stratum, framed, sample, turns

SEED = 7
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=12)
counts = st.integers(1, 200)


def item(stratum: int, number: int) -> Item:
    """Return an item of a made-up stratum."""
    source, verdict = ("bm25", "dense", "negative")[stratum % 3], stratum // 3
    query_id = f"q{stratum}.{number}"
    return Item(query_id, "d", "negative", source, "", False, f"reason{verdict}", 1, 1, {}, {})


def population(found: list[int]) -> list[Item]:
    """Return as many items of each stratum as are wanted."""
    return [item(stratum, number) for stratum, size in enumerate(found) for number in range(size)]


def drawn(items: list[Item], count: int, seed: int = SEED) -> list[Item]:
    """Return a sample as a command draws it."""
    return sample(framed(items, seed, count), count, seed)


@given(sizes, counts)
def test_the_sample_has_as_many_items_as_were_asked_for_and_none_twice(
    found: list[int], count: int
) -> None:
    """It has `count` different items of the run, or all where there are fewer; its strata's counts add up to it."""
    items = population(found)
    chosen = drawn(items, count)

    assert len(chosen) == len({i.key for i in chosen}) == min(count, len(items))
    assert {i.key for i in chosen} <= {i.key for i in items}
    assert framed(items, SEED, count).size == len(items) == sum(found)
    of = Counter(map(Stratum.of, chosen))
    assert of == Counter(turns(framed(items, SEED, count).sizes, count))


@given(sizes, counts)
def test_every_stratum_with_members_is_represented(found: list[int], count: int) -> None:
    """With as many items as strata or more each stratum has one, with fewer no stratum has two."""
    of = Counter(map(Stratum.of, drawn(population(found), count)))

    if count >= len(found):
        assert len(of) == len(found)
    else:
        assert max(of.values()) == 1


@given(sizes, counts, counts)
def test_a_larger_sample_holds_the_smaller_one(found: list[int], one: int, other: int) -> None:
    """Whatever was drawn for a smaller -n is drawn for a larger one, and in each stratum it comes first."""
    items, (few, many) = population(found), sorted((one, other))
    small, large = drawn(items, few), drawn(items, many)

    assert {i.key for i in small} <= {i.key for i in large}
    for stratum in map(Stratum.of, small):
        first = [i for i in small if Stratum.of(i) == stratum]
        assert [i for i in large if Stratum.of(i) == stratum][: len(first)] == first


@given(sizes, counts, st.randoms(use_true_random=False))
def test_the_order_of_the_files_does_not_matter(found: list[int], count: int, chance) -> None:
    """Items that come in another order make the same sample in the same order, taken up again or not."""
    items = population(found)
    shuffled = chance.sample(items, len(items))

    assert drawn(items, count) == drawn(shuffled, count)


def test_another_seed_draws_other_items() -> None:
    """Two seeds draw different items of one stratum, and ask in different orders about what they share."""
    items = population([200, 200, 200])

    assert {i.key for i in drawn(items, 30, 1)} != {i.key for i in drawn(items, 30, 2)}
    assert [Stratum.of(i) for i in drawn(items, 30, 1)] != [
        Stratum.of(i) for i in drawn(items, 30, 2)
    ]


def test_rare_strata_get_more_than_their_share_and_large_ones_most() -> None:
    """Of 10,000 and 100 items 110 are drawn as 100 and 10: by the roots of their sizes, not by the sizes."""
    items = population([10_000, 100])
    of = Counter(i.source for i in drawn(items, 110))

    assert (of["bm25"], of["dense"]) == (100, 10)


def test_who_stops_early_has_seen_every_kind() -> None:
    """The first as many items as there are strata are one of each, and not in the order of their sizes."""
    items = population([50, 40, 30, 20, 10, 5])
    first = [Stratum.of(i) for i in drawn(items, 60)[:6]]
    by_size = sorted(first, key=framed(items, SEED, 60).sizes.get, reverse=True)

    assert len(set(first)) == 6
    assert first != by_size


def test_each_member_of_a_stratum_is_drawn_as_often_as_any_other() -> None:
    """Over 600 seeds each of 20 items is among 5 drawn about 150 times, within four standard errors."""
    items = population([20])
    often = Counter(i.key for seed in range(600) for i in drawn(items, 5, seed))

    error = math.sqrt(600 * 0.25 * 0.75)
    assert set(often) == {i.key for i in items}
    assert max(abs(count - 150) for count in often.values()) < 4 * error


def test_items_that_are_wanted_are_found_beyond_the_sample() -> None:
    """Keys that are asked for come back, once, whether they are drawn or not; others do not."""
    items = population([30, 3])
    keys = {items[k].key for k in (0, 9, 31)}
    frame = framed(items, SEED, 2, keys)
    held = [i.key for found in frame.first.values() for i in found]

    assert keys <= {*held, *(i.key for i in frame.others)}
    assert {i.key for i in frame.others} == keys - set(held)
    assert max(map(len, frame.first.values())) == 2
