"""Two sets of queries compared: nothing found where there is nothing, and planted differences found."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthneg.interval import wilson
from synthneg.realism.advice import Weight, advise, weights
from synthneg.realism.chance import LEVEL, deals, row
from synthneg.realism.compare import Comparison, compare
from synthneg.realism.cover import coverage, distances, least_covered
from synthneg.realism.kinds import KINDS, Kind
from synthneg.realism.lengths import length_rows
from synthneg.realism.mix import mix_row
from synthneg.realism.vocabulary import over_used, vocabulary
from synthneg.testing import HashingEncoder

THINGS = "tea bread moon iron bees glass wolf rain salt wood wool clay fire snow gold milk".split()
PLACES = "kitchen harbour forest desert school market garden museum station valley".split()
OTHER = "interest mortgage lender notary deed escrow title lien broker tenant lease bond".split()
FORMS: dict[Kind, tuple[str, ...]] = {
    "question": ("what does {} do in a {}", "why is {} kept in every {} of the {}", "how is {} made?"),
    "claim": (
        "The {} in this {} contains more {} than before.",
        "Most {} is lost in a {}.",
        "A {} improves the {} of a {} within days.",
    ),
    "keywords": ("{} {}, {}, {}", "{} {}"),
}  # fmt: skip
MIX: dict[Kind, float] = {"question": 0.5, "claim": 0.3, "keywords": 0.2}


def written(
    count: int,
    chance: random.Random,
    mix: dict[Kind, float] = MIX,
    topic: tuple[str, ...] = (*THINGS, *PLACES),
) -> list[str]:
    """Return queries of a known distribution."""
    kinds = chance.choices(list(mix), weights=list(mix.values()), k=count)
    forms = [chance.choice(FORMS[kind]) for kind in kinds]
    return [form.format(*chance.choices(topic, k=form.count("{}"))) for form in forms]


def compared(real: list[str], generated: list[str], seed: int = 0, draws: int = 199) -> Comparison:
    """Return the comparison of two lists by the hashing encoder."""
    vectors = [HashingEncoder().encode(texts, "query") for texts in (real, generated)]
    return compare(real, generated, *vectors, seed=seed, draws=draws)


@pytest.mark.slow
def test_queries_of_one_source_are_seldom_unlike() -> None:
    """Of 40 pairs of sets from one source, no row is called unlike in more than 12 % (5 % expected)."""
    unlike: Counter[str] = Counter()
    for seed in range(40):
        chance = random.Random(seed)
        found = compared(written(20, chance), written(80, chance), seed)
        unlike.update(row.name for row in found.rows if row.word == "unlike")

    # At 5 %, more than 5 of 40 have a probability of .014 in a row.
    assert max(unlike.values(), default=0) <= 5, unlike
    assert unlike.total() <= 0.08 * 40 * 9, unlike


def test_another_mix_of_kinds_is_found() -> None:
    """Twenty questions beside claims are unlike in kind, and what to ask for is more questions."""
    chance = random.Random(3)
    found = compared(written(20, chance, {"question": 1}), written(100, chance, {"claim": 1}))

    assert found.row("kinds").word == "unlike"
    assert found.row("kinds").apart == pytest.approx(1.0)
    made: dict[str, list[Kind]] = {"query/claim@1": ["claim"] * 100}
    advice = advise(found, weights(["question"] * 20, made, 0))
    assert any(line.startswith("query/claim@1: drop it") for line in advice)
    assert any(line.startswith("query/question: add it") for line in advice)


def test_doubled_lengths_are_found() -> None:
    """Queries twice as long are unlike in length, in mean and as a whole, and shorter ones are asked for."""
    chance = random.Random(4)
    doubled = [f"{text} {text}" for text in written(100, chance)]
    found = compared(written(20, chance), doubled)

    assert found.row("length, mean").word == found.row("length, middle half").word == "unlike"
    assert any(
        line.startswith("Shorter queries: half of the real ones") for line in advise(found, [])
    )


def test_another_topic_is_found() -> None:
    """Queries of the same form about something else are unlike in words and meaning, and alike in kinds and lengths."""
    chance = random.Random(5)
    real = written(50, chance, {"question": 1})
    found = compared(real, written(200, chance, {"question": 1}, tuple(OTHER)))

    unlike = {row.name for row in found.rows if row.word == "unlike"}
    assert unlike >= {
        "words never generated",
        "words never real",
        "meaning, distance",
        "meaning, real missed",
        "meaning, generated stray",
    }
    assert not unlike & {"kinds", "length, mean", "length, middle half"}
    over = {used.word for used in found.over_used if used.z > 0}
    under = {used.word for used in found.over_used if used.z < 0}
    assert over
    assert over <= set(OTHER)
    assert under <= {*THINGS, *PLACES}


def test_few_queries_are_never_called_like_others() -> None:
    """Of ten queries nothing is said to be like others, though nothing differs."""
    chance = random.Random(6)
    found = compared(written(10, chance), written(100, chance))

    assert {row.word for row in found.rows} <= {"unlike", "not enough to say"}


def test_many_queries_of_one_source_are_called_like() -> None:
    """Of 200 and 400 queries from one source, lengths, kinds and meaning are said to be like each other."""
    chance = random.Random(8)
    found = compared(written(200, chance), written(400, chance), draws=99)

    for name in ("length, mean", "length, middle half", "kinds", "meaning, real missed"):
        assert found.row(name).word == "like", found.row(name)
    assert advise(found, [])[0].startswith("Nothing to change")


@pytest.mark.parametrize("count", [20, 50, 100])
def test_a_difference_that_matters_is_seldom_called_like(count: int) -> None:
    """Where a quarter of the queries is of another kind, at most 15 % of samples are called like, many or few."""
    words: Counter[str] = Counter()
    for seed in range(60):
        chance = random.Random(seed)
        real = chance.choices(["question", "claim"], weights=[0.5, 0.5], k=count)
        made = chance.choices(["question", "claim"], weights=[0.75, 0.25], k=200)
        words[mix_row(real, made, deals(count, 200, 99, seed)).word] += 1  # type: ignore[arg-type]

    assert words["like"] <= 0.15 * 60, words
    assert count < 100 or words["unlike"] >= 0.9 * 60, words


def test_the_same_seed_says_the_same() -> None:
    """A comparison is a function of its texts and its seed."""
    chance = random.Random(9)
    real, generated = written(20, chance), written(40, chance)

    assert compared(real, generated, 1, 49) == compared(real, generated, 1, 49)


def test_a_small_difference_in_few_queries_gives_no_advice() -> None:
    """Where kinds and lengths are not unlike, no prompt is named."""
    chance = random.Random(10)
    found = compared(written(20, chance), written(60, chance))
    mix = [Weight("query/claim@1", 3.0, 2.0, 4.0, 0.2, 0.6)]

    assert [row.word for row in found.rows if row.word == "unlike"] == []
    assert advise(found, mix) == [
        "No difference in kinds or lengths was seen, but there may be one: more queries would tell."
    ]


lengths = st.lists(st.integers(0, 60), min_size=2, max_size=30)


@given(lengths, lengths, st.integers(0, 99))
@settings(max_examples=60)
def test_length_rows_are_what_they_say(real: list[int], generated: list[int], seed: int) -> None:
    """Means differ by what arithmetic says, the gap is that of the cumulative shares, and p-values are shares."""
    labels = deals(len(real), len(generated), 49, seed)
    mean, gap = length_rows(real, generated, labels)

    assert mean.apart == pytest.approx(np.mean(generated) - np.mean(real))
    shares = [
        abs(np.mean(np.asarray(real) <= x) - np.mean(np.asarray(generated) <= x))
        for x in {*real, *generated}
    ]
    assert gap.apart == pytest.approx(max(shares))
    assert 1 / 50 <= mean.p <= 1
    assert 1 / 50 <= gap.p <= 1


kinds = st.lists(st.sampled_from(KINDS), min_size=2, max_size=30)


@given(kinds, st.integers(0, 99))
@settings(max_examples=40)
def test_a_set_beside_itself_is_not_unlike(own: list[Kind], seed: int) -> None:
    """The same kinds twice are nought apart and never unlike."""
    found = mix_row(own, own, deals(len(own), len(own), 49, seed))

    assert found.apart == 0
    assert found.p == 1


@given(kinds, st.lists(kinds, min_size=1, max_size=4))
@settings(max_examples=8)
def test_weights_bring_the_mix_to_that_of_the_real_queries(
    real: list[Kind], made: list[list[Kind]]
) -> None:
    """No share is below nought, and pure prompts for all kinds are brought to the real mix."""
    for weight in weights(real, {f"p{i}": own for i, own in enumerate(made)}, 0):
        assert weight.share >= 0
        assert weight.low <= weight.high
    pure = weights(real, {kind: [kind] * 50 for kind in KINDS}, 0)
    assert sum(weight.share for weight in pure) == pytest.approx(1)
    for weight in pure:
        assert weight.share == pytest.approx(real.count(weight.prompt) / len(real), abs=0.02)  # type: ignore[arg-type]


def test_prompts_of_one_kind_keep_their_proportion() -> None:
    """Two prompts that write the same kind are asked for more of alike, and intervals narrow with more queries."""
    made: dict[str, list[Kind]] = {
        "a": ["question"] * 30,
        "b": ["question"] * 10,
        "c": ["claim"] * 40,
    }
    few = weights(["question"] * 18 + ["claim"] * 2, made, 0)
    many = weights(["question"] * 180 + ["claim"] * 20, made, 0)

    assert few[0].times == pytest.approx(few[1].times, abs=0.05)
    assert few[0].times == pytest.approx(1.8, abs=0.05)
    assert few[2].times == pytest.approx(0.2, abs=0.05)
    assert many[2].high - many[2].low < 0.6 * (few[2].high - few[2].low)


@given(st.integers(0, 40), st.integers(1, 40))
def test_an_interval_holds_its_share(count: int, more: int) -> None:
    """Wilson's interval lies in [0, 1], around the share, and is never empty."""
    low, high = wilson(count, count + more)

    assert 0 <= low <= count / (count + more) < high <= 1


def test_p_values_of_nothing_are_uniform() -> None:
    """Of 400 pairs without a difference, about 5 % have a p-value below .05, and none has 0."""
    random_numbers = np.random.default_rng(1)
    p_values = []
    for seed in range(400):
        values = random_numbers.normal(size=30)
        labels = deals(10, 20, 99, seed)
        p_values.append(row(labels, "x", "", "", "words", labels @ values, 1.0).p)

    assert 0.02 <= np.mean(np.asarray(p_values) < LEVEL) <= 0.08
    assert min(p_values) >= 0.01


def test_deals_keep_the_sizes_and_begin_with_what_was_seen() -> None:
    """Every deal has as many real labels as there are real queries."""
    labels = deals(3, 7, 20, 0)

    assert labels.sum(axis=1).tolist() == [3] * 21
    assert labels[0].tolist() == [True] * 3 + [False] * 7
    assert len({tuple(label) for label in labels.tolist()}) > 5


def test_coverage_by_hand() -> None:
    """A real query between the generated ones is covered, one far off is not, and copies cover each other."""
    angles = np.radians([1, 2, 90, 0, 1.5, 3, 4, 5])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    labels = np.asarray([[True] * 3 + [False] * 5])

    covered, _ = coverage(distances(rows), labels, 3, 0)
    assert covered[0] == pytest.approx(2 / 3)
    twice = np.concatenate([rows[3:], rows[3:]])
    same, near = coverage(distances(twice), np.arange(10)[None] < 5, 5, 0)
    assert same[0] == near[0] == 1


def test_the_furthest_real_queries_come_first() -> None:
    """The real query with the smallest cosine to any generated one stands first, beside its nearest."""
    cosines = np.asarray([[0.9, 0.1], [0.2, 0.3], [0.5, 0.4]], dtype=np.float32)

    found = least_covered(["a", "b", "c"], ["x", "y"], cosines)

    assert [(m.real, m.nearest) for m in found] == [("b", "y"), ("c", "x"), ("a", "x")]


def test_a_worn_phrase_is_named() -> None:
    """Words that every generated query begins with, and no real one has, are named as over-used; else no word is."""
    chance = random.Random(12)
    real, generated = written(50, chance), written(50, chance)
    worn = [f"delve into {text}" for text in generated]

    def named(texts: list[str]) -> set[str]:
        return {
            used.word
            for used in over_used(vocabulary([*real, *texts]), deals(50, 50, 199, 0))
            if used.z > 0
        }

    assert named(worn) == {"delve", "into"}
    assert named(generated) == set()
