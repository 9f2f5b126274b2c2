"""Lists among the documents of a whole batch: the teacher's scores, the loss over them, and what is refused."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from examples import TOPICS, example, run_of
from loss_batches import DOT, OWN, PLAIN, SCORES, drawn, of_scores, padded, softmax
from tiny_model import save_static_model

from synthneg.errors import SettingsError
from synthneg.settings import resolve
from synthneg.testing import HashingEncoder
from synthneg.train.data import Pair
from synthneg.train.fit import train
from synthneg.train.lists import FILLING
from synthneg.train.losses.combined import WithInfoNCE
from synthneg.train.losses.infonce import InfoNCE
from synthneg.train.losses.kl import BatchKL, ListKL
from synthneg.train.sampling.among import BatchScores, with_scores
from synthneg.train.students import check_student
from synthneg.train.teacher import Scale

# Of two queries and all six documents, column after column as in SCORES.
TAUGHT = torch.tensor([[3.0, 0.5, 1, 0, 0, 0.2], [0.0, 2, 0.3, 3, 0, 1]], dtype=torch.float64)
PAIRS = [
    Pair("about tea", "green tea", ("black tea", "wild bees"), labels=(3, 2, 1)),
    Pair("about bees", "wild bees", ("green tea", "wild bees"), labels=(3, 2, FILLING)),
    Pair("about iron", "old iron", ("black tea", "green tea"), labels=(3, 2, 1)),
]


def test_kl_over_a_batch_is_that_over_all_its_documents():
    """KL of two softmaxes over six documents, the teacher's at .5 and the student's at 2, mean of two queries."""
    worked = 0.0
    for scores, taught in zip(SCORES, TAUGHT.tolist(), strict=True):
        seen = softmax(scores, 2.0)
        wanted = softmax(taught, 0.5)
        worked += sum(q * math.log(q / p) for q, p in zip(wanted, seen, strict=True)) / 2
    loss = BatchKL(None, temperature=2.0, teacher_temperature=0.5, **DOT)
    assert float(loss.of_embeddings(of_scores(SCORES), TAUGHT, None)) == pytest.approx(worked)


def test_a_batch_of_one_query_is_its_list():
    """With nobody else in the batch, both losses and their gradients are the same."""
    vectors, grades = drawn(1, 4, seed=3)
    found = []
    for made in (ListKL, BatchKL):
        given = [vector.clone().requires_grad_() for vector in vectors]
        loss = made(None, **DOT).of_embeddings(given, grades, None)
        loss.backward()
        found.append([loss, *(vector.grad for vector in given)])
    torch.testing.assert_close(*found)


def test_a_text_counts_once_in_a_batch():
    """A document that also stands in another query's list, and filling, change nothing."""
    vectors, _ = drawn(3, 2, seed=4)
    taught = torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    texts = torch.arange(9).reshape(3, 3)
    loss = BatchKL(None, temperature=0.5, teacher_temperature=0.7)
    plain = loss.of_embeddings(vectors, taught, texts)
    twice = [*vectors, vectors[1].roll(1, 0)]
    again = torch.cat([taught, taught[:, :3].roll(1, 1)], dim=1)
    same = torch.cat([texts, texts[1:2].roll(1, 1)])
    torch.testing.assert_close(loss.of_embeddings(twice, again, same), plain)
    filled, labels, numbers = padded(vectors, taught, texts)
    labels = torch.cat([taught, torch.full((3, 3), FILLING, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(loss.of_embeddings(filled, labels, numbers), plain)
    assert float(loss.of_embeddings(twice, again, None)) != pytest.approx(float(plain))


def test_gradients_are_those_of_the_formula():
    """In double precision they agree with differences of the loss."""
    vectors, _ = drawn(2, 3, seed=5)
    loss = BatchKL(None, temperature=0.5, teacher_temperature=0.7, both_ways=True)
    given = [vector.requires_grad_() for vector in vectors]
    assert torch.autograd.gradcheck(lambda *v: loss.of_embeddings(v, TAUGHT, None), given)


def test_infonce_beside_it_masks_by_a_query_s_own_list():
    """The labels that mask are those of the own list, which stand at every second place of two queries' six."""
    own = torch.tensor([[3.0, 1, 0], [2, 3, 1]], dtype=torch.float64)
    assert torch.equal(own, torch.stack([TAUGHT[0, [0, 2, 4]], TAUGHT[1, [1, 3, 5]]]))
    kl, infonce = BatchKL(None, **DOT), InfoNCE(None, **PLAIN)
    batch = of_scores(SCORES)
    both = WithInfoNCE(kl, infonce, 0.1).of_embeddings(batch, TAUGHT, None)
    parts = kl.of_embeddings(batch, TAUGHT, None) + 0.1 * infonce.of_embeddings(batch, own, None)
    torch.testing.assert_close(both, parts)
    assert OWN[0] == [SCORES[0][i] for i in (0, 2, 4)]


def test_labels_are_the_teacher_s_scores_of_the_batch_that_is_asked_for():
    """Each query with every document of the batch, column after column, on the scale; filling is marked."""
    teacher, scale = HashingEncoder(), Scale(0.1, 0.5)
    data = with_scores(PAIRS, BatchScores(PAIRS, teacher, scale))
    rows = data.__getitems__([1, 2])
    columns = ["wild bees", "old iron", "green tea", "black tea", "wild bees", "green tea"]
    assert [rows[i][c] for c in ("positive", "negative_1", "negative_2") for i in (0, 1)] == columns
    queries = teacher.encode([PAIRS[1].query, PAIRS[2].query], "query")
    worked = (queries @ teacher.encode(columns, "document").T - 0.1) / 0.5
    worked[:, 4] = FILLING
    np.testing.assert_allclose([row["label"] for row in rows], worked, atol=1e-6)


def test_a_student_is_trained_among_the_documents_of_its_batch(tmp_path: Path):
    """The loss falls, and the weights are not those of own lists: the labels of others are learnt from."""
    words = [word for title, text in TOPICS.items() for word in f"{title} {text}".split()]
    table = str(save_static_model(tmp_path / "table", words))
    lists = {"length": 3, "near": 1, "near_depth": 2, "further": 1, "further_depth": 4}
    common = {
        "base_model": table,
        "loss": "kl",
        "epochs": 20,
        "batch_size": 4,
        "learning_rate": 0.05,
    }
    weights = []
    for among in ("own", "batch"):
        settings = common | {"lists": lists | {"teacher": table, "among": among}}
        run = run_of([example(topic) for topic in TOPICS], tmp_path / among, train=settings)
        model = train(run)
        log = (run.file("train_log.jsonl")).read_text().splitlines()
        run.close()
        weights.append((model / "model.safetensors").read_bytes())
        losses = [float(line.split('"loss":')[1].strip("}")) for line in log]
        assert losses[-1] < losses[0]
    assert weights[0] != weights[1]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"loss": "ws2"}, "expected the loss kl, got ws2"),
        ({"loss": "kl", "lists": {"teacher": "score:x"}}, "got lists.teacher score:x; set it"),
        (
            {"loss": "kl", "lists": {"teacher": "m"}, "sampling": {"negatives": "star"}},
            "got sampling.negatives star; set it",
        ),
        ({"loss": "kl", "matryoshka": {"dimensions": [8, 4]}}, "leave one out"),
    ],
)
def test_what_cannot_be_scored_for_a_whole_batch_is_refused(settings: dict[str, object], said: str):
    """Each is an error of the settings, in one line that names what stands in the way."""
    lists = settings.get("lists", {})
    assert isinstance(lists, dict)
    values = {"run": "a", "corpus": {"path": "b"}}
    values["train"] = settings | {"lists": lists | {"among": "batch"}}
    with pytest.raises(SettingsError, match=said):
        resolve(values, "test")


def test_a_student_that_scores_lists_has_no_batch(tmp_path: Path):
    """A cross-encoder reads a query's own list alone."""
    values = {"run": "a", "corpus": {"path": "b"}}
    settings = {"loss": "kl", "student": "cross-encoder", "lists": {"among": "batch"}}
    values["train"] = settings | {"base_model": str(tmp_path)}
    with pytest.raises(SettingsError, match="expected own for a student of the kind cross-encoder"):
        check_student(resolve(values, "test").train)
