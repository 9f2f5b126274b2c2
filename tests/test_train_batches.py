"""What a training batch may hold, and what a training pair is."""

from collections import Counter
from itertools import pairwise

import pytest
from examples import TOPICS, example
from hypothesis import given, settings
from hypothesis import strategies as st

from synthneg.train.data import Pair, lend_negatives, training_pairs
from synthneg.train.sampling.distinct import DistinctBatches, plan_batches
from synthneg.train.students.trainer import column_prompts

# Few texts, so that queries share passages, and one's negative is another's passage.
TEXTS = st.sampled_from([f"text {i}" for i in range(12)])
PAIRS = st.lists(
    st.builds(
        Pair,
        query=st.sampled_from([f"query {i}" for i in range(12)]),
        positive=TEXTS,
        negatives=st.tuples(TEXTS, TEXTS),
        also=st.lists(TEXTS, max_size=1).map(tuple),
    ).filter(lambda pair: not {pair.positive, *pair.also} & set(pair.negatives)),
    max_size=60,
)


def conflicts(batch: list[Pair]) -> list[tuple[Pair, Pair]]:
    """Return the couples of a batch of which an answer to one counts as the other's negative, or with one query."""
    return [
        (a, b)
        for i, a in enumerate(batch)
        for j, b in enumerate(batch)
        if i != j and (a.query == b.query or {a.positive, *a.also} & {b.positive, *b.negatives})
    ]


@given(pairs=PAIRS, batch_size=st.integers(2, 40), seed=st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_no_batch_holds_a_false_negative(pairs: list[Pair], batch_size: int, seed: int):
    """In no batch is one query's positive a document of another, or one query asked twice; each row is in one batch."""
    batches = plan_batches(pairs, batch_size, str(seed))
    assert sorted(row for batch in batches for row in batch) == list(range(len(pairs)))
    assert all(0 < len(batch) <= batch_size for batch in batches)
    assert not [c for batch in batches for c in conflicts([pairs[row] for row in batch])]


def several(passages: int, queries: int) -> list[Pair]:
    """Return `queries` pairs for each of `passages`."""
    return [
        Pair(f"query {p}-{q}", f"passage {p}", (f"near miss {p}-{q}",))
        for p in range(passages)
        for q in range(queries)
    ]


def test_a_thousand_random_batches_hold_no_passage_twice():
    """Over 1,000 and more batches of as many passages as fit, no batch holds two queries of one passage."""
    pairs = several(passages=40, queries=5)
    sampler = DistinctBatches(pairs, 16, seed=1)
    seen = 0
    for epoch in range(80):
        sampler.set_epoch(epoch)
        for batch in sampler:
            seen += 1
            assert max(Counter(pairs[row].positive for row in batch).values()) == 1
    assert seen >= 1000


@pytest.mark.parametrize(
    ("passages", "queries", "batch_size", "sizes"),
    [(20, 3, 32, {20}), (100, 3, 32, {30}), (7, 1, 3, {2, 3}), (2, 5, 4, {2})],
)
def test_batches_are_as_few_and_as_even_as_can_be(
    passages: int, queries: int, batch_size: int, sizes: set[int]
):
    """There are as many batches as rows or queries of one passage demand, and sizes differ by one at most."""
    pairs = several(passages, queries)
    batches = plan_batches(pairs, batch_size, "seed")
    assert len(batches) == max(queries, -(-len(pairs) // batch_size))
    assert {len(batch) for batch in batches} == sizes


def test_each_epoch_has_batches_of_its_own_and_each_seed_too():
    """Epochs and seeds shuffle anew, the same epoch and seed give the same batches."""
    pairs = several(passages=30, queries=2)

    def batches(seed: int, epoch: int) -> list[list[int]]:
        sampler = DistinctBatches(pairs, 8, seed)
        sampler.set_epoch(epoch)
        assert len(sampler) == len(list(sampler)) == 8
        return list(sampler)

    plans = [batches(1, 0), batches(1, 1), batches(2, 0)]
    assert all(a != b for a, b in pairwise(plans))
    assert batches(1, 1) == plans[1]


def test_pairs_are_of_the_training_split_with_as_many_negatives():
    """Held-out queries are left out; more negatives than wanted are cut, fewer are repeated, none stays none."""
    examples = [
        example("tea", negatives=2),
        example("moon", negatives=0),
        example("iron", split="held_out"),
    ]
    two, none = training_pairs(examples, 2)
    assert two.query == "what about tea, asked in way 0?"
    assert two.positive == f"Tea {TOPICS['tea']}"
    assert two.negatives == ("tea 0, near miss 0", "tea 0, near miss 1")
    assert none.negatives == ()
    six = training_pairs(examples, 6)[0].negatives
    assert six[4:] == two.negatives
    assert training_pairs(examples, 0)[0].negatives == ()


def test_a_text_that_tokenizers_refuse_is_made_readable():
    """A NUL in a query does not reach the tokenizer."""
    (pair,) = training_pairs([example("tea")], 1)
    odd = example("tea")
    object.__setattr__(odd, "query", "tea\0pot")
    assert training_pairs([odd], 1)[0].query == "tea pot"
    assert pair.query == "what about tea, asked in way 0?"


@given(st.integers(0, 999))
def test_negatives_are_lent_by_queries_of_other_passages(seed: int):
    """A query without negatives gets those of a query of another passage; the others keep theirs."""
    rich = several(passages=3, queries=2)
    poor = [Pair("poor", "passage 0"), Pair("poorer", "passage 9")]
    lent = lend_negatives([*rich, *poor], 1, seed)
    assert lent[:6] == rich
    assert lent[6].negatives[0].split("-")[0] in ("near miss 1", "near miss 2")
    assert lent[7].negatives in {pair.negatives for pair in rich}
    assert lend_negatives([*rich, *poor], 1, seed) == lent


def test_where_one_passage_has_all_negatives_other_passages_are_lent():
    """A second query of the only passage with negatives borrows another passage, not what it may itself answer."""
    pairs = [Pair("a", "tea", ("near tea",)), Pair("b", "tea"), Pair("c", "moon")]
    for seed in range(20):
        lent = lend_negatives(pairs, 1, seed)
        assert lent[1].negatives == ("moon",)
        assert lent[2].negatives in {("near tea",), ("tea",)}


def test_a_model_is_trained_with_the_prompts_it_is_used_with():
    """Queries get the model's query prompt, positives and negatives its document prompt, and no prompt is no entry."""
    e5 = {"query": "query: ", "document": "passage: "}
    columns = ["query", "positive", "negative_1", "negative_2"]
    assert column_prompts(e5, columns) == {
        "query": "query: ",
        "positive": "passage: ",
        "negative_1": "passage: ",
        "negative_2": "passage: ",
    }
    assert column_prompts({"query": "", "document": ""}, columns) == {}
