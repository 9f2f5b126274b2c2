"""Picks as pure functions: bounds by hand, copies as verification tells them, and the picks of a well-known library."""

from collections.abc import Sequence

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from mining import query
from sentence_transformers.util import mine_hard_negatives

from synthneg.config import DocumentChecks, MineConfig
from synthneg.mine.pick import Rules, pick
from synthneg.mine.rank import Asked, Found, dense, ranked, reranked
from synthneg.records import Passage, Query
from synthneg.scoring.copies import Copies, may_share, print_of, share, sketch_of
from synthneg.scoring.corpus import CorpusVectors
from synthneg.scoring.ids import Ids
from synthneg.scoring.known import Known
from synthneg.testing import OverlapReranker
from synthneg.verify.duplicate import jaccard, shingles
from synthneg.words import normalized, words

TEXTS = st.lists(st.sampled_from("mill river Stone bread, ROOF".split()), max_size=25).map(" ".join)


@given(TEXTS, TEXTS, TEXTS, st.sampled_from([0.2, 0.5, 0.55, 0.8, 1.0]))
def test_copies_are_those_of_verification(a: str, b: str, title: str, least: float) -> None:
    """Two passages share enough by their prints if and only if the word 5-grams of title and text say so."""
    one, other = Passage("a", a, title), Passage("b", b)
    grams = [shingles(words(p.full_text)) for p in (one, other)]
    prints = [print_of(one), print_of(other)]
    shared = jaccard(*grams)
    assert share(prints[0].shingles, prints[1].shingles, least) == (0 < shared >= least)
    assert may_share(*map(sketch_of, prints), least) or not 0 < shared >= least
    assert (prints[0].text == prints[1].text) == (normalized(a) == normalized(b))


def test_one_word_in_a_long_text_is_still_a_copy() -> None:
    """A copy with a word changed is one, a text with every fifth word changed is none; a cosine alone suffices."""
    said = [f"word{n}" for n in range(100)]
    changed = [*said[:50], "other", *said[51:]]
    fifth = [f"other{n}" if n % 5 == 0 else word for n, word in enumerate(said)]
    passages = [Passage(str(n), " ".join(text)) for n, text in enumerate((said, changed, fifth))]
    apart = Copies(np.eye(3, dtype=np.float32), passages.__getitem__, 0.95, 0.8)
    assert apart.of_any(1, [0])
    assert not apart.of_any(2, [0, 1])
    assert not apart.of_any(2, [])
    near = np.array([[1, 0], [0, 1], [0.96, 0.28]], np.float32)
    assert Copies(near, passages.__getitem__, 0.95, 0.8).of_any(2, [1, 0])
    assert not Copies(near, passages.__getitem__, 0.97, 0.8).of_any(2, [1, 0])


@pytest.mark.parametrize("length", [20, 300, 5000])
def test_sketches_pass_every_copy_and_few_others(length: int) -> None:
    """A half that two texts share is never missed, also where texts fill their sketches; unrelated short ones stop."""
    of = [f"word{n}" for n in range(3 * length)]
    half, whole, other = of[: length // 2 + 4], of[:length], of[2 * length :]
    sketches = [sketch_of(print_of(Passage("p", " ".join(said)))) for said in (half, whole, other)]
    assert may_share(sketches[0], sketches[1], 0.5)
    assert not may_share(sketches[0], sketches[1], 0.75) or length == 5000
    assert not may_share(sketches[1], sketches[2], 0.5) or length == 5000


def passage(row: int) -> Passage:
    """Return a passage that shares no word with any other."""
    return Passage(f"p{row}", f"a{row} b{row} c{row} d{row} e{row}")


def on_a_circle(*cosines: float) -> np.ndarray:
    """Return unit rows with these cosines to (1, 0), on either side of it in turn."""
    return np.array(
        [[c, (-1) ** i * (1 - c * c) ** 0.5] for i, c in enumerate(cosines)], np.float32
    )


def picked(
    cosines: Sequence[float], *, wanted: int = 9, own: int = 1, **rules: object
) -> list[int]:
    """Return the rows that are picked by cosine; the first `own` rows are the positives."""
    vectors = on_a_circle(*cosines)
    also = tuple(f"p{row}" for row in range(1, own))
    asked = Asked(query("q", "q", "p0", *also), np.array([1, 0], np.float32), list(range(own)))
    known = Known(CorpusVectors(Ids(f"p{i}" for i in range(len(cosines))), vectors), {})
    found = {"dense": ranked(dense(vectors), [asked], known, 100)[0]}
    config = MineConfig(bm25=0, dense=0, **rules)  # type: ignore[arg-type]
    copies = Copies(vectors, passage, 2, 0.8)
    limits = Rules.of(config, DocumentChecks())
    picks = pick(found, {"dense": wanted}, asked, vectors, limits, copies, 7).picks
    return [one.row for one in picks]


@pytest.mark.parametrize(
    ("cosines", "rules", "expected"),
    [
        # .95 of .8 is .76, .8 - .05 is .75: both rules are demanded.
        ((0.8, 0.755, 0.745, 0.9, 0.1), {}, [2, 4]),
        # .95 of .4 is .38, .4 - .05 is .35.
        ((0.4, 0.36, 0.34), {}, [2]),
        # Without the margin the share decides alone.
        ((0.4, 0.39, 0.37), {"min_negative_margin": 0.0}, [2]),
        # A share of a cosine below 0 would lie above it: the margin decides alone.
        ((-0.2, -0.19, -0.21, -0.24, -0.26), {}, [4]),
        ((-0.2, -0.21, -0.19), {"max_negative_share": 0.5, "min_negative_margin": 0.0}, [1]),
        ((0.8, 0.5, 0.3, 0.2), {"max_cosine": 0.4}, [2, 3]),
        ((0.8, 0.5, 0.3, -0.2), {"max_cosine": -0.1}, [3]),
        # No rule at all.
        ((0.3, 0.9, 0.4, 0.2), {"positive_aware": False}, [1, 2, 3]),
        # The positive does not count, the candidate that the rules refuse does.
        ((0.8, 0.79, 0.6, 0.5, 0.4, 0.3), {"first_rank": 2, "last_rank": 4}, [2, 3, 4]),
    ],
)
def test_bounds_by_hand(
    cosines: tuple[float, ...], rules: dict[str, float], expected: list[int]
) -> None:
    """Positive in front: which cosines pass TopK-PercPos, TopK-MarginPos, the cap and the window, on paper."""
    assert picked(cosines, **rules) == expected


def test_of_several_positives_the_farthest_bounds() -> None:
    """A query over two passages has negatives below the one that is farther from it."""
    assert picked((0.9, 0.5, 0.7, 0.44), own=2) == [3]


def test_a_document_of_many_pieces_hides_nothing() -> None:
    """Where more pieces of the positive's document lead the ranking than are looked at, others are still found."""
    vectors = on_a_circle(*np.linspace(0.99, 0.1, 80))
    rows = {f"long.md#{i}" if i < 70 else f"p{i}": i for i in range(80)}
    known = Known(CorpusVectors(Ids(rows), vectors), {})
    asked = Asked(query("q", "q", "long.md#0"), np.array([1, 0], np.float32), [0])
    other = Asked(query("r", "r", "p75"), np.array([1, 0], np.float32), [75])
    found = ranked(dense(vectors), [other, asked], known, 5)
    assert found[1].rows.tolist() == [70, 71, 72, 73, 74]
    assert found[0].rows.tolist() == [0, 1, 2, 3, 4]


class Scaled:
    """A reranker whose scores are those of another on another scale."""

    name = "scaled"

    def __init__(self, factor: float, shift: float) -> None:
        self._factor, self._shift = factor, shift

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Return the scores."""
        return OverlapReranker().score(pairs) * np.float32(self._factor) + np.float32(self._shift)


TEXT = ["one two three four", "one two three", "one two", "one", "five", "one two three four five"]


def read(reranker: object, margin: float = 0.5) -> Found:
    """Return what a reranker makes of five candidates for "one two three four", whose positive is the first text."""
    asked = Asked(query("q", "one two three four", "p0"), np.zeros(2, np.float32), [0])
    candidates = [np.arange(1, 6)]
    return next(reranked([asked], candidates, reranker, TEXT.__getitem__, margin))  # type: ignore[arg-type]


def test_a_rerankers_margin_by_hand() -> None:
    """The bound lies half a standard deviation of the candidates' scores below the positive's score."""
    found = read(OverlapReranker())
    assert found.rows.tolist() == [5, 1, 2, 3, 4]
    assert found.scores.tolist() == [4, 2, 0, -2, -4]
    assert found.below == pytest.approx(4 - 0.5 * 8**0.5)


@given(st.floats(0.01, 100), st.floats(-50, 50), st.floats(0, 2))
def test_a_rerankers_scale_decides_nothing(factor: float, shift: float, margin: float) -> None:
    """Under any scale and shift of the scores, below 0 or above, the same candidates stay below the bound."""
    plain, other = read(OverlapReranker(), margin), read(Scaled(factor, shift), margin)
    assert plain.rows.tolist() == other.rows.tolist()
    gaps = plain.scores - plain.below
    clear = abs(gaps) > 1e-2
    assert ((gaps < 0) == (other.scores < other.below))[clear].all()


class Vectors:
    """What the library asks of a model, with vectors that are there already."""

    def __init__(self, queries: np.ndarray, documents: np.ndarray) -> None:
        import torch  # noqa: PLC0415  # only where the library is asked

        self.device = torch.device("cpu")
        self._queries, self._documents = queries, documents

    def encode_query(self, texts: list[str], **_: object) -> np.ndarray:
        """Return the vectors of `q0`, `q1` and so on."""
        return self._queries[[int(text[1:]) for text in texts]]

    def encode_document(self, texts: list[str], **_: object) -> np.ndarray:
        """Return the vectors of `p0`, `p1` and so on."""
        return self._documents[[int(text[1:]) for text in texts]]

    def similarity(self, a: np.ndarray, b: np.ndarray) -> object:
        """Return all dot products."""
        import torch  # noqa: PLC0415  # as above

        return torch.as_tensor(a) @ torch.as_tensor(b).T

    def similarity_pairwise(self, a: np.ndarray, b: np.ndarray) -> object:
        """Return the dot product of each row with its own."""
        import torch  # noqa: PLC0415  # as above

        return (torch.as_tensor(a) * torch.as_tensor(b)).sum(1)


def world(noise: float) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """Return vectors of 300 queries and 700 documents, and the positives of each query: one, of some two."""
    chance = np.random.default_rng(5)
    documents = chance.normal(size=(700, 24)).astype(np.float32)
    positives = [[n, n + 300] if n % 10 == 0 else [n] for n in range(300)]
    queries = documents[:300] + noise * chance.normal(size=(300, 24)).astype(np.float32)
    for one in (documents, queries):
        one /= np.linalg.norm(one, axis=1, keepdims=True)
    return queries, documents, positives


@pytest.mark.slow
@pytest.mark.parametrize(
    ("noise", "theirs", "ours"),
    [
        (1.0, {"relative_margin": 0.05}, {"max_negative_share": 0.95, "min_negative_margin": 0}),
        (1.0, {"absolute_margin": 0.05}, {"max_negative_share": 2, "min_negative_margin": 0.05}),
        (
            1.0,
            {"relative_margin": 0.05, "absolute_margin": 0.05, "max_score": 0.35},
            {"max_cosine": 0.35},
        ),
        # A positive that the query does not find: the window counts without it on both sides.
        (
            1.5,
            {"range_min": 10, "range_max": 40},
            {"positive_aware": False, "first_rank": 11, "last_rank": 40},
        ),
    ],
)
def test_the_librarys_picks(noise: float, theirs: dict, ours: dict) -> None:
    """Where the rules are the same, the picks are those of sentence-transformers, in their order, query for query."""
    queries, documents, positives = world(noise)
    pairs = [(f"q{n}", f"p{p}") for n, of_query in enumerate(positives) for p in of_query]
    data = Dataset.from_dict({"query": [q for q, _ in pairs], "positive": [p for _, p in pairs]})
    rows = mine_hard_negatives(
        data,
        Vectors(queries, documents),
        corpus=[f"p{n}" for n in range(700)],
        num_negatives=4,
        output_format="labeled-list",
        verbose=False,
        **{"range_max": 100} | theirs,
    )
    columns = rows.column_names
    library = {row[columns[0]]: row[columns[1]][1:] for row in rows}

    rules = Rules.of(MineConfig(**ours), DocumentChecks())
    known = Known(CorpusVectors(Ids(f"p{n}" for n in range(700)), documents), {})
    copies = Copies(documents, passage, 2, 0.8)
    asked = [
        Asked(_query(n, of_query), queries[n], of_query) for n, of_query in enumerate(positives)
    ]
    found = ranked(dense(documents), asked, known, rules.last_rank)
    mined = {}
    for one, of_query in zip(asked, found, strict=True):
        picks = pick({"dense": of_query}, {"dense": 4}, one, documents, rules, copies, 7).picks
        mined[one.query.id] = [f"p{p.row}" for p in picks]

    filled = {id: rows for id, rows in mined.items() if len(rows) == 4}
    assert len(filled) > 100
    assert library == filled


def _query(number: int, positives: list[int]) -> Query:
    first, *others = (f"p{p}" for p in positives)
    return query(f"q{number}", f"q{number}", first, *others)
