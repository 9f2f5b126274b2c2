"""A training that is killed, by SIGKILL in a process of its own, and taken up again."""

import re
import signal
from pathlib import Path

import pytest
from examples import TOPICS, example, run_of
from killed_training import CURVE_POINTS, killed_at
from tiny_model import save_static_model, save_tiny_model

from synthneg.files import fingerprint
from synthneg.train import checkpoints, loop
from synthneg.train.checkpoints import Checkpoints, Pace
from synthneg.train.fit import train

EXAMPLES = [example(topic, i) for topic in TOPICS for i in range(2)]
# 24 steps of 4 an epoch; a point of the curve, and so a checkpoint, every 3.
LEARN = {"epochs": 6, "batch_size": 4, "max_length": 32, "learning_rate": 1e-3}


def made(folder: Path) -> dict[str, str]:
    """Return a hash of each file that training has made."""
    files = [p for p in (folder / "model").rglob("*") if p.is_file()]
    return {
        str(p.relative_to(folder)): fingerprint(p) for p in [*files, folder / "train_log.jsonl"]
    }


# What of sampling there is to remember, and what is drawn by batch: settings of train.sampling.
SAMPLED = {
    "ngame": {"batches": "ngame", "double_at": [0.1, 0.5], "refresh_epochs": 2},
    # Of one cluster, so that an epoch has as many steps as without.
    "tas": {"batches": "tas", "clusters": 1, "negatives": "balanced", "bins": 3},
    "star": {"negatives": "star", "depth": 4},
    "adore": {"negatives": "adore", "depth": 4, "refresh_steps": 2},
    "progressive": {"negatives": "progressive", "depth": 8},
}


# Of lists whose documents the teacher scores for the whole batch.
AMONG = {
    "among": "batch",
    "length": 4,
    "near": 2,
    "near_depth": 3,
    "further": 1,
    "further_depth": 5,
}


def learn_of(kind: str, folder: Path) -> dict[str, object]:
    """Return the settings of a student of this kind, written to `folder`."""
    if kind in SAMPLED:
        return learn_of("transformer", folder) | {"sampling": SAMPLED[kind]}
    if kind in ("static", "among"):
        words = [word for title, text in TOPICS.items() for word in f"{title} {text}".split()]
        table = str(save_static_model(folder / "table", words))
        taught = {"loss": "kl", "lists": AMONG | {"teacher": table}} if kind == "among" else {}
        return LEARN | {"base_model": table} | taught
    if kind in (
        "cross-encoder",
        "sparse",
    ):  # with layers of random weights, which belong to no adapter
        base = str(save_tiny_model(folder / "tiny"))
        return LEARN | {"base_model": base, "student": kind, "lora": {"rank": 4}}
    # Mixed negatives are drawn while training, and the model has dropout.
    base = str(save_tiny_model(folder / "tiny"))
    if kind == "frozen":
        taught = {"loss": "kl", "lists": AMONG | {"teacher": base, "lexical": 0.4}}
        return LEARN | {"base_model": base, "documents": "frozen"} | taught
    return LEARN | {"base_model": base, "infonce": {"mixed": 3, "mixed_from": 4}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["transformer", "static", "cross-encoder", "sparse", "among", "frozen", *SAMPLED]
)
def test_a_killed_training_ends_as_if_nothing_had_happened(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Killed within an epoch and at its end it gives the same bytes, and goes on from the newest checkpoint.

    The transformer is also killed before there is a checkpoint, and before one is whole: of that no student knows.
    """
    learn = learn_of(kind, tmp_path)
    monkeypatch.setattr(loop, "_LOSSES_KEPT", CURVE_POINTS)
    undisturbed = run_of(EXAMPLES, tmp_path / "a", train=learn)
    train(undisturbed)
    undisturbed.close()
    run_of(EXAMPLES, tmp_path / "b", train=learn).close()
    points = {"step:2": [], "step:11": [], "marked:12": ["9"], "unmarked:18": ["12"], "end": ["15"]}
    if kind != "transformer":
        points = {"step:11": [], "marked:12": ["9"], "end": ["12"]}
    statuses, said = killed_at(tmp_path / "b", list(points))
    assert statuses == [-signal.SIGKILL] * (len(points) - 1) + [0], said
    taken_up = [re.findall(r"taken up at step (\d+) of 24", text) for text in said]
    assert taken_up == list(points.values())
    folder = tmp_path / "b" / "small"
    assert made(folder) == made(undisturbed.folder)
    assert not (folder / "checkpoints").exists()


def checkpoint(folder: Path, step: int, inputs: str | None = None) -> Path:
    """Write a checkpoint, marked as whole with these inputs."""
    made = folder / f"checkpoint-{step}"
    made.mkdir(parents=True)
    (made / "model.safetensors").write_bytes(b"weights")
    if inputs is not None:
        (made / "inputs.sha256").write_text(inputs)
    return made


def test_only_a_whole_checkpoint_of_these_inputs_is_taken_up(tmp_path: Path):
    """Of other inputs, unmarked or older ones are removed; the newest by number is taken, not by name."""
    kept = Checkpoints(tmp_path, "a")
    assert kept.newest() is None
    checkpoint(tmp_path, 9, "a")
    checkpoint(tmp_path, 10, "a")
    checkpoint(tmp_path, 20, "b")
    checkpoint(tmp_path, 30)
    assert kept.newest() == tmp_path / "checkpoint-10"
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-10"]
    assert Checkpoints(tmp_path, "b").newest() is None
    assert not list(tmp_path.iterdir())


def test_a_finished_checkpoint_takes_the_place_of_the_one_before(tmp_path: Path):
    """The older one is there until the newer one is whole, and gone after."""
    kept = Checkpoints(tmp_path, "a")
    older = checkpoint(tmp_path, 3)
    kept.finish(3)
    newer = checkpoint(tmp_path, 6)
    assert older.exists()
    kept.finish(6)
    assert kept.newest() == newer
    assert not older.exists()
    kept.remove()
    assert not tmp_path.exists()


def test_checkpoints_take_a_fiftieth_of_the_time(monkeypatch: pytest.MonkeyPatch):
    """A step of a second, a checkpoint of 3: over five hours they take no more than 2 %, and are no rarer than that."""
    now = 0.0
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now)
    pace, written = Pace(), []
    while now < 18_000:
        now += 1
        if pace.begin():
            written.append(now)
            now += 3
            pace.end()
    assert written[0] == 60
    assert 0.019 < 3 * len(written) / now <= 0.02


@pytest.mark.slow
def test_a_training_of_other_inputs_begins_anew(tmp_path: Path):
    """Checkpoints of other settings or examples are not gone on with: another fingerprint, another training."""
    base = str(save_tiny_model(tmp_path / "tiny"))
    for epochs, point, status in ((6, "marked:6", -signal.SIGKILL), (3, "end", 0)):
        learn = LEARN | {"base_model": base, "epochs": epochs}
        run_of(EXAMPLES, tmp_path / "a", train=learn).close()
        statuses, said = killed_at(tmp_path / "a", [point])
        assert statuses == [status], said
        assert "taken up" not in "".join(said)
    log = tmp_path / "a" / "small" / "train_log.jsonl"
    assert len(log.read_text().splitlines()) == 12
