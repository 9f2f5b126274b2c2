"""Neighbours as pure functions of vectors, and as files of a run."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from examples import settings
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from synthneg.config import DocumentChecks
from synthneg.mine import near
from synthneg.mine.near import hardest_safe, write_mined, write_related
from synthneg.records import Mined, Origin, Passage, Query, Related
from synthneg.run import Run
from synthneg.scoring.base import Encoder
from synthneg.scoring.bound import negative_bound
from synthneg.testing import HashingEncoder

COSINES = arrays.arrays(np.float32, st.integers(0, 40), elements=st.floats(-1, 1, width=16))
WORDS = (
    "mill river stone bread roof wheel flour grain water tower keeper storm light sea rock".split()
)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 12))
def test_the_window_holds_the_nearest_that_are_allowed(seed: int, size: int, count: int) -> None:
    """However deep they lie: of each row the nearest others that may be taken, as sorting all of them gives."""
    random = np.random.default_rng(seed)
    vectors = random.integers(-3, 4, (size, 3)).astype(np.float32)  # exact products, many ties
    allowed = random.random((size, size)) < random.choice([0.05, 0.5, 1.0])
    rows = random.integers(0, size, 5).tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near, "_FIRST_DEPTH", 2)
        found = near.nearest(vectors, rows, lambda row, others, _: allowed[row, others], count)
    for row, (places, cosines) in zip(rows, found, strict=True):
        scores = vectors @ vectors[row]
        order = [i for i in np.argsort(-scores, kind="stable").tolist() if allowed[row, i]]
        assert places.tolist() == order[:count]
        assert cosines.tolist() == scores[order[:count]].tolist()


@given(COSINES, st.floats(-1, 1), st.data())
def test_the_hardest_safe_candidate_is_taken(
    cosines: np.ndarray, positive: float, data: st.DataObject
) -> None:
    """What is taken is below the bound and no near copy, and no candidate before it is; else there is none at all."""
    checks = DocumentChecks()
    cosines = np.sort(cosines)[::-1]
    same = arrays.arrays(np.float32, len(cosines), elements=st.floats(-1, 1, width=16))
    to_positives = data.draw(same)
    bound = negative_bound(positive, checks.max_negative_share, checks.min_negative_margin)
    most = checks.max_similarity_to_positive
    safe = [i for i, c in enumerate(cosines) if c < bound and to_positives[i] < most]
    assert hardest_safe(cosines, to_positives, positive, checks) == (safe[0] if safe else None)


def corpus(count: int = 60) -> list[Passage]:
    """Return passages of a few words, a fifth of them held out, the first ten pieces of one document."""
    random = np.random.default_rng(4)
    return [
        Passage(
            f"guide.md#{n}" if n < 10 else f"p{n}",
            " ".join(random.choice(WORDS, 7)),
            "",
            "held_out" if n % 5 == 0 else "train",
        )
        for n in range(count)
    ]


def opened(folder: Path, passages: list[Passage], **sections: object) -> Run:
    """Return a run whose corpus has been read."""
    run = Run(folder, settings(**sections))
    with run.stage("corpus", "passages.jsonl") as stage:
        for passage in passages:
            stage.take()
            stage.keep(passage)
    return run


def never() -> Encoder:
    """Stand for an encoder that must not be needed."""
    raise AssertionError("the encoder was loaded")


def related_of(folder: Path, seed: int = 7, load: Callable[[], Encoder] = HashingEncoder) -> dict:
    """Return the related passages of a run over `corpus`, by passage."""
    with closing(opened(folder, corpus(), seed=seed)) as run:
        write_related(run, load, "hashing")
        return {row.passage_id: row for row in run.read("related.jsonl", Related)}


def test_related_passages_keep_all_their_bounds(tmp_path: Path) -> None:
    """Each is another passage of another document and the same split, no near copy, and among its 10 nearest such."""
    passages = corpus()
    found = related_of(tmp_path)
    vectors = HashingEncoder().encode([p.text for p in passages], "document")
    place = {p.id: n for n, p in enumerate(passages)}
    assert list(found) == [p.id for p in passages]
    for row in found.values():
        own, other = place[row.passage_id], place[row.related_id]
        cosines = vectors @ vectors[own]
        assert own != other
        assert not (own < 10 and other < 10)
        assert passages[own].split == passages[other].split
        assert row.cosine < 0.95
        nearer = [
            n
            for n, passage in enumerate(passages)
            if cosines[n] > cosines[other] + 1e-6
            and cosines[n] < 0.95
            and passage.split == passages[own].split
            and n != own
            and not (own < 10 and n < 10)
        ]
        assert len(nearer) < 10


def test_the_seed_draws_the_related_passage(tmp_path: Path) -> None:
    """The same seed draws the same, without the encoder where the file stands; another seed draws others."""
    once = related_of(tmp_path / "a")
    assert related_of(tmp_path / "a", load=never) == once
    assert related_of(tmp_path / "b") == once
    other = related_of(tmp_path / "c", seed=8)
    assert sum(other[id].related_id != once[id].related_id for id in once) > 20


def test_copies_and_loners_get_no_row(tmp_path: Path) -> None:
    """A passage whose only neighbours are copies of it or held out has no related passage."""
    passages = [
        Passage("a", "the mill by the river"),
        Passage("b", "the mill by the river", "The"),
        Passage("c", "a tower in the storm", split="held_out"),
    ]
    with closing(opened(tmp_path, passages)) as run:
        write_related(run, HashingEncoder, "hashing")
        assert list(run.read("related.jsonl", Related)) == []


def test_mined_passages_are_near_and_safe(tmp_path: Path) -> None:
    """No positive, nor a copy of one, is mined; the nearest below the bound is; a file that stands stays."""
    passages = [
        Passage("own", "the mill turns by the river at night"),
        Passage("copy", "the mill turns by the river at night", "At"),
        Passage("also", "a mill by the river turns flour"),
        Passage("near", "the river floods a tower in winter"),
        Passage("far", "bread is baked of grain in the morning"),
    ]
    origin = Origin("query/question@1b9d6bcd", "m", {}, 7, "key")
    queries = [
        Query("q1", "the mill turns by the river", "own", "train", origin, ("also",)),
        Query("q2", "storm and sea", "far", "train", origin),
    ]
    with closing(opened(tmp_path, passages)) as run:
        with run.stage("verify.queries", "verified_queries.jsonl") as stage:
            for query in queries:
                stage.take()
                stage.keep(query)
        write_mined(run, lambda: HashingEncoder(4096), "hashing")
        rows = list(run.read("mined.jsonl", Mined))
        write_mined(run, never, "hashing")
        vectors = HashingEncoder(4096).encode([p.text for p in passages], "document")
    query = HashingEncoder(4096).encode([queries[0].text], "query")[0]
    assert [(row.query_id, row.passage_id) for row in rows][:1] == [("q1", "near")]
    assert rows[0].cosine == np.float32(vectors[3] @ query).round(6)
    assert rows[0].rank == 1 + int((vectors @ query > vectors[3] @ query).sum())
