"""Losses around students that score lists, and around sparse ones: a part at a time is the whole batch."""

from pathlib import Path

import pytest
import torch
from examples import TOPICS
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SparseEncoder
from sentence_transformers.cross_encoder import losses as library
from sentence_transformers.sparse_encoder.losses import SpladeLoss
from tiny_model import save_tiny_model, save_tiny_reranker

from synthneg.config import TrainConfig
from synthneg.train.losses.base import ListLoss
from synthneg.train.losses.bce import BinaryCrossEntropy
from synthneg.train.losses.build import build_loss
from synthneg.train.losses.kl import ListKL
from synthneg.train.losses.margin_mse import MarginMSE
from synthneg.train.losses.rank_lambda import LambdaLoss
from synthneg.train.losses.scored import LateScores, PairScores

pytestmark = pytest.mark.slow

NAMES = list(TOPICS)[:5]
TEXTS = [[f"{kind} of {topic}" for topic in NAMES] for kind in ("query", "answer", "near", "other")]
LABELS = torch.tensor(
    [[3.0, 1.0, 0.0], [2.0, 3.0, 0.0], [3.0, 0.0, 2.0], [1.0, 0.0, 0.0], [0, 3, 1]]
)


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    """Return a tiny cross-encoder in double precision, without dropout, which would tell two passes apart."""
    folder = save_tiny_reranker(tmp_path_factory.mktemp("m") / "tiny")
    return CrossEncoder(str(folder)).eval().double()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny bi-encoder."""
    return save_tiny_model(tmp_path_factory.mktemp("m") / "tiny")


def gradients(model: torch.nn.Module, loss: torch.nn.Module, *given: object) -> list[torch.Tensor]:
    """Return the loss and the gradients of all weights."""
    model.zero_grad()
    found = loss(*given)
    if isinstance(found, dict):
        found = sum(found.values())
    found.backward()
    return [found.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize("listwise", [ListKL, MarginMSE, LambdaLoss])
def test_a_part_at_a_time_is_the_whole_batch(listwise: type[ListLoss], reranker: CrossEncoder):
    """With two queries a pass, loss and gradients are those of all five at once, filling in one list included."""
    labels = LABELS.double()
    labels[3, 2] = -torch.inf
    found = [
        gradients(reranker, PairScores(reranker, listwise(None), texts), TEXTS, list(labels))
        for texts in (100, 6)
    ]
    assert len(found[0]) > 10
    torch.testing.assert_close(*found)


def test_losses_of_pairs_are_the_library_s(reranker: CrossEncoder):
    """Binary cross-entropy, MarginMSE and LambdaLoss agree with sentence-transformers' own cross-encoder losses."""
    of_pairs = [(q, d) for column in TEXTS[1:] for q, d in zip(TEXTS[0], column, strict=True)]
    columns = [list(column) for column in zip(*of_pairs, strict=True)]
    lists = [TEXTS[0], [list(row) for row in zip(*TEXTS[1:], strict=True)]]
    labels = list(LABELS)
    theirs = [
        library.BinaryCrossEntropyLoss(reranker)(columns, torch.tensor([1.0] * 5 + [0.0] * 10)),
        library.MarginMSELoss(reranker)(TEXTS, labels),
        library.LambdaLoss(reranker, library.LambdaRankScheme())(lists, labels)
        * sum(int((row[:, None] > row).sum()) for row in LABELS)  # a mean over pairs
        / 5,
    ]
    ours = [
        PairScores(reranker, BinaryCrossEntropy(None), 100)(TEXTS, None),
        PairScores(reranker, MarginMSE(None), 100)(TEXTS, labels),
        PairScores(reranker, LambdaLoss(None, temperature=1.0), 100)(TEXTS, labels),
    ]
    for mine, found in zip(ours, theirs, strict=True):
        torch.testing.assert_close(
            mine.detach(), found.detach(), check_dtype=False, rtol=1e-4, atol=1e-5
        )


def test_late_scores_are_maxsim(tiny: Path):
    """The scores of a multi-vector student are those that the model itself gives, and learning goes by parts."""
    torch.manual_seed(0)
    model = MultiVectorEncoder(str(tiny)).eval()
    loss = LateScores(model, ListKL(None), 3)
    features = [
        model.preprocess(column, task="query" if k == 0 else "document")
        for k, column in enumerate(TEXTS)
    ]
    seen = loss.scores(features, slice(0, 5))
    queries = model.encode_query(TEXTS[0])
    for column, texts in enumerate(TEXTS[1:]):
        whole = model.similarity(queries, model.encode_document(texts))
        torch.testing.assert_close(seen[:, column], whole.diagonal().to(seen), atol=1e-4, rtol=1e-4)
    found = [
        gradients(model, LateScores(model, ListKL(None), texts), features, LABELS)
        for texts in (100, 6)
    ]
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-3)


def test_a_sparse_student_pays_for_its_terms(tiny: Path):
    """Its loss is ours of the dot products plus the two FLOPS terms, worked out from the weights of all terms."""
    from synthneg.train.students.trainer import _sparse  # noqa: PLC0415 - beside its own test

    torch.manual_seed(0)
    settings = TrainConfig(
        base_model=f"{tiny}",
        loss="kl",
        sparse={"query_weight": 0.5, "document_weight": 0.25},
        infonce={"weight": 0},
        mini_batch_size=2,
    )
    model = _sparse(settings).eval()
    assert isinstance(model, SparseEncoder)
    loss = build_loss(model, settings, "", "sparse")
    assert isinstance(loss, SpladeLoss)
    features = [model.preprocess(column) for column in TEXTS]
    found = sum(loss(features, LABELS).values())
    weights = [model(dict(column))["sentence_embedding"] for column in features]
    queries, documents = weights[0], torch.cat(weights[1:])
    scores = torch.stack([(queries * column).sum(dim=1) for column in weights[1:]], dim=1)
    kl = ListKL(
        None, temperature=1.0, teacher_temperature=settings.lists.teacher_temperature
    ).of_scores(scores, LABELS)
    worked = kl + 0.5 * (queries.mean(dim=0) ** 2).sum() + 0.25 * (documents.mean(dim=0) ** 2).sum()
    torch.testing.assert_close(found.detach(), worked.detach(), atol=1e-4, rtol=1e-4)
