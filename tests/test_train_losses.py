"""The losses against numbers worked by hand, against their gradients, and under filling and another order."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_batches import (
    DOT,
    LISTWISE,
    OWN,
    PAIRWISE,
    PLAIN,
    SCORES,
    SOURCES,
    drawn,
    of_scores,
    padded,
    softmax,
)
from sentence_transformers.sentence_transformer import losses as library

from synthneg.train.losses.ar2 import AR2
from synthneg.train.losses.base import ColumnLoss
from synthneg.train.losses.bce import BinaryCrossEntropy
from synthneg.train.losses.combined import WithInfoNCE
from synthneg.train.losses.infonce import InfoNCE
from synthneg.train.losses.kl import ListKL
from synthneg.train.losses.listnet import ListNet
from synthneg.train.losses.local import LocalInfoNCE
from synthneg.train.losses.margin_mse import MarginMSE
from synthneg.train.losses.rank_lambda import LambdaLoss
from synthneg.train.losses.rank_pairs import RankPairs
from synthneg.train.losses.source_share import SourceShare

BATCH = of_scores(SCORES)
GRADES = torch.tensor([[3.0, 1.0, 0.0], [2.0, 3.0, 0.0]], dtype=torch.float64)


def value(loss: ColumnLoss, labels: torch.Tensor | None = None) -> float:
    """Return the loss of the batch of SCORES."""
    return float(loss.of_embeddings(BATCH, labels, None))


def test_infonce_is_the_log_softmax_over_the_batch():
    """Without masks: -log softmax of the first document of the own list among all six, mean of two queries."""
    worked = [-math.log(softmax(SCORES[0])[0]), -math.log(softmax(SCORES[1])[1])]
    assert value(InfoNCE(None, **PLAIN)) == pytest.approx(sum(worked) / 2)


def test_a_candidate_far_above_the_positive_is_masked():
    """With a margin of .4, candidates above 2.4 and 1.4 are left out: 2.0 and 1.5 of the second query."""
    loss = InfoNCE(None, **(PLAIN | {"mask_margin": 0.4}))
    worked = [-math.log(softmax(SCORES[0])[0]), -math.log(softmax([1.0, 0.0, 0.5, 0.0])[0])]
    assert value(loss) == pytest.approx(sum(worked) / 2)


def test_a_document_with_a_label_above_the_share_is_masked():
    """With grades (3, 1, 0) and (2, 3, 0) and a share of .6 the second document of query two alone is left out."""
    loss = InfoNCE(None, **(PLAIN | {"mask_share": 0.6}))
    worked = [
        -math.log(softmax(SCORES[0])[0]),
        -math.log(softmax([1.0, 0.0, 0.5, 1.5, 0.0])[0]),
    ]
    assert value(loss, GRADES) == pytest.approx(sum(worked) / 2)


def test_focal_weights_are_of_the_softmax():
    """With an exponent of .5 each query's loss is multiplied by the root of 1 - p."""
    p = [softmax(SCORES[0])[0], softmax(SCORES[1])[1]]
    worked = sum(-math.log(x) * (1 - x) ** 0.5 for x in p) / 2
    assert value(InfoNCE(None, focal=0.5, **PLAIN)) == pytest.approx(worked)


def test_kl_is_of_the_teacher_to_the_student():
    """Σ q log(q/p) over the own list of three, with the teacher's temperature .5 and the student's 2."""
    wanted = [softmax(row, 0.5) for row in GRADES.tolist()]
    seen = [softmax(row, 2.0) for row in OWN]
    worked = sum(
        q * math.log(q / p)
        for a, b in zip(wanted, seen, strict=True)
        for q, p in zip(a, b, strict=True)
    )
    loss = ListKL(None, temperature=2.0, teacher_temperature=0.5, **DOT)
    assert value(loss, GRADES) == pytest.approx(worked / 2)


def test_kl_both_ways_is_the_mean_of_both():
    """Half of Σ (q - p) log(q/p), with the teacher's temperature .5 and the student's 2."""
    wanted = [softmax(row, 0.5) for row in GRADES.tolist()]
    seen = [softmax(row, 2.0) for row in OWN]
    worked = sum(
        (q - p) * math.log(q / p) / 2
        for a, b in zip(wanted, seen, strict=True)
        for q, p in zip(a, b, strict=True)
    )
    loss = ListKL(None, temperature=2.0, teacher_temperature=0.5, both_ways=True, **DOT)
    assert value(loss, GRADES) == pytest.approx(worked / 2)


def test_ar2_leads_to_what_the_ranker_takes_for_answers():
    """Half of Σ p log σ(t₁ - tₖ) over two negatives, and half of the cross-entropy to softmax(t) over all three."""
    worked = 0.0
    for scores, ranker in zip(OWN, GRADES.tolist(), strict=True):
        p, q, seen = softmax(scores[1:]), softmax(ranker), softmax(scores)
        fooled = [-math.log(1 + math.exp(t - ranker[0])) for t in ranker[1:]]
        worked += sum(x * y for x, y in zip(p, fooled, strict=True)) / 2
        worked -= sum(x * math.log(y) for x, y in zip(q, seen, strict=True)) / 2
    loss = AR2(None, temperature=1.0, teacher_temperature=1.0, **DOT)
    assert value(loss, GRADES) == pytest.approx(worked / 2)


def test_lambda_weighs_a_pair_by_what_it_changes_in_ndcg():
    """Of the first query, in its right order: grades 3, 1, 0 at ranks 1, 2, 3; of the second grade 3 before grade 2."""

    def cost(gap: float, a: int, b: int, better: float, worse: float) -> float:
        change = gap * abs(1 / math.log2(1 + a) - 1 / math.log2(1 + b))
        return change * math.log2(1 + math.exp(worse - better))

    best = 7 + 1 / math.log2(3)
    first = cost(6, 1, 2, 2, 1) + cost(7, 1, 3, 2, 0) + cost(1, 2, 3, 1, 0)
    # Scores 1, 2, 0 of grades 2, 3, 0 and so of gains 3, 7, 0.
    best_second = 7 + 3 / math.log2(3)
    second = cost(4, 1, 2, 2, 1) + cost(7, 1, 3, 2, 0) + cost(3, 2, 3, 1, 0)
    worked = (first / best + second / best_second) / 2
    assert value(LambdaLoss(None, temperature=1.0, **DOT), GRADES) == pytest.approx(worked)


def test_local_infonce_sees_the_own_list_alone():
    """-log softmax of the first of three, mean of two queries: other queries' documents change nothing."""
    worked = [-math.log(softmax(row)[0]) for row in OWN]
    assert value(LocalInfoNCE(None, temperature=1.0)) == pytest.approx(sum(worked) / 2)


def test_bce_takes_each_document_by_itself():
    """-log σ of the first and -log(1 - σ) of the others, mean of six."""
    worked = [math.log(1 + math.exp(-s if k == 0 else s)) for row in OWN for k, s in enumerate(row)]
    assert value(BinaryCrossEntropy(None, **DOT)) == pytest.approx(sum(worked) / 6)


def test_listnet_is_the_cross_entropy_to_the_grades():
    """-Σ softmax(2y) log softmax(s) over the own list."""
    wanted = [softmax(row, 0.5) for row in GRADES.tolist()]
    seen = [softmax(row) for row in OWN]
    worked = -sum(
        q * math.log(p)
        for a, b in zip(wanted, seen, strict=True)
        for q, p in zip(a, b, strict=True)
    )
    assert value(ListNet(None, temperature=1.0, label_scale=2.0, **DOT), GRADES) == pytest.approx(
        worked / 2
    )


def test_margin_mse_is_of_margins():
    """Margins 1, 2 and -1, 1 against 2, 3 and -1, 2: squares 1, 1, 0, 1."""
    assert value(MarginMSE(None, **DOT), GRADES) == pytest.approx(3 / 4)


def test_rank_pairs_weigh_by_reciprocal_ranks():
    """Of the first query: grade 3 at rank 1 and grade 1 at rank 2 against all of a smaller grade; so of the second."""

    def pair(better: float, worse: float, r: int, q: int) -> float:
        return abs(1 / r - 1 / q) * math.log(1 + math.exp(worse - better))

    # Scores by rank: 2, 1, .5, 0 (of the other query's list), 0 (its own), -1.
    first = [pair(2, 1, 1, 2)]
    for score, rank in ((0.5, 3), (0.0, 4), (0.0, 5), (-1.0, 6)):
        first += [pair(2, score, 1, rank), pair(1, score, 2, rank)]
    # Its own are 1 (grade 2, rank 3), 2 (grade 3, rank 1), 0; the others' 0, .5 and 1.5.
    second = [pair(2, 1, 1, 3)]
    for score, rank in ((1.5, 2), (0.5, 4), (0.0, 5), (0.0, 6)):
        second += [pair(2, score, 1, rank), pair(1, score, 3, rank)]
    worked = (sum(first) + sum(second)) / 2
    assert value(RankPairs(None, temperature=1.0, **DOT), GRADES) == pytest.approx(worked)


def test_source_share_is_entropy_and_share():
    """Scores 1 (mined) and 0 (written): no entropy, and the share of the written one is softmax; doubled by w = 2."""
    written = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    infonce = InfoNCE(None, **PLAIN)
    shares = [softmax([1.0, 0.0], 0.5)[1], softmax([2.0, 0.0], 0.5)[1]]
    worked = 2 * sum((share - 0.5) ** 2 for share in shares) / 2
    loss = SourceShare(None, infonce, weight=2.0, temperature=0.5, **DOT)
    assert value(loss, written) == pytest.approx(value(infonce) + worked)


def test_source_share_spreads_probability_among_the_written():
    """Of two written negatives, 1 and 0: minus the entropy of softmax(1, 0), their share being all."""
    both = torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    p = softmax([1.0, 0.0])
    worked = sum(x * math.log(x) for x in p) / 2  # the second query has none and adds nothing
    infonce = InfoNCE(None, **PLAIN)
    loss = SourceShare(None, infonce, weight=1.0, temperature=1.0, **DOT)
    assert value(loss, both) == pytest.approx(value(infonce) + worked)


def test_source_share_moves_written_negatives_alone():
    """The term's gradient is nil for queries and mined negatives, and is not for written ones."""
    vectors, _ = drawn(2, 4, seed=3)
    vectors = [vector.requires_grad_() for vector in vectors]
    loss = SourceShare(None, InfoNCE(None), weight=1.0)
    written = torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 2)
    loss._balance(vectors, written[:, 1:] > 0).backward()
    moved = [vector.grad is not None and bool(vector.grad.any()) for vector in vectors]
    assert moved == [False, False, False, True, True]


def test_the_combination_is_a_weighted_sum():
    """CADET's loss is KL plus .1 of InfoNCE in which the labels mask."""
    kl, infonce = ListKL(None, **DOT), InfoNCE(None, **PLAIN)
    assert value(WithInfoNCE(kl, infonce, 0.1), GRADES) == pytest.approx(
        value(kl, GRADES) + 0.1 * value(infonce, GRADES)
    )


def test_ours_are_the_library_s_where_it_has_them():
    """Cosine InfoNCE, MarginMSE and KL·τ² agree with sentence-transformers' own on random vectors."""
    vectors, grades = drawn(4, 3, seed=0)
    plain = InfoNCE(None, temperature=0.1, mask_margin=None).of_embeddings(vectors, None, None)
    theirs = library.MultipleNegativesRankingLoss(None, scale=10.0)
    torch.testing.assert_close(plain, theirs.compute_loss_from_embeddings(vectors, None))
    margin = MarginMSE(None, **DOT).of_embeddings(vectors, grades, None)
    theirs = library.MarginMSELoss(None)
    torch.testing.assert_close(margin, theirs.compute_loss_from_embeddings(vectors, grades))
    kl = ListKL(None, temperature=2.0, teacher_temperature=1.5, **DOT)
    theirs = library.DistillKLDivLoss(None, student_temperature=2.0, teacher_temperature=1.5)
    torch.testing.assert_close(
        4 * kl.of_embeddings(vectors, grades, None),
        theirs.compute_loss_from_embeddings(vectors, grades),
    )


@contextmanager
def held_fixed() -> Iterator[Callable[..., Callable[..., torch.Tensor]]]:
    """Let what a function detaches stay, in every call, what it was in the first: weights, mixtures, ranks, sources."""
    seen: list[torch.Tensor] = []
    detach = torch.Tensor.detach

    def fixed(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def called(*given: torch.Tensor) -> torch.Tensor:
            first, place = not seen, iter(range(10_000))

            def held(tensor: torch.Tensor) -> torch.Tensor:
                if first:
                    seen.append(detach(tensor).clone())
                    return seen[-1]
                return seen[next(place)]

            torch.Tensor.detach = held
            try:
                return function(*given)
            finally:
                torch.Tensor.detach = detach

        return called

    yield fixed


@pytest.mark.parametrize("name", [*LISTWISE, *PAIRWISE, *SOURCES])
def test_gradients_are_those_of_the_formula(name: str):
    """In double precision the gradients agree with differences of the loss, what is not differentiated held fixed."""
    make = (LISTWISE | PAIRWISE | SOURCES)[name]
    vectors, grades = drawn(3, 3, seed=1)
    labels = (grades < 2).double() if name in SOURCES else grades
    loss = make()

    def of(*embeddings: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)  # what is mixed is drawn anew in each call
        return loss.of_embeddings(embeddings, None if name in PAIRWISE else labels, None)

    with held_fixed() as fixed:
        assert torch.autograd.gradcheck(fixed(of), [vector.requires_grad_() for vector in vectors])


@pytest.mark.parametrize("name", LISTWISE)
def test_filling_changes_nothing(name: str):
    """A further document marked as filling leaves loss and gradients as they are, bit for bit but rounding."""
    vectors, grades = drawn(4, 3, seed=2)
    texts = torch.arange(16).reshape(4, 4)
    loss, results = LISTWISE[name](), []
    for batch in ((vectors, grades, texts), padded(vectors, grades, texts)):
        embeddings = [vector.detach().clone().requires_grad_() for vector in batch[0]]
        found = loss.of_embeddings(embeddings, *batch[1:])
        found.backward()
        results.append([found.detach(), *(vector.grad for vector in embeddings[:4])])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("name", [*LISTWISE, *PAIRWISE, *SOURCES])
@given(order=st.permutations(range(5)))
@settings(max_examples=10)
def test_the_order_of_a_batch_changes_nothing(name: str, order: list[int]):
    """The queries of a batch with their lists may stand in any order; mixtures are drawn, so they are left out."""
    if name == "mixed":
        return
    vectors, grades = drawn(5, 3, seed=4)
    labels = (grades < 2).double() if name in SOURCES else grades
    loss = (LISTWISE | PAIRWISE | SOURCES)[name]()
    texts = torch.arange(20).reshape(4, 5)
    torch.testing.assert_close(
        loss.of_embeddings(vectors, labels, texts),
        loss.of_embeddings([v[order] for v in vectors], labels[order], texts[:, order]),
    )


def test_filling_is_no_label_of_a_list(recwarn: pytest.WarningsRecorder):
    """A list of one document and filling costs nothing, and no NaN comes of it."""
    make: list[Callable[[], ColumnLoss]] = [
        LISTWISE[name] for name in ("kl", "margin-mse", "ar2", "lambda")
    ]
    vectors, _ = drawn(2, 2, seed=5)
    labels = torch.tensor([[1.0, -torch.inf]] * 2)
    for loss in make:
        assert float(loss().of_embeddings(vectors, labels, None)) == pytest.approx(0, abs=1e-12)
