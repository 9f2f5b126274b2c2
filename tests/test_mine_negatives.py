"""The stage mine: what may be a negative, what may never be one, and books that balance."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from mining import (
    ORIGIN,
    books_of,
    faults,
    mine,
    mined,
    opened,
    query,
    rejects_of,
    scores_of,
)

from synthneg.errors import RunError, SettingsError
from synthneg.mine.negatives import write_mined_negatives
from synthneg.records import Made, Passage, Query
from synthneg.scoring.base import Role
from synthneg.scoring.corpus import encode_corpus
from synthneg.scoring.known import known_of
from synthneg.scoring.lazy import LazyEncoder
from synthneg.testing import HashingEncoder, OverlapReranker

WORDS = "mill river stone bread roof wheel flour grain water tower keeper storm light".split()
ALL = {"bm25": 3, "dense": 3, "reranked": 3, "random": 3}


@st.composite
def corpora(draw: st.DrawFn) -> list[Passage]:
    """Draw passages of few words, among them pieces of documents, loud copies, retitled ones, and near copies."""
    passages: list[Passage] = []
    for number in range(draw(st.integers(3, 18))):
        kind = draw(st.sampled_from(["new", "new", "loud", "retitled", "near"]))
        text = " ".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=30)))
        title = draw(st.sampled_from(["", "Mills", "A river and its stones"]))
        if passages and kind != "new":
            other = draw(st.sampled_from(passages))
            changed = {"loud": other.text.upper().replace(" ", ", "), "retitled": other.text}
            text = changed.get(kind, f"{other.text} {draw(st.sampled_from(WORDS))}")
            title = other.title if kind == "loud" else title
        document = draw(st.sampled_from([f"p{number}", f"p{number}", f"guide#{number}"]))
        passages.append(Passage(document, text, title))
    return passages


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Passage], list[Query], list[Query]]:
    """Draw passages, verified queries and dropped ones; some need two passages, some say the same."""
    passages = draw(corpora())
    ids = st.sampled_from([passage.id for passage in passages])
    texts = st.sampled_from(["the mill by the river", "The mill, by the river?", "bread", "storm"])
    made = []
    for number in range(draw(st.integers(1, 5))):
        also = draw(st.lists(ids, max_size=1))
        made.append(query(f"q{number}", draw(texts), draw(ids), *also))
    split = draw(st.integers(1, len(made)))
    return passages, made[:split], made[split:]


@effort(max_examples=60)
@given(
    worlds(),
    st.fixed_dictionaries({source: st.integers(0, 4) for source in ALL}),
    st.sampled_from(["top", "random"]),
    st.sampled_from([(0.95, 0.05), None, (0.5, 0.0)]),
    st.integers(1, 3),
)
def test_what_answers_is_never_picked(
    world: tuple[list[Passage], list[Query], list[Query]],
    counts: dict[str, int],
    draw: str,
    rules: tuple[float, float] | None,
    first_rank: int,
) -> None:
    """Whatever is wanted: no positive, no copy or piece of one, nothing twice, nothing too near; the books balance."""
    passages, verified, dropped = world
    section = {**counts, "draw": draw, "first_rank": first_rank, "positive_aware": bool(rules)}
    if rules:
        section |= dict(zip(("max_negative_share", "min_negative_margin"), rules, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        with closing(opened(Path(folder), passages, verified, dropped, mine=section)) as run:
            found = mine(run)
            books, rejects = books_of(run), rejects_of(run)
    wrong = [
        fault
        for one in verified
        for fault in faults(one, [*verified, *dropped], found.get(one.id, []), passages, rules)
    ]
    assert wrong == []
    for one in verified:
        for source, count in counts.items():
            assert sum(d.source == source for d in found.get(one.id, [])) <= count
    assert books["in"] == len(verified) * sum(counts.values())
    assert books["kept"] == sum(map(len, found.values()))
    assert sum(books["rejected"].values()) == len(rejects) == books["in"] - books["kept"]
    assert len({row.id for row in rejects}) == len(rejects)


PASSAGES = [
    Passage("own", "the mill turns by the river at night when the keeper sleeps"),
    Passage("loud", "THE MILL: turns by the river, at night. When the keeper sleeps!", "Mill"),
    Passage("guide#1", "a mill by the river grinds flour"),
    Passage("guide#2", "the mill by the river is the oldest of the valley"),
    Passage("near", "the river floods a tower in winter"),
    Passage("mid", "the storm broke a roof by the sea"),
    Passage("far", "bread is baked of grain in the morning"),
]
QUERIES = [
    query("q1", "the mill turns by the river", "own"),
    query("q2", "what grinds by the river", "guide#1"),
]


@pytest.mark.parametrize("source", ["bm25", "dense", "reranked", "random"])
def test_each_source_alone(tmp_path: Path, source: str) -> None:
    """Every source gives what it is asked for, under its name and its grade, in the order of its scores."""
    section = {
        **dict.fromkeys(ALL, 0),
        source: 2,
        "max_negative_share": 2,
        "min_negative_margin": 0,
    }
    with closing(opened(tmp_path, PASSAGES, QUERIES, mine=section)) as run:
        found = mine(run)
        scores = scores_of(run)
    for one in QUERIES:
        assert [d.source for d in found[one.id]] == [source] * 2
        assert {d.grade for d in found[one.id]} == {0 if source == "random" else 1}
        if source == "random":
            assert not scores
        else:
            values = [scores[one.id, d.id, source] for d in found[one.id]]
            ranks = [scores[one.id, d.id, f"{source}_rank"] for d in found[one.id]]
            assert values == sorted(values, reverse=True)
            assert ranks == sorted(ranks)


def test_above_a_size_the_nearest_clusters_are_looked_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A corpus of more passages than the setting says is searched by clusters, one of as many is not."""
    section = {**dict.fromkeys(ALL, 0), "dense": 2, "max_negative_share": 2}
    found = {}
    for above in (len(PASSAGES) - 1, len(PASSAGES)):
        own = section | {"approximate_above": above}
        with closing(opened(tmp_path / str(above), PASSAGES, QUERIES, mine=own)) as run:
            found[above] = {id: len(documents) for id, documents in mine(run).items()}
        assert ("clusters are looked through" in capsys.readouterr().err) == (above < len(PASSAGES))
    assert found[len(PASSAGES)] == dict.fromkeys((q.id for q in QUERIES), 2)
    assert found[len(PASSAGES) - 1].keys() == found[len(PASSAGES)].keys()


def test_ranks_do_not_count_the_positives(tmp_path: Path) -> None:
    """The nearest passage that is not known to answer has rank 1, wherever the positives stand."""
    section = {
        **dict.fromkeys(ALL, 0),
        "dense": 3,
        "max_negative_share": 2,
        "min_negative_margin": 0,
    }
    with closing(opened(tmp_path, PASSAGES, QUERIES, mine=section)) as run:
        found = mine(run, HashingEncoder(4096))["q2"]
        scores = scores_of(run)
    vectors = HashingEncoder(4096).encode([p.full_text for p in PASSAGES], "document")
    asked = HashingEncoder(4096).encode([QUERIES[1].text], "query")[0]
    others = [p.id for p in PASSAGES if not p.id.startswith("guide")]
    cosines = {p.id: float(v @ asked) for p, v in zip(PASSAGES, vectors, strict=True)}
    ranking = sorted(others, key=lambda id: -cosines[id])
    assert {d.id: scores["q2", d.id, "dense_rank"] for d in found} == {
        d.id: ranking.index(d.id) + 1 for d in found
    }
    # Two passages that are copies of each other are picked once.
    assert len({"own", "loud"} & {d.id for d in found}) == 1


def test_a_window_bounds_the_ranks(tmp_path: Path) -> None:
    """With first_rank and last_rank no other rank is taken, drawn at random or from the top."""
    passages = [
        Passage(f"p{n}", " ".join(np.random.default_rng(n).permutation(WORDS)[:8].tolist()))
        for n in range(60)
    ]
    asked = [query(f"q{n}", passages[n].text.rpartition(" ")[0], f"p{n}") for n in range(20)]
    for draw in ("top", "random"):
        section = {"bm25": 2, "dense": 2, "reranked": 2, "draw": draw}
        section |= {"first_rank": 5, "last_rank": 15}
        any_ = {"documents": {"max_similarity_to_positive": 1.0}}
        with closing(opened(tmp_path / draw, passages, asked, mine=section, verify=any_)) as run:
            found = mine(run)
            ranks = [v for (_, _, s), v in scores_of(run).items() if s.endswith("_rank")]
        assert ranks
        assert len(ranks) == sum(map(len, found.values()))
        assert 5 <= min(ranks)
        assert max(ranks) <= 15
        tops = sum(rank < 9 for rank in ranks) / len(ranks)
        assert tops > 0.8 if draw == "top" else tops < 0.8


def test_the_seed_draws_and_the_order_does_not(tmp_path: Path) -> None:
    """What a query gets depends on the seed and on itself: another order or company gives the same, a seed another."""
    chance = np.random.default_rng(3)
    passages = [Passage(f"p{n}", " ".join(chance.choice(WORDS, 9))) for n in range(1200)]
    asked = [query(f"q{n}", passages[n].text.rpartition(" ")[0], f"p{n}") for n in range(12)]
    section = {"random": 2, "dense": 2, "bm25": 2, "draw": "random"}

    def of(name: str, asked: list[Query], seed: int = 7, **changes: int) -> dict[str, set[str]]:
        run = opened(tmp_path / name, passages, asked, mine=section | changes, seed=seed)
        with closing(run):
            found = mine(run, Untied())
        return {id: {f"{d.source} {d.id}" for d in documents} for id, documents in found.items()}

    once = of("a", asked)
    assert of("b", asked[::-1]) == once
    assert of("c", asked[3:4]) == {"q3": once["q3"]}
    other = of("d", asked, seed=8)
    assert all(len(other[id] & once[id]) < 4 for id in once)
    more = of("e", asked, random=3)
    assert all(once[id] < more[id] for id in once)


class Untied:
    """A hashing encoder of whose cosines no two are equal, so that rounding decides nothing."""

    name = "untied"

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Return the unit rows, each a little aside by its text alone."""
        rows = HashingEncoder().encode(texts, role)
        aside = [np.random.default_rng(list(text.encode())).normal(size=256) for text in texts]
        rows += np.array(aside, np.float32) / 1000
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_sources_take_turns(tmp_path: Path) -> None:
    """Where BM25 and the encoder want the same passages, each gets some of the best, and none comes twice."""
    passages = [Passage("own", "mill river")]
    passages += [Passage(f"p{n}", f"mill river {word} {n}") for n, word in enumerate(WORDS[2:])]
    rules = {"positive_aware": False}
    found = mined(
        tmp_path,
        passages,
        [query("q", "mill river", "own")],
        mine={"bm25": 2, "dense": 2, **rules},
    )["q"]
    assert [d.source for d in found] == ["bm25", "dense", "bm25", "dense"]
    assert len({d.id for d in found}) == 4


def test_books_say_why_there_are_fewer(tmp_path: Path) -> None:
    """What the rules refuse is too_near, what was never found no_candidate, each wanted negative with its own line."""
    asked = [query("q1", "mill", "own"), query("q2", "zebra quagga", "far")]
    section = {"bm25": 2, "dense": 0, "max_negative_share": 0.01}
    with closing(opened(tmp_path, PASSAGES, asked, mine=section)) as run:
        assert mine(run) == {}
        assert books_of(run) == {
            "in": 4,
            "kept": 0,
            "rejected": {"no_candidate": 2, "too_near": 2},
            "failed": {},
        }
        rows = {row.id: row for row in rejects_of(run)}
    assert list(rows) == ["q1:bm25:1", "q1:bm25:2", "q2:bm25:1", "q2:bm25:2"]
    assert rows["q1:bm25:1"].reason == "too_near"
    assert "3 too near" in rows["q1:bm25:1"].detail
    assert rows["q2:bm25:1"].detail.startswith("0 of 0 passages")


def test_nothing_is_loaded_for_nothing(tmp_path: Path) -> None:
    """Without a negative wanted neither model is loaded; the books say that nothing came in."""
    never = LazyEncoder("never", lambda: pytest.fail("a model was loaded"))
    with closing(opened(tmp_path, PASSAGES, QUERIES, mine={"bm25": 0, "dense": 0})) as run:
        write_mined_negatives(run, never, None)
        assert books_of(run)["in"] == 0
    with closing(opened(tmp_path / "b", PASSAGES, QUERIES, mine={"bm25": 1, "dense": 1})) as run:
        write_mined_negatives(run, HashingEncoder(), None)
    with closing(opened(tmp_path / "c", PASSAGES, QUERIES, mine={"reranked": 1})) as run:
        with pytest.raises(SettingsError, match=r"verify\.reranker names none"):
            write_mined_negatives(run, HashingEncoder(), None)


def test_a_written_passage_keeps_its_origin(tmp_path: Path) -> None:
    """Where the model wrote the passages, a mined one says of which prompt and reply it is."""
    made = [Made(asked, ORIGIN) for asked in QUERIES]
    passages = [replace(PASSAGES[0], made=made[0]), replace(PASSAGES[2], made=made[1])]
    found = mined(
        tmp_path, passages, QUERIES, mine={"bm25": 0, "dense": 1, "positive_aware": False}
    )
    assert [d.origin for documents in found.values() for d in documents] == [ORIGIN] * 2


def test_queries_of_another_corpus_are_refused(tmp_path: Path) -> None:
    """A query whose passage is gone from the corpus is a sentence, not a negative of something else."""
    with closing(opened(tmp_path, PASSAGES, [query("q", "mill", "gone")])) as run:
        with pytest.raises(RunError, match="gone, which the corpus does not hold any more"):
            write_mined_negatives(run, HashingEncoder(), OverlapReranker())


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"first_rank": 98}, "at least 4 ranks from first_rank to last_rank, got 98 to 100"),
        ({"first_rank": 50, "reranked": 4, "rerank_depth": 20}, "gives at most 40 candidates"),
        ({"bm25": -1}, "greater than or equal to 0"),
        ({"random_": 1}, "random"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(
    tmp_path: Path, section: dict[str, int], words: str
) -> None:
    """A window too narrow for what is wanted, a depth that no reranker reaches, wrong keys: one line."""
    with pytest.raises(SettingsError, match=words):
        opened(tmp_path, PASSAGES, QUERIES, mine=section)


def test_who_is_asked_in_the_same_words_is_known_to_answer(tmp_path: Path) -> None:
    """A passage from which a query of the same words was written, though it was dropped, is a positive; no other is."""
    passages = [Passage(f"p{n}", f"{WORDS[n]} of the {WORDS[n + 1]}") for n in range(6)]
    kept = [query("q0", "What is a mill?", "p0"), query("q1", "Which river?", "p1")]
    dropped = [query("q2", "what is a MILL", "p3"), query("q3", "which stone", "p4")]
    with closing(opened(tmp_path, passages, kept, dropped)) as run:
        known = known_of(run, encode_corpus(run, HashingEncoder()))
    assert [known.rows(one) for one in (*kept, *dropped)] == [[0, 3], [1], [3, 0], [4]]
