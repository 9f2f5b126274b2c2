"""What every reranker promises, kept by the scripted one and by a real cross-encoder; its cache; errors in one line."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder
from tiny_model import save_tiny_model, save_tiny_reranker

from synthneg.errors import ModelError
from synthneg.scoring import store
from synthneg.scoring.base import Reranker
from synthneg.scoring.models import check_reranker
from synthneg.scoring.reranker import CachedReranker, load_reranker
from synthneg.testing import OverlapReranker

TEXT = st.text(st.characters(), max_size=6)  # surrogates included
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=12)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A cross-encoder of random weights."""
    return save_tiny_reranker(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module", params=["overlap", "tiny", "cached"])
def reranker(request, tiny, tmp_path_factory) -> Reranker:
    """Each reranker that the contract is held against."""
    if request.param == "overlap":
        return OverlapReranker()
    scores = tmp_path_factory.mktemp("scores") if request.param == "cached" else None
    return load_reranker(str(tiny), batch_size=4, scores=scores)


class Counting:
    """Overlap scores, and what was asked for."""

    def __init__(self) -> None:
        self.name = "some/counting model"
        self.asked: list[tuple[str, str]] = []

    def score(self, pairs):
        """Scores, noted."""
        self.asked += pairs
        return OverlapReranker().score(pairs)


def test_a_score_a_pair_in_their_order(reranker):
    """(n,) finite float32, the same for the same pair wherever it stands, and not the same for all."""
    pairs = [
        ("tea", "green tea"),
        ("tea", "a long text on rocks" * 5),
        ("", ""),
        ("tea", "green tea"),
    ]
    scores = reranker.score(pairs)
    assert (scores.shape, scores.dtype) == ((4,), np.float32)
    assert np.isfinite(scores).all()
    assert scores[0] == pytest.approx(scores[3], abs=1e-5)
    assert abs(scores[0] - scores[1]) > 1e-3
    assert reranker.score(pairs[::-1]) == pytest.approx(scores[::-1], abs=1e-4)


def test_no_pairs_give_no_scores(reranker):
    """An empty list gives (0,)."""
    assert reranker.score([]).shape == (0,)
    assert reranker.score([]).dtype == np.float32


def test_odd_texts_are_scored(reranker):
    """NUL, lone surrogates, right-to-left text and long words give finite scores on either side."""
    odd = ["\0", "a\0b", "\ud800 tea \udfff", "\u202eשלום", "  \n", "x" * 5_000, "\U0001f375"]
    pairs = [pair for text in odd for pair in ((text, "tea"), ("tea", text))]
    assert np.isfinite(reranker.score(pairs)).all()


def test_overlap_counts_the_querys_words():
    """Every word of the query in the document is 4, half of them 0, none -4."""
    pairs = [("green tea", "Tea, green."), ("green tea", "tea tea"), ("green tea", "rock")]
    assert OverlapReranker().score(pairs).tolist() == [4.0, 0.0, -4.0]


def test_scores_are_those_of_the_library(tiny):
    """Scores are CrossEncoder.predict's own, also over several chunks, sorted by length or not."""
    pairs = [("ab" * (i % 3), "cdefg"[: i % 6] * 3) for i in range(store.CHUNK + 9)]
    right = [float(CrossEncoder(str(tiny)).predict([pair])[0]) for pair in pairs[-20:]]
    scores = load_reranker(str(tiny), batch_size=7).score(pairs)
    assert scores[-20:] == pytest.approx(right, abs=1e-4)
    assert np.ptp(scores) > 1  # logits: the activation that the model came with


@given(first=PAIRS, second=PAIRS)
def test_nothing_is_scored_twice(first, second):
    """After `first`, only the new pairs of `second` are asked for, each once, and all scores are right."""
    with tempfile.TemporaryDirectory() as folder:
        CachedReranker(Counting(), Path(folder), "i").score(first)
        inner = Counting()
        scores = CachedReranker(inner, Path(folder), "i").score(second)
        assert inner.asked == [pair for pair in dict.fromkeys(second) if pair not in first]
        assert np.array_equal(scores, OverlapReranker().score(second))


def test_what_is_query_and_what_document_is_kept_apart(tmp_path):
    """Pairs whose texts joined are the same have scores of their own."""
    inner = Counting()
    pairs = [
        ("a", "b c"),
        ("a b", "c"),
        ("b c", "a"),
        ("a\0b", "c"),
        ("a", "b\0c"),
        ("", "a\0b\0c"),
    ]
    CachedReranker(inner, tmp_path, "i").score(pairs)
    assert inner.asked == pairs


def test_a_kill_between_chunks_costs_one_chunk(tmp_path, monkeypatch):
    """Stopped in the second chunk, the first is kept, and the scores are those of a run that was not stopped."""
    monkeypatch.setattr(store, "CHUNK", 2)
    pairs = [("tea", word) for word in ("tea", "pot", "cup", "tea pot")]

    class Failing(Counting):
        """Stopped by the user at the third pair."""

        def score(self, pairs):
            """Overlap scores, but not the second time."""
            if self.asked:
                raise KeyboardInterrupt
            return super().score(pairs)

    with pytest.raises(KeyboardInterrupt):
        CachedReranker(Failing(), tmp_path, "i").score(pairs)
    inner = Counting()
    scores = CachedReranker(inner, tmp_path, "i").score(pairs)
    assert inner.asked == pairs[2:]
    assert np.array_equal(scores, OverlapReranker().score(pairs))


def test_another_model_length_or_precision_has_scores_of_its_own(tiny, tmp_path):
    """Other weights, another max_length and bfloat16 open other files; the same model again opens none."""
    scores = tmp_path / "scores"
    other = save_tiny_reranker(tmp_path / "tiny")
    weights = load_file(other / "model.safetensors")
    weights["classifier.weight"] += 1
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    ways = (
        (tiny, {}),
        (tiny, {"max_length": 8}),
        (tiny, {"precision": "bfloat16"}),
        (other, {}),
        (tiny, {}),
    )
    found = []
    for folder, options in ways:
        reranker = load_reranker(str(folder), batch_size=4, scores=scores, **options)
        found.append(float(reranker.score([("tea", "green tea")])[0]))
    assert len(list(scores.glob("*.keys"))) == 4
    assert len(set(found)) == 4
    assert found[0] == found[4]


def test_bfloat16_tells_near_scores_apart(tiny):
    """In bfloat16 the weights are, the scores are not: more different ones than its 8 bits would hold."""
    pairs = [("tea", f"{a}{b}") for a in "abcdefghij" for b in "klmnopqrst"]
    rough = load_reranker(str(tiny), batch_size=100, precision="bfloat16").score(pairs)
    exact = load_reranker(str(tiny), batch_size=100, precision="float32").score(pairs)
    as_bfloat16 = torch.tensor(rough).bfloat16().unique()
    assert len(np.unique(rough)) > 1.2 * len(as_bfloat16)
    assert rough == pytest.approx(exact, abs=0.2 * float(np.ptp(exact)))


@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (lambda folder: save_tiny_reranker(folder, labels=3), "one label, .* it has 3;"),
        (save_tiny_model, "expected a cross-encoder .* are of BertModel;"),
        (lambda folder: folder.mkdir(), "holds neither modules.json nor config.json"),
        (lambda folder: None, "no such folder exists"),
    ],
)
def test_what_gives_no_score_is_one_line(tmp_path, make, seen):
    """A classifier of three labels, an encoder, an empty folder and none are ModelErrors that say what was seen."""
    make(tmp_path / "model")
    with pytest.raises(ModelError, match=seen) as error:
        load_reranker(str(tmp_path / "model"), batch_size=4)
    assert str(tmp_path / "model") in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_that_are_no_numbers_are_said(tmp_path):
    """A model whose training diverged to NaN is a ModelError, and none of its scores is kept."""
    folder = save_tiny_reranker(tmp_path / "diverged")
    weights = load_file(folder / "model.safetensors")
    broken = {name: tensor * float("nan") for name, tensor in weights.items()}
    save_file(broken, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="diverged: expected finite numbers"):
        load_reranker(str(folder), batch_size=4, scores=tmp_path / "s").score([("tea", "pot")])
    assert [f.stat().st_size for f in (tmp_path / "s").iterdir()] == [0, 0]


def test_an_encoder_is_no_reranker_before_anything_is_loaded(tmp_path: Path) -> None:
    """The folder of an encoder is refused by its files, that of a cross-encoder is not."""
    check_reranker(str(save_tiny_reranker(tmp_path / "reranker")))
    with pytest.raises(ModelError, match=r"this is an encoder; an encoder goes to verify\.encoder"):
        check_reranker(str(save_tiny_model(tmp_path / "encoder")))
