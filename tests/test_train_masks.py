"""Which documents of a batch count as what: equal texts, answers, filling; and mixtures of negatives."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from loss_batches import PLAIN, drawn, of_scores, softmax

from synthneg.train.losses.base import PADDED, own, same_texts
from synthneg.train.losses.candidates import (
    in_batch_labels,
    masked_candidates,
    own_answers,
    repeats,
)
from synthneg.train.losses.infonce import InfoNCE
from synthneg.train.losses.mixing import Mixing


def texts(*columns: list[int]) -> torch.Tensor:
    """Return numbers of texts, a list per column."""
    return torch.tensor(columns)


def test_own_documents_stand_column_after_column():
    """In a row of the batch, query j's documents stand at j, B + j, 2B + j."""
    assert own(3, 2).tolist() == [[0, 3], [1, 4], [2, 5]]


def masks(answers: torch.Tensor, numbers: torch.Tensor | None) -> list[list[int]]:
    """Return for each query the places that are masked."""
    found = masked_candidates(answers, None, numbers)
    return [torch.nonzero(row).flatten().tolist() for row in found]


def test_copies_of_the_positive_are_no_negatives():
    """Query 0's positive stands among query 1's negatives: masked for query 0, a negative for query 1."""
    answers = own_answers(None, 0.6, (2, 2))
    # queries 0 1, positives 10 11, negatives 12 10
    assert masks(answers, texts([0, 1], [10, 11], [12, 10])) == [[3], [3]]
    # place 3 repeats place 0, so query 1 sees the text at place 0 alone
    assert masks(answers, None) == [[], []]


def test_an_equal_query_s_positive_is_no_negative():
    """Two rows that ask the same have different passages: each is an answer to both."""
    answers = own_answers(None, 0.6, (2, 1))
    assert masks(answers, texts([0, 0], [10, 11])) == [[1], [0]]
    assert masks(answers, texts([0, 1], [10, 11])) == [[], []]


def test_a_text_that_stands_twice_counts_once():
    """A hard negative that two queries share is one candidate, and the place of a positive is never lost."""
    answers = own_answers(None, 0.6, (2, 2))
    assert masks(answers, texts([0, 1], [10, 11], [12, 12])) == [[3], [3]]
    # The second query's positive repeats the first one's: masked for each as the other's, own place kept.
    assert masks(answers, texts([0, 1], [10, 10], [12, 13])) == [[1], [0]]


def test_what_a_list_says_is_an_answer_is_one_wherever_it_stands():
    """Grade 2 of the own list is no negative, nor is its copy in another query's list."""
    labels = torch.tensor([[3.0, 2.0], [3.0, 1.0]])
    answers = own_answers(labels, 0.6, (2, 2))
    assert answers.tolist() == [[True, True], [True, False]]
    found = masked_candidates(answers, labels, texts([0, 1], [10, 11], [12, 12]))
    assert found.tolist() == [[False, False, True, True], [False, False, False, True]]


def test_filling_is_no_candidate():
    """A document marked as filling is masked for every query, though nothing is known of texts."""
    labels = torch.tensor([[3.0, PADDED], [3.0, 0.0]])
    found = masked_candidates(own_answers(labels, 0.6, (2, 2)), labels, None)
    assert found.tolist() == [[False, False, True, False]] * 2


def test_labels_below_nought_have_a_bound_below_the_best():
    """With a best of -1 and a share of .6 the bound is -1.4, not -.6."""
    labels = torch.tensor([[-1.0, -1.3, -1.5]])
    assert own_answers(labels, 0.6, (1, 3)).tolist() == [[True, True, False]]


def test_labels_in_the_batch_are_nought_for_others():
    """A query's own documents have their labels, those of others 0, copies of its own and filling are left out."""
    labels = torch.tensor([[3.0, 1.0], [2.0, PADDED]])
    found = in_batch_labels(labels, texts([0, 1], [10, 11], [11, 12]))
    assert found.tolist() == [[3, PADDED, 1, PADDED], [0, 2, PADDED, PADDED]]
    assert in_batch_labels(labels, None).tolist() == [[3, 0, 1, PADDED], [0, 2, 0, PADDED]]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_repeats_are_those_that_stood_before(numbers: list[int]):
    """The first of each text is no repeat, every later one is."""
    worked = [value in numbers[:place] for place, value in enumerate(numbers)]
    assert repeats(torch.tensor(numbers)).tolist() == worked


def test_texts_are_compared_by_what_is_read_of_them():
    """Padding does not tell two texts apart; static tables and rows end to end are read by their offsets."""
    padded = [
        {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
        for ids, mask in (
            ([[5, 6], [7, 0]], [[1, 1], [1, 0]]),
            ([[7, 0, 0], [5, 6, 7]], [[1, 0, 0], [1, 1, 1]]),
        )
    ]
    assert same_texts(padded).tolist() == [[0, 1], [1, 2]]
    flat = [
        {"input_ids": torch.tensor([5, 6, 7]), "offsets": torch.tensor([0, 2])},
        {"input_ids": torch.tensor([7, 5, 6]), "offsets": torch.tensor([0, 1])},
    ]
    assert same_texts(flat).tolist() == [[0, 1], [1, 0]]
    ends = [{"input_ids": torch.tensor([[5, 6, 7]]), "cu_seq_lens_q": torch.tensor([0, 2, 3])}]
    assert same_texts(ends).tolist() == [[0, 1]]
    assert same_texts([{"pixel_values": torch.zeros(2, 3)}]) is None


@given(st.integers(0, 99))
def test_mixtures_are_made_of_the_hardest_candidates(seed: int):
    """A mixture's score with cosines lies within [-1, 1], and one of two negatives above their lower score."""
    generator = torch.Generator().manual_seed(seed)
    queries = torch.nn.functional.normalize(torch.randn(3, 6, generator=generator), dim=1)
    documents = torch.nn.functional.normalize(torch.randn(9, 6, generator=generator), dim=1)
    masked = torch.zeros(3, 9, dtype=torch.bool)
    found = Mixing(6, 2).scores(queries, documents, masked, cosine=False)
    scores = queries @ documents.T
    scores.diagonal().fill_(-torch.inf)
    best = scores.topk(2, dim=1).values
    # Unscaled, mixtures of two and of all lie between the two hardest; those with the query lie above the lower.
    of_texts = found[:, [0, 1, 3, 4]]
    assert bool(((of_texts >= best[:, 1:] - 1e-6) & (of_texts <= best[:, :1] + 1e-6)).all())
    assert bool((found[:, [2, 5]] >= best[:, 1:] - 1e-6).all())
    scaled = Mixing(6, 2).scores(queries, documents, masked, cosine=True)
    assert bool((scaled.abs() <= 1 + 1e-6).all())


def test_mixed_candidates_are_further_negatives():
    """With one negative there is one mixture of texts, the negative itself: it counts once more in the softmax."""
    batch = of_scores([[2.0, 1.0], [0.5, 1.0]])
    loss = InfoNCE(None, mixing=Mixing(1, 2), **PLAIN)
    first, second = softmax([2.0, 1.0, 1.0])[0], softmax([1.0, 0.5, 0.5])[0]
    worked = -(torch.log(torch.tensor([first, second])).mean())
    assert float(loss.of_embeddings(batch, None, None)) == pytest.approx(float(worked))


def test_a_query_without_candidates_has_no_mixtures():
    """Where every other document is masked, the loss is 0 and its gradient finite."""
    vectors, _ = drawn(2, 1, seed=0)
    vectors = [vector.requires_grad_() for vector in vectors]
    loss = InfoNCE(None, mixing=Mixing(3, 4))
    same = texts([0, 0], [10, 11])
    found = loss.of_embeddings(vectors, None, same)
    found.backward()
    assert found.item() == pytest.approx(0)
    assert all(bool(torch.isfinite(vector.grad).all()) for vector in vectors)
