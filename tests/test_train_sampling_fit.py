"""Samplers in a real training: every loss with them, as often mined as set, and what the loss gets to see."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from examples import TOPICS, example, run_of
from tiny_model import save_static_model

from synthneg.files import fingerprint
from synthneg.run import Run
from synthneg.train.fit import train
from synthneg.train.lists import FILLING
from synthneg.train.losses.base import ColumnLoss
from synthneg.train.sampling import adore, build
from synthneg.train.sampling.ngame import GrowingClusters
from synthneg.train.students import FITS

pytestmark = pytest.mark.slow

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
EXAMPLES = [example(topic, i, negatives=2) for topic in TOPICS for i in range(2)]
LISTS = {"length": 6, "near": 3, "near_depth": 4, "further": 1, "further_depth": 6}
LEARN = {"epochs": 4, "batch_size": 8, "max_length": 32, "learning_rate": 1e-2, "lists": LISTS}
LIVE = {"batches": "ngame", "negatives": "adore", "double_at": [0.2], "refresh_steps": 3}
TOPICAL = {"batches": "tas", "clusters": 2, "negatives": "balanced", "bins": 3}


def trained(
    folder: Path, opened: list[Run], base: str, vectors: Path | None = None, **learn: object
) -> tuple[Run, list[float]]:
    """Return a run that has been trained on, and its loss curve; `vectors` is where those of others may lie.

    MiniLM says what may be a negative: to the tiny model all texts are near copies.
    """
    settings = LEARN | {"base_model": base, "guide": {"model": MINILM}} | learn
    run = run_of(EXAMPLES, folder, train=settings)
    opened.append(run)
    run.vectors = vectors or run.vectors
    train(run)
    lines = run.file("train_log.jsonl").read_text().splitlines()
    return run, [json.loads(line)["loss"] for line in lines]


@pytest.mark.parametrize("sampling", [LIVE, TOPICAL], ids=["live", "topical"])
@pytest.mark.parametrize("loss", FITS["bi-encoder"])
def test_every_loss_learns_with_samplers(
    loss: str, sampling: dict[str, Any], tiny: str, tmp_path: Path, vectors: Path, opened: list[Run]
):
    """With growing clusters and negatives mined anew, and with topics and bins, the loss is finite and falls."""
    _, curve = trained(tmp_path, opened, tiny, vectors, loss=loss, sampling=sampling, epochs=6)
    assert min(curve[len(curve) // 2 :]) < curve[0]


def test_drawn_negatives_reach_the_loss_with_their_labels(
    tiny: str, tmp_path: Path, opened: list[Run], monkeypatch: pytest.MonkeyPatch
):
    """Beside a list of 6 stand a drawn negative of grade 1 and a random one of grade 0; nothing of a text is lost."""
    seen = []
    forward = ColumnLoss.forward

    def looked_at(self: Any, features: Any, labels: Any) -> Any:
        columns = list(features)
        seen.append((len(columns), labels))
        return forward(self, columns, labels)

    monkeypatch.setattr(ColumnLoss, "forward", looked_at)
    sampling = {"negatives": "star", "hard": 1, "random": 1}
    # Batches of four, for of eight passages those that answer a query of the batch are out.
    learn = {"loss": "listnet", "sampling": sampling, "epochs": 1, "batch_size": 4}
    trained(tmp_path, opened, tiny, **learn)
    assert {columns for columns, _ in seen} == {1 + 6 + 2}
    labels = torch.cat([given for _, given in seen])
    assert labels.shape == (16, 8)
    # Where none may be taken, filling stands, and where chance takes the place of what was to be mined, grade 0.
    assert {1.0} <= set(labels[:, 6].tolist()) <= {1.0, 0.0, FILLING}
    assert {0.0} <= set(labels[:, 7].tolist()) <= {0.0, FILLING}


def test_a_teachers_labels_are_on_the_scale_of_the_lists(
    tiny: str, tmp_path: Path, opened: list[Run], monkeypatch: pytest.MonkeyPatch
):
    """Where a drawn negative is a passage that the list holds as well, both have the same label."""
    rows = []
    labels_of = build.labels_of

    def looked_at(kind: Any, score: Any) -> Any:
        rows.append(score)
        return labels_of(kind, score)

    monkeypatch.setattr(build, "labels_of", looked_at)
    run, _ = trained(tmp_path, opened, tiny, loss="kl", sampling={"negatives": "star"}, epochs=1)
    from synthneg.train.rows import training_examples, training_rows  # noqa: PLC0415 - beside its use

    pairs = training_rows(run, training_examples(run))
    passages = [f"{topic.title()} {text}" for topic, text in TOPICS.items()]
    for query, pair in enumerate(pairs):
        own = dict(zip((pair.positive, *pair.negatives), pair.labels, strict=True))
        for row, text in enumerate(passages):
            if text in own:
                assert rows[0](query, row) == pytest.approx(own[text], abs=1e-4)


def test_mined_as_often_as_set(
    tiny: str, tmp_path: Path, opened: list[Run], monkeypatch: pytest.MonkeyPatch
):
    """Of 8 steps, every 3: at the beginning and twice more; clusters are made in each epoch but the first."""
    mined, made = [], []
    mine, begins = adore.Adore._mine, GrowingClusters.epoch_begins

    def counted(self: Any, since: int, encode: Any) -> None:
        mined.append(since)
        mine(self, since, encode)

    def begun(self: Any, epoch: int, encode: Any) -> None:
        begins(self, epoch, lambda: (made.append(epoch), encode())[1])

    monkeypatch.setattr(adore.Adore, "_mine", counted)
    monkeypatch.setattr(GrowingClusters, "epoch_begins", begun)
    trained(tmp_path, opened, tiny, sampling=LIVE)
    assert mined == [0, 4, 7]
    assert made == [1, 2, 3]


def test_one_seed_gives_one_model_with_samplers(tiny: str, tmp_path: Path, opened: list[Run]):
    """Two trainings with live samplers are equal in their weights, and another seed gives others."""
    weights = []
    for place, seed in (("a", 7), ("b", 7), ("c", 8)):
        learn = LEARN | {"base_model": tiny, "sampling": LIVE}
        run = run_of(EXAMPLES, tmp_path / place, seed=seed, train=learn)
        opened.append(run)
        weights.append(fingerprint(train(run) / "model.safetensors"))
    assert weights[0] == weights[1] != weights[2]


def test_other_known_answers_train_anew(tmp_path: Path, opened: list[Run]):
    """Where another file of queries tells of other answers, negatives may be others, so the model is made anew."""
    words = [word for title, text in TOPICS.items() for word in f"{title} {text}".split()]
    base = str(save_static_model(tmp_path / "table", words))
    learn = {"learning_rate": 0.1, "sampling": {"negatives": "star"}, "epochs": 1}
    run, _ = trained(tmp_path, opened, base, **learn)
    before = run.file("model").stat().st_mtime_ns
    train(run)
    assert run.file("model").stat().st_mtime_ns == before
    with run.stage("generate.queries", "queries.jsonl"):
        pass
    train(run)
    assert run.file("model").stat().st_mtime_ns != before
