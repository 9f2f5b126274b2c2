"""What the samplers promise of their batches: which queries come together, and which negatives come with them."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from examples import run_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_train_batches import PAIRS, conflicts, several

from synthneg.config.sampling import _TAUGHT, MixConfig, SamplingConfig
from synthneg.errors import SettingsError
from synthneg.records import Example, Judged, Origin, Passage
from synthneg.run import Run
from synthneg.scoring.bound import negative_bound
from synthneg.scoring.corpus import encode_corpus
from synthneg.settings import resolve
from synthneg.testing import HashingEncoder
from synthneg.train.data import Pair, training_pairs
from synthneg.train.losses import LOSSES
from synthneg.train.sampling.adore import Adore
from synthneg.train.sampling.base import Batches
from synthneg.train.sampling.candidates import NONE, Candidates
from synthneg.train.sampling.distinct import DistinctBatches
from synthneg.train.sampling.margins import Balanced, Progressive, by_hardness
from synthneg.train.sampling.mix import MixedBatches
from synthneg.train.sampling.negatives import Negatives, WithNegatives
from synthneg.train.sampling.ngame import GrowingClusters, balanced_clusters
from synthneg.train.sampling.star import Star
from synthneg.train.sampling.tas import TopicBatches, topics_of

DOUBLE_AT = (0.1, 0.2, 0.4)


def vectors_of(count: int, topics: int, seed: int = 0) -> np.ndarray:
    """Return unit rows around as many directions."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(topics, 16))
    rows = centres[np.arange(count) % topics] + 0.3 * chance.normal(size=(count, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def samplers(pairs: list[Pair], batch_size: int, seed: int, epochs: int) -> dict[str, Batches]:
    """Return each sampler of the pairs, that of NGAME with clusters of its own making."""
    vectors = vectors_of(len(pairs), 5, seed)
    topics = topics_of(vectors, pairs, 4, batch_size, seed)
    growing = GrowingClusters(pairs, batch_size, seed, 1, DOUBLE_AT, epochs)
    growing.epoch_begins(epochs - 1, lambda: vectors)
    labelled = range(0, len(pairs), 3)
    return {
        "distinct": DistinctBatches(pairs, batch_size, seed),
        "tas": TopicBatches(pairs, batch_size, seed, topics),
        "ngame": growing,
        "mix": MixedBatches(pairs, batch_size, seed, labelled, (0.1, 0.7), epochs),
    }


@given(pairs=PAIRS, batch_size=st.integers(2, 20), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_no_sampler_puts_an_answer_among_the_negatives(
    pairs: list[Pair], batch_size: int, seed: int
):
    """Whoever makes the batches, in none is a positive, or another answer, a document of another query of the batch."""
    if not pairs:
        return
    for name, sampler in samplers(pairs, batch_size, seed, 4).items():
        for epoch in range(3):
            made = sampler.plan(epoch)
            assert len(made) == len(sampler), name
            assert all(made), name
            assert not [c for batch in made for c in conflicts([pairs[r] for r in batch])], name
            assert sampler.plan(epoch) == made, name


@pytest.mark.parametrize("name", ["distinct", "tas", "ngame", "mix"])
def test_a_thousand_random_batches_of_each_sampler_hold_no_positive_twice(name: str):
    """Of 40 passages with 5 queries each, in 1,000 batches and more of each sampler, none has two of one passage."""
    pairs = several(passages=40, queries=5)
    sampler = samplers(pairs, 16, 1, 80)[name]
    seen = 0
    for epoch in range(80):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        seen += len(batches)
        assert len(batches) == len(sampler)
        for batch in batches:
            assert max(Counter(pairs[row].positive for row in batch).values()) == 1
        if name != "mix":
            assert sorted(row for batch in batches for row in batch) == list(range(200))
    assert seen >= 1000


def test_a_batch_of_tas_is_of_one_cluster_and_an_epoch_has_each_query_once():
    """Queries around five directions fall into five clusters, and no batch has queries of two."""
    pairs = several(passages=200, queries=1)
    vectors = vectors_of(200, 5)
    topics = topics_of(vectors, pairs, 5, 8, seed=3)
    # k-means need not find the five directions; what counts is that batches keep to what it found.
    assert 2 <= len(set(topics)) <= 5
    sampler = TopicBatches(pairs, 8, 3, topics)
    for epoch in range(3):
        made = sampler.plan(epoch)
        assert all(len({topics[row] for row in batch}) == 1 for batch in made)
        assert sorted(row for batch in made for row in batch) == list(range(200))
    assert sampler.plan(0) != sampler.plan(1)


def test_small_clusters_of_tas_join_the_nearest():
    """A cluster of fewer positives than half a batch gives its queries to others; where all are small, one remains."""
    pairs = several(passages=100, queries=1)
    sizes = Counter(topics_of(vectors_of(100, 5), pairs, 50, 8, seed=3).tolist())
    assert min(sizes.values()) >= 4
    assert len(Counter(topics_of(vectors_of(6, 3), pairs[:6], 3, 20, seed=3).tolist())) == 1
    # Many queries, but of one passage each: they cannot share a batch.
    same = [replace(pair, positive="tea") for pair in pairs]
    assert len(Counter(topics_of(vectors_of(100, 5), same, 5, 8, seed=3).tolist())) == 1


def test_clusters_of_ngame_double_as_set_and_are_made_anew_as_set():
    """Of 20 epochs they have 1, 2, 4 and 8 queries from epochs 0, 2, 4 and 8 on, and are made every third epoch."""
    pairs = several(passages=64, queries=1)
    sampler = GrowingClusters(pairs, 16, 1, 3, DOUBLE_AT, 20)
    asked = []
    vectors = vectors_of(64, 8)
    for epoch in range(20):
        sampler.epoch_begins(epoch, lambda epoch=epoch: (asked.append(epoch), vectors)[1])
        sampler.epoch_begins(epoch, lambda: pytest.fail("asked twice in one epoch"))
    assert [sampler.size_at(epoch) for epoch in (0, 1, 2, 3, 4, 7, 8, 19)] == [
        1,
        1,
        2,
        2,
        4,
        4,
        8,
        8,
    ]
    assert asked == [2, 5, 8, 11, 14, 17]
    assert sampler.refreshes == 6
    assert GrowingClusters(pairs, 4, 1, 1, DOUBLE_AT, 20).size_at(19) == 4  # no larger than a batch


def test_queries_of_one_cluster_of_ngame_stand_in_one_batch():
    """With clusters of 8 and batches of 16, each cluster lies in one batch or two, and near queries are together."""
    pairs = several(passages=128, queries=1)
    vectors = vectors_of(128, 16)
    sampler = GrowingClusters(pairs, 16, 1, 1, DOUBLE_AT, 10)

    def nearness() -> float:
        found = [vectors[batch] @ vectors[batch].T for batch in sampler.plan(9)]
        return float(np.mean([m[np.triu_indices(len(m), 1)].mean() for m in found]))

    at_random = nearness()
    sampler.epoch_begins(9, lambda: vectors)
    clusters = balanced_clusters(vectors, 8, 1)
    for batch in sampler.plan(9):
        assert len({clusters[row] for row in batch}) == 2
    assert nearness() > at_random + 0.2


def test_balanced_clusters_are_of_one_size():
    """Sizes differ by one at most, none is above the bound, and the same seed gives the same clusters."""
    for count, size in ((64, 8), (100, 8), (7, 2), (1, 4)):
        clusters = balanced_clusters(vectors_of(count, 5), size, 3)
        sizes = Counter(clusters.tolist()).values()
        assert max(sizes) <= size
        assert max(sizes) - min(sizes) <= 1
        assert (balanced_clusters(vectors_of(count, 5), size, 3) == clusters).all()


def test_the_share_of_labelled_rows_changes_evenly():
    """From none to three quarters over the training, each batch is within a row of its share, and rows take turns."""
    pairs = several(passages=120, queries=1)
    labelled = set(range(90, 120))
    sampler = MixedBatches(pairs, 12, 1, sorted(labelled), (0.0, 0.75), 5)
    assert len(sampler) == 10
    counts, seen = [], Counter()
    for epoch in range(5):
        for batch in sampler.plan(epoch):
            assert len(batch) == 12
            counts.append(sum(row in labelled for row in batch))
            seen.update(row for row in batch if row in labelled)
    wanted = [12 * 0.75 * batch / 49 for batch in range(50)]
    assert max(abs(count - due) for count, due in zip(counts, wanted, strict=True)) <= 1
    assert counts[0] == 0
    assert counts[-1] == 9
    assert max(seen.values()) - min(seen.values()) <= 1


WORDS = [f"word{i}" for i in range(40)]
ORIGIN = Origin("query/question@00000000", "none", {}, 7, "none")


def texts(count: int, length: int, seed: int) -> list[str]:
    """Return texts of words drawn from a few."""
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=length)) for _ in range(count)]


@pytest.fixture(scope="module")
def drawn_from(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Candidates]]:
    """Return a run of 60 queries in a corpus of 260 passages, some of them copies of answers, and its candidates."""
    folder = tmp_path_factory.mktemp("runs")
    passages = [Passage(f"p{i}", text) for i, text in enumerate(texts(200, 30, 1))]
    # Copies of positives: the same text, a word exchanged, and another piece of one document.
    passages += [Passage(f"same{i}", passages[i].text) for i in range(20)]
    passages += [Passage(f"near{i}", passages[i].text + " indeed") for i in range(20)]
    tail = " ".join(f"extra{j}" for j in range(20))
    passages += [Passage(f"long{i}", f"{passages[i].text} {tail}") for i in range(20)]
    examples = []
    for i in range(60):
        words = passages[i].text.split()
        own = Judged(f"p{i}", passages[i].text, "", 3, "corpus", {}, None)
        other = Judged(f"p{i + 100}", passages[i + 100].text, "", 3, "dense", {}, None)
        documents = (own, other) if i % 2 else (own,)
        query = " ".join(words[:8])
        examples.append(Example(f"q{i}", query, f"p{i}", "train", ORIGIN, documents))
    run = run_of(examples, folder)
    with run.stage("corpus", "passages.jsonl") as stage:
        for passage in passages:
            stage.take()
            stage.keep(passage)
    encoder = HashingEncoder()
    corpus = encode_corpus(run, encoder)
    candidates = Candidates(run, examples, training_pairs(examples, 0), encoder, corpus)
    yield run, candidates
    candidates.close()
    run.close()


def ways(candidates: Candidates, hard: int = 2) -> dict[str, Negatives]:
    """Return each way to draw negatives."""
    found = by_hardness(candidates, 30, 7)
    nearest = candidates.nearest(candidates.queries, candidates.vectors, 30)
    adore = Adore(candidates, candidates.vectors, 30, 5, hard, 1, 7)
    adore.begin(lambda: candidates.queries)
    return {
        "star": Star(candidates, nearest, hard, 1, 7),
        "adore": adore,
        "balanced": Balanced(candidates, found, 10, hard, 1, 7),
        "progressive": Progressive(candidates, found, 0.25, 40, hard, 1, 7),
    }


@pytest.mark.parametrize("name", ["star", "adore", "balanced", "progressive"])
def test_nothing_that_answers_is_drawn(name: str, drawn_from: tuple[Run, Candidates]):
    """No answer, no copy of one, no answer to another query of the batch, nothing too near: in 100 random batches."""
    _, candidates = drawn_from
    negatives = ways(candidates)[name]
    chance = random.Random(5)
    for batch in range(100):
        queries = chance.sample(range(60), 8)
        negatives.begin_epoch()
        for query, taken in zip(queries, negatives.draw(queries, batch), strict=True):
            rows = [one.row for one in taken]
            assert len(rows) == 3
            assert NONE not in rows
            assert len(set(rows)) == 3
            answers = {row for other in queries for row in candidates.answers[other]}
            assert not answers.intersection(rows)
            own = candidates.passage(query).text
            assert all(own not in candidates.text(row) for row in rows)
            positive = float(candidates.queries[query] @ candidates.positives[query])
            bound = negative_bound(round(positive, 6), 0.95, 0.05)
            cosines = candidates.cosines(query, np.array(rows))
            assert max(round(float(cosine), 6) for cosine in cosines) < bound


def test_the_answers_of_a_query_are_known_by_id_and_by_text(drawn_from: tuple[Run, Candidates]):
    """To an answer belong its own row, that of another document of grade 3, and the row with the same text."""
    _, candidates = drawn_from
    assert set(candidates.answers[1]) == {1, 101, 201}
    assert set(candidates.answers[40]) == {40}


def test_a_copy_by_its_words_is_told_though_its_vector_is_far(drawn_from: tuple[Run, Candidates]):
    """A positive with twenty words behind it is far enough by cosine, and yet never a negative."""
    _, candidates = drawn_from
    safe = [q for q in range(20) if len(candidates.safe(q, np.array([240 + q])))]
    far = [q for q in safe if float(candidates.vectors[240 + q] @ candidates.positives[q]) < 0.85]
    assert far
    assert not any(candidates.may(q, 240 + q) for q in far)


def test_margins_are_drawn_evenly_over_their_bins(drawn_from: tuple[Run, Candidates]):
    """Over an epoch of 60 queries with five negatives each, every bin has its share of 30 within 5 %."""
    _, candidates = drawn_from
    balanced = Balanced(candidates, by_hardness(candidates, 100, 7), 10, 5, 0, 7)
    balanced.begin_epoch()
    for batch in range(6):
        balanced.draw(range(batch * 10, batch * 10 + 10), batch)
    assert sum(balanced.counts) == 300
    assert max(abs(count - 30) for count in balanced.counts) <= 0.05 * 30


def test_negatives_become_harder_as_training_goes_on(drawn_from: tuple[Run, Candidates]):
    """The mean cosine of what is drawn rises from each quarter of the training to the next."""
    _, candidates = drawn_from
    progressive = ways(candidates)["progressive"]
    means = []
    for quarter in range(4):
        found = [
            float(candidates.cosines(query, np.array([one.row]))[0])
            for batch in range(10 * quarter, 10 * quarter + 10)
            for query, taken in enumerate(progressive.draw(range(60), batch))
            for one in taken
            if one.hard
        ]
        means.append(np.mean(found))
    assert means == sorted(means)
    assert means[3] > means[0] + 0.1


def test_adore_mines_as_often_as_set_and_for_later_batches(drawn_from: tuple[Run, Candidates]):
    """In 20 steps, every 5: three times more, and what the live model finds counts from the batch after the next."""
    _, candidates = drawn_from
    adore = Adore(candidates, candidates.vectors, 20, 5, 2, 0, 7)
    adore.begin(lambda: candidates.queries)
    before = adore.draw(range(60), 5)
    other = np.roll(
        candidates.queries, 7, axis=0
    )  # a model that has gone mad: all negatives change
    for step in range(1, 21):
        adore.step_ends(step, last=step == 20, encode=lambda: other)
        if step == 5:
            assert adore.draw(range(60), 5) == before
            assert adore.draw(range(60), 6) != before
    assert adore.refreshes == 3


def test_what_adore_and_ngame_remember_comes_back(drawn_from: tuple[Run, Candidates]):
    """What goes into a checkpoint is JSON, and another sampler that takes it up goes on with the same batches."""
    import json  # noqa: PLC0415 - of this test alone

    _, candidates = drawn_from
    first, second = (Adore(candidates, candidates.vectors, 20, 5, 2, 0, 7) for _ in range(2))
    first.begin(lambda: candidates.queries)
    first.step_ends(5, False, lambda: np.roll(candidates.queries, 7, axis=0))
    second.restore(json.loads(json.dumps(first.state())))
    second.begin(lambda: pytest.fail("mined though a checkpoint was there"))
    for batch in (5, 6):
        assert first.draw(range(60), batch) == second.draw(range(60), batch)
    pairs = several(passages=32, queries=1)
    one, two = (GrowingClusters(pairs, 8, 1, 1, DOUBLE_AT, 10) for _ in range(2))
    one.epoch_begins(5, lambda: vectors_of(32, 4))
    two.restore(json.loads(json.dumps(one.state())))
    two.epoch_begins(5, lambda: pytest.fail("made though a checkpoint was there"))
    assert one.plan(5) == two.plan(5)


def test_rows_get_what_was_drawn_for_their_batch(drawn_from: tuple[Run, Candidates]):
    """While the trainer has a batch's rows in hand, and only for these rows, the sampler tells what was drawn."""
    _, candidates = drawn_from
    pairs = several(passages=60, queries=1)
    star = ways(candidates)["star"]
    sampler = WithNegatives(DistinctBatches(pairs, 8, 1), star)
    length = len(sampler)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        for number, rows in enumerate(sampler):
            assert sampler.drawn_for(rows) == star.draw(rows, epoch * length + number)
            assert sampler.drawn_for(rows[:2]) == [[], []]


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({"loss": "kl", "infonce": {"weight": 0}, "sampling": {"batches": "tas"}}, "list alone"),
        ({"loss": "listnet", "infonce": {"weight": 0}, "sampling": {"batches": "ngame"}}, "alone"),
        ({"sampling": {"batches": "ngame"}, "epochs": 1}, "set it above 1"),
        ({"sampling": {"batches": "tas"}, "mix": {"collection": "beir"}}, "share of labelled"),
        ({"mix": {"collection": "beir", "split": "test"}}, "for measuring"),
        ({"sampling": {"random": 2}}, "beside 2 random ones"),
        (
            {"loss": "kl", "lists": {"teacher": "score:x"}, "sampling": {"negatives": "star"}},
            "name a model",
        ),
        ({"loss": "kl", "lists": {"teacher": "score:x"}, "mix": {"collection": "beir"}}, "name a"),
    ],
)
def test_sampling_that_a_loss_cannot_use_is_refused(train: dict[str, object], said: str):
    """Settings that would be without effect, or without labels, are refused in one line that says why."""
    with pytest.raises(SettingsError, match=said) as refused:
        resolve({"run": "a", "corpus": {"path": "b"}, "train": train}, "test")
    assert "\n" not in str(refused.value)


def test_the_settings_know_which_losses_have_a_teacher():
    """What refuses scores that are not there names the losses whose rows hold scores."""
    assert set(_TAUGHT) == {loss for loss, rows in LOSSES.items() if rows == "scores"}


def test_star_has_a_random_negative_by_default():
    """It is one of its two kinds; other ways to draw have none unless it is set."""
    assert SamplingConfig(negatives="star").randoms == 1
    assert SamplingConfig(negatives="adore").randoms == 0
    assert SamplingConfig(negatives="star", random=0).randoms == 0
    assert MixConfig(share=0.2).shares == (0.2, 0.2)
