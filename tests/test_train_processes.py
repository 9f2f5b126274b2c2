"""Training in several processes that share each batch: the same steps and weights as in one, and the same ends."""

import re
import signal
from pathlib import Path

import numpy as np
import pytest
from examples import run_of
from killed_training import killed_together
from refusing import refuse
from shared_training import EXAMPLES, LISTS, Cases, Curves, alone, models, shared, weights

from synthneg.errors import SettingsError
from synthneg.files import fingerprint
from synthneg.train.launch import in_processes

# Two further processes load all libraries; on a machine that others use, that takes minutes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Sums in another order are other floats, and so are texts padded to another width: 2e-6 and 3e-15 were seen.
LOSS_WITHIN, COSINE_WITHIN = 1e-5, 1e-9
LONG = {"epochs": 4, "lists": {}, "mini_batch_size": 16}


def cases(folder: Path) -> Cases:
    """Return trainings of every way to bring a batch together, by name."""
    base = models(folder)
    short = {"epochs": 1, "batch_size": 4, "max_length": 32, "negatives": 2, "mini_batch_size": 3}
    lists = LISTS | {"label_scale": 3.0, "teacher": base["table"]}
    table = short | {"base_model": base["table"], "learning_rate": 0.05, "lists": lists}
    minilm = short | {"base_model": base["minilm"], "learning_rate": 1e-4, "lists": lists}
    tiny = minilm | {"base_model": base["tiny"]}
    cut = {"matryoshka": {"dimensions": [32, 16]}}
    adore = {"negatives": "adore", "depth": 4, "refresh_steps": 2}
    return {
        "table infonce": table | cut,
        "table long": table | LONG,
        "minilm infonce": minilm,
        "minilm ws2": minilm | {"loss": "ws2"},
        "table cadet": table | {"loss": "kl", "lists": lists | {"among": "batch"}},
        "table rank-pairs": table | {"loss": "rank-pairs", "sampling": {"batches": "tas"}},
        "table adore": table | {"epochs": 2, "sampling": adore},
        "tiny mixed": tiny | {"infonce": {"mixed": 3, "mixed_from": 4}} | cut,
        "tiny gist": tiny | {"loss": "gist", "guide": {"model": base["tiny"], "margin": 0.0}},
        "tiny adapters": tiny | {"lora": {"rank": 4, "dropout": 0.0}},
        "tiny sparse": tiny | {"student": "sparse"},
        "tiny late": tiny | {"student": "multi-vector"},
        "tiny pairs": tiny | {"base_model": base["reranker"], "loss": "bce"},
    }


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Cases, Curves]:
    """Return the folder of the trainings in two processes, their settings and their losses by step."""
    folder = tmp_path_factory.mktemp("together")
    wanted = cases(folder / "models")
    for name, learn in wanted.items():
        run_of(EXAMPLES, folder / "runs" / name, train=learn).close()
    return folder / "runs", wanted, in_processes(2, shared, folder / "runs", wanted)


def test_two_processes_train_as_one_does(together: tuple[Path, Cases, Curves]):
    """Of losses of all shapes, students and samplers, each step's loss and gradient and the weights are those of one.

    Some of the batches have a single query, so that one of the processes has none. The norm of the gradient tells what
    the weights do not, for Adam makes the same steps of a gradient half as large.
    """
    runs, wanted, found = together

    expected = alone(runs, wanted)

    assert list(found) == list(expected)
    for name, log in expected.items():
        for key, within in (("loss", LOSS_WITHIN), ("grad_norm", 10 * LOSS_WITHIN)):
            one, two = (np.array([row[key] for row in rows]) for rows in (log, found[name]))
            assert one.min() > 1e-3, (name, key)
            assert np.allclose(two, one, rtol=within), (
                name,
                key,
                one,
                two,
            )
        one, two = weights(runs / name / "model"), weights(runs / name / "shared-model")
        cosine = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
        assert cosine > 1 - COSINE_WITHIN, (name, cosine)


def test_whatever_ends_it_the_same_command_goes_on_to_the_same_weights(
    together: tuple[Path, Cases, Curves], tmp_path: Path
):
    """A worker killed, the command killed, Ctrl-C: all processes end, and the checkpoint is taken up.

    What the command says is one line each time, and the weights are, byte by byte, those of an undisturbed training.
    """
    runs, wanted, _ = together
    learn = wanted["table long"]
    verify = {"encoder": learn["base_model"]}
    run_of(EXAMPLES, tmp_path, train=learn | {"processes": 2}, verify=verify).close()

    ends = killed_together(tmp_path, ["worker:8", "launcher:12", "keyboard:16", "end"])

    assert [e.status for e in ends] == [2, -signal.SIGKILL, 130, 0], ends
    assert not any(e.left for e in ends)
    lines = [line for e in ends for line in e.said.splitlines() if line]
    assert all(line.startswith(("train", "synthneg: ", "  ")) for line in lines), lines
    said = "synthneg: train.processes: process 1 of the training was ended by SIGKILL"
    assert ends[0].said.splitlines()[-1].startswith(said)
    assert ends[2].said.splitlines()[-1].startswith("synthneg: stopped")
    taken_up = [re.findall(r"taken up at step (\d+)", e.said) for e in ends]
    assert taken_up == [[], ["6"], ["10"], ["14"]]
    models = (runs / "table long" / "shared-model", tmp_path / "small" / "model")
    expected, found = (fingerprint(folder / "model.safetensors") for folder in models)
    assert found == expected
    assert not (tmp_path / "small" / "checkpoints").exists()


def test_an_error_in_one_process_is_the_error_of_the_command():
    """What one process raises comes out as it would from this one, while others wait; handlers of signals stay."""
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(SettingsError, match=r"^train\.loss: expected another$"):
        in_processes(2, refuse, "loss")

    assert signal.getsignal(signal.SIGTERM) is before
