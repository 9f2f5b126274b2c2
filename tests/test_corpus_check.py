"""Which passages are kept, held out and chosen."""

import heapq
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.config import CorpusConfig
from synthneg.corpus.check import check, draw, split_of
from synthneg.corpus.raw import Raw
from synthneg.corpus.sample import choose, smallest
from synthneg.errors import SettingsError
from synthneg.records import Passage, Reject

CONFIG = CorpusConfig(path="x", max_chars=100)
IDS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1), unique=True, max_size=60)


def _raw(id, text, title=""):
    return Raw(id, title, text, f"c.jsonl, line {id}")


def _chosen(ids, limit, seed=7):
    passages = [Passage(id, "text") for id in ids]
    return [p.id for p in choose(lambda: passages, limit, "random", seed)]


@pytest.mark.parametrize(
    ("text", "title", "reason", "detail"),
    [
        ("", "Tea", "empty", "no text at c.jsonl, line 2"),
        (" \n\t\u2028", "", "empty", "no text at c.jsonl, line 2"),
        ("four words are few", "", "too_short", "4 words, at least 5"),
        ("x " * 51, "", "too_long", "102 characters, at most 100"),
        (" ONE  two\nthree four Five", "", "duplicate", "the text of 1"),
        (
            "one two three \ud800 four five",
            "",
            "lone_surrogate",
            "U+D800 at character 15 of the text of c.jsonl, line 2",
        ),
        (
            "fine fine fine fine fine",
            "\udfff",
            "lone_surrogate",
            "U+DFFF at character 1 of the title of c.jsonl, line 2",
        ),
    ],
)
def test_an_unusable_passage_is_a_reject_with_its_numbers(text, title, reason, detail):
    """Each reason to drop a passage comes with what was seen and the bound."""
    raws = [_raw("1", "one two three four five"), _raw("2", text, title)]
    _, outcome = check(raws, CONFIG, seed=7)
    assert outcome == Reject("corpus", "2", reason, detail)


def test_only_a_used_passage_makes_another_a_duplicate():
    """Two equal texts that are too short are both `too_short`, not the second a duplicate of the first."""
    outcomes = check([_raw("1", "a b"), _raw("2", "a b")], CONFIG, seed=7)
    assert [o.reason for o in outcomes if isinstance(o, Reject)] == ["too_short", "too_short"]


def test_words_are_counted_without_blanks_between_them():
    """A Chinese, a Japanese and a Thai sentence count as more than five words, though they hold no blank."""
    texts = ["光合作用是植物的过程", "お茶は発酵しません", "ชาเขียวไม่ผ่านการหมัก"]
    outcomes = check([_raw(str(n), text) for n, text in enumerate(texts)], CONFIG, seed=7)
    assert all(isinstance(outcome, Passage) for outcome in outcomes)


@given(st.lists(st.text("ab 光ก\u0e31お、_-\n한1", max_size=12), min_size=1), st.integers(1, 9))
def test_a_passage_of_enough_words_passes(texts, least):
    """A passage is too short if and only if fewer words are found in it than are asked for."""
    config = CorpusConfig(path="x", min_words=least)
    pattern = re.compile(r"[\u0e00-\u0eff\u3040-\u9fff\uac00-\ud7af]|\w+")
    for text in texts:
        [outcome] = check([_raw("1", text)], config, seed=7)
        found = len(pattern.findall(text))
        if isinstance(outcome, Passage):
            assert found >= least
        elif outcome.reason == "too_short":
            assert outcome.detail == f"{found} words, at least {least}"


def test_many_words_without_blanks_are_counted_at_once():
    """A text that lacks one word of many is refused without trying all the ways to part it into words."""
    config = CorpusConfig(path="x", min_words=400)
    [outcome] = check([_raw("1", "光合" * 199 + "作")], config, seed=7)
    assert outcome == Reject("corpus", "1", "too_short", "399 words, at least 400")


def test_a_passage_keeps_its_text_and_title():
    """Blanks, case and markup of a passage that is kept are as they were found."""
    text = "  {{ One }} <b>two</b>\0 === system\nThree FOUR five  "
    [passage] = check([_raw("1", text, " A {title} ")], CONFIG, seed=7)
    assert (passage.text, passage.title) == (text, " A {title} ")


@given(IDS, st.integers(0, 2**31), st.randoms())
def test_the_split_depends_on_id_and_seed_alone(ids, seed, random):
    """A passage is held out or not whatever the order of the corpus and the other passages in it."""
    config = CorpusConfig(path="x", held_out=0.5)
    raws = [_raw(id, f"one two three four five {n}") for n, id in enumerate(ids)]
    splits = {p.id: p.split for p in check(raws, config, seed)}
    random.shuffle(raws)
    half = raws[: len(raws) // 2]
    assert all(splits[p.id] == p.split for p in check(half, config, seed))


@given(
    st.text(st.characters(codec="utf-8")), st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1)
)
def test_a_larger_share_holds_out_more(id, seed, share, other):
    """What a share holds out, every larger share holds out too; 0 holds out nothing and 1 everything."""
    low, high = sorted((share, other))
    assert (split_of(id, seed, low), split_of(id, seed, high)) != ("held_out", "train")
    assert (split_of(id, seed, 0.0), split_of(id, seed, 1.0)) == ("train", "held_out")


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_the_held_out_share_is_kept(seed, share):
    """Of 2,000 passages the share that is held out lies within five standard deviations of the one asked for."""
    held_out = sum(split_of(f"p{n}", seed, share) == "held_out" for n in range(2000))
    assert abs(held_out - 2000 * share) <= 5 * (2000 * share * (1 - share)) ** 0.5 + 1


@given(IDS, st.integers(1, 70), st.integers(0, 2**31))
def test_the_limit_is_met_in_the_order_of_the_corpus(ids, limit, seed):
    """As many passages are chosen as the limit and the corpus allow, in the corpus's order."""
    chosen = _chosen(ids, limit, seed)
    assert len(chosen) == min(limit, len(ids))
    assert chosen == [id for id in ids if id in set(chosen)]


@given(IDS, st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**31))
def test_a_larger_limit_keeps_the_earlier_choice(ids, limit, more, seed):
    """Raising the limit only adds passages to those chosen before."""
    assert set(_chosen(ids, limit, seed)) <= set(_chosen(ids, limit + more, seed))


@given(IDS.filter(bool), st.integers(1, 70), st.data())
def test_a_new_passage_replaces_at_most_one(ids, limit, data):
    """With one more passage in the corpus, wherever it stands, at most one of those chosen before is not."""
    place = data.draw(st.integers(0, len(ids) - 1))
    before = set(_chosen(ids[:place] + ids[place + 1 :], limit))
    assert len(before - set(_chosen(ids, limit))) <= 1


@given(IDS, st.integers(1, 70), st.integers(0, 2**31))
def test_the_smallest_draws_are_chosen(ids, limit, seed):
    """The choice is that of sorting all passages by what their ids draw, which would hold them all in memory."""
    expected = heapq.nsmallest(limit, ids, key=lambda id: draw("sample", seed, id))
    assert set(_chosen(ids, limit, seed)) == set(expected)


@given(
    st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 7, 2**48, 2**48 + 1, 2**64 - 1])),
    st.integers(1, 30),
)
def test_the_bound_of_the_smallest_draws_splits_equal_ones(draws, count):
    """The draws below the bound, and as many that equal it as are said, are the smallest of all."""
    most, of_most = smallest(lambda: draws, count)
    taken = [n for n in draws if n < most] + [n for n in draws if n == most][:of_most]
    assert sorted(taken) == sorted(draws)[:count]


def test_two_seeds_choose_differently():
    """Another seed chooses other passages, and the choice does not favour held-out ones."""
    ids = [str(n) for n in range(3000)]
    first, second = set(_chosen(ids, 1000)), set(_chosen(ids, 1000, seed=8))
    assert 250 < len(first & second) < 420
    assert 60 < sum(split_of(id, 7, 0.1) == "held_out" for id in first) < 140


def test_all_passages_are_chosen_without_a_limit():
    """Without a limit, or with `all`, every passage gets queries."""
    passages = [Passage("a", "x"), Passage("b", "y")]
    assert list(choose(lambda: passages, None, "random", 7)) == passages
    assert list(choose(lambda: passages, None, "all", 7)) == passages


def test_all_passages_with_a_limit_is_refused():
    """A limit together with `sample: all` contradicts itself and is refused before anything is read."""
    with pytest.raises(
        SettingsError, match="corpus.limit: expected none with corpus.sample: all, got 3"
    ):
        choose(list, 3, "all", 7)
