"""WS2 against the closed form, and the three properties that its docstring warns of."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_batches import DOT, SCORES, drawn, of_scores

from synthneg.train.losses.ws2 import WS2, squared_distance, target_of_best

GRADES = torch.tensor([[3.0, 1.0, 0.0], [2.0, 3.0, 0.0]], dtype=torch.float64)


def rows(queries: int, documents: int, seed: int) -> torch.Tensor:
    """Return rows of a softmax."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(queries, documents, generator=generator, dtype=torch.float64)
    return torch.softmax(2 * scores, dim=1)


def closed_form(seen: np.ndarray, wanted: np.ndarray) -> float:
    """Return the squared distance of two Gaussians by their covariances and scipy's root of a matrix."""
    a, b = np.cov(seen.T), np.cov(wanted.T)
    root = scipy.linalg.sqrtm(a + 1e-14 * np.eye(len(a))).real
    cross = scipy.linalg.sqrtm(root @ b @ root + 1e-18 * np.eye(len(a)))
    means = seen.mean(axis=0) - wanted.mean(axis=0)
    return float(means @ means + np.trace(a) + np.trace(b) - 2 * np.trace(cross).real)


# Covariances of fewer samples than dimensions, or of rows that sum to 1, are singular, and scipy says so of each.
@pytest.mark.filterwarnings("ignore:Matrix is:scipy.linalg.LinAlgWarning")
@pytest.mark.parametrize(("queries", "documents"), [(2, 6), (4, 16), (8, 32), (20, 6)])
def test_it_is_the_closed_form(queries: int, documents: int):
    """The nuclear norm gives what covariances and their matrix roots give, to 1e-6."""
    for seed in range(5):
        seen, wanted = rows(queries, documents, seed), rows(queries, documents, seed + 100)
        worked = closed_form(seen.numpy(), wanted.numpy())
        assert float(squared_distance(seen, wanted)) == pytest.approx(worked, abs=1e-6)


def test_two_queries_with_three_documents_each_by_hand():
    """With two rows, centred rows are ±half their difference: |m|² + (|u| - |v|)² / 2 with these differences u, v."""
    seen = np.exp(np.array(SCORES))
    seen /= seen.sum(axis=1, keepdims=True)
    # Grades (3, 1, 0) and (2, 3, 0) stand at columns 0, 2, 4 and 1, 3, 5.
    wanted = np.exp(np.array([[3.0, 0, 1, 0, 0, 0], [0, 2.0, 0, 3, 0, 0]]))
    wanted /= wanted.sum(axis=1, keepdims=True)
    u, v = seen[0] - seen[1], wanted[0] - wanted[1]
    shift = (seen - wanted).mean(axis=0)
    # tr S = |u|²/2 each, and the nuclear norm of the 2x2 matrix of products ±u·v/4 is |u·v|/2.
    worked = shift @ shift + (u @ u) / 2 + (v @ v) / 2 - abs(u @ v)
    loss = WS2(None, temperature=1.0, **DOT)
    assert float(loss.of_embeddings(of_scores(SCORES), GRADES, None)) == pytest.approx(worked)


@given(st.integers(2, 12), st.integers(0, 99))
@settings(max_examples=20)
def test_it_is_nought_at_equality(queries: int, seed: int):
    """A batch that ranks exactly as wanted costs nothing, and any other costs something."""
    seen = rows(queries, 3 * queries, seed)
    assert float(squared_distance(seen, seen)) == pytest.approx(0, abs=1e-12)
    assert float(squared_distance(seen, rows(queries, 3 * queries, seed + 1))) > 1e-3


@pytest.mark.parametrize("queries", [4, 16, 64])
def test_it_does_not_see_which_query_has_which_row(queries: int):
    """If every query ranked as another one should, the loss is still 0: alone it ties no query to its documents."""
    wanted = rows(queries, 4 * queries, seed=0)
    order = torch.randperm(queries, generator=torch.Generator().manual_seed(1))
    assert float(squared_distance(wanted[order], wanted)) == pytest.approx(0, abs=1e-12)


def test_the_target_grows_flat_with_the_batch():
    """Grades 3, 2, 1, 0 give the best document .465, .220 and .071 of 16, 64 and 256; a scale of 3 gives .92."""
    found = [round(target_of_best(n, 1.0), 3) for n in (16, 64, 256)]
    assert found == [0.465, 0.22, 0.071]
    assert round(target_of_best(256, 3.0), 2) == 0.92


def test_many_documents_with_grades_as_they_are_are_warned_of_once(
    capfd: pytest.CaptureFixture[str],
):
    """Above 64 documents in a batch and with scale 1 one line says so, at the first batch; not at 64, nor scaled."""
    many, few = drawn(17, 4, seed=0), drawn(16, 4, seed=0)
    for loss, batch in ((WS2(None), few), (WS2(None, label_scale=2.0), many)):
        loss.of_embeddings(*batch, None)
        assert capfd.readouterr().err == ""
    loss = WS2(None)
    for _ in range(2):
        loss.of_embeddings(*many, None)
    (line,) = capfd.readouterr().err.splitlines()
    assert "68 documents in a batch" in line
    assert "label_scale 3" in line


def test_equal_rows_have_a_finite_gradient():
    """Where all singular values are 0, as in a collapsed model, the gradient is finite."""
    vectors, grades = drawn(4, 3, seed=0)
    same = [vector[:1].repeat(4, 1).requires_grad_() for vector in vectors]
    WS2(None, label_scale=2.0).of_embeddings(same, grades, None).backward()
    assert all(bool(torch.isfinite(vector.grad).all()) for vector in same)
