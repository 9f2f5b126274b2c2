"""Trainings in this process alone, and the same ones in two processes that share each batch."""

import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples import TOPICS, example, settings
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from tiny_model import save_static_model, save_tiny_model, save_tiny_reranker

from synthneg.run import Run
from synthneg.scoring.encoder import find_model
from synthneg.train import fit, loop
from synthneg.train.checkpoints import Checkpoints
from synthneg.train.launch import joined
from synthneg.train.share import ALONE, Share

Curves = dict[str, list[dict[str, float]]]
Cases = dict[str, dict[str, Any]]  # settings of `train` by the name of a training

# Two queries a passage, and two that say the same of one: batches of several sizes, down to a single query.
EXAMPLES = [example(topic, i, negatives=2) for topic in TOPICS for i in range(2)]
EXAMPLES += [example("tea", number, negatives=0) for number in (8, 9)]
LISTS = {"length": 6, "near": 3, "near_depth": 4, "further": 1, "further_depth": 6}


def models(folder: Path) -> dict[str, str]:
    """Write students of each kind, without dropout, and return their folders."""
    texts = [e.query for e in EXAMPLES] + [d.full_text for e in EXAMPLES for d in e.documents]
    words = [word for text in texts for word in text.split()]
    made = {
        "table": save_static_model(folder / "table", words),
        "tiny": save_tiny_model(folder / "tiny"),
        "reranker": save_tiny_reranker(folder / "reranker"),
        "minilm": folder / "minilm",
    }
    minilm = SentenceTransformer(find_model("sentence-transformers/all-MiniLM-L6-v2"))
    body = minilm[0].auto_model
    body.encoder.layer, body.config.num_hidden_layers = body.encoder.layer[:2], 2
    minilm.save_pretrained(str(made["minilm"]))
    for file in folder.rglob("config.json"):
        found = json.loads(file.read_text())
        off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        file.write_text(json.dumps(found | {k: v for k, v in off.items() if k in found}))
    return {name: str(path) for name, path in made.items()}


def alone(outputs: Path, cases: Cases) -> Curves:
    """Train each in this process and return what its trainer logs by step; its model is in `outputs/NAME/model`."""
    return _fitted(outputs, cases, ALONE)


def shared(outputs: Path, cases: Cases) -> Curves:
    """Train each as one of several processes; its model is in `outputs/NAME/shared-model`."""
    gc.freeze()  # each training looks through all that is collectable, and what is imported is a million objects
    with joined() as share:
        return _fitted(outputs, cases, share)


def _fitted(outputs: Path, cases: Cases, share: Share) -> Curves:
    curves: Curves = {}
    logs: list[list[dict[str, float]]] = []
    for name, learn in cases.items():
        folder = outputs / name
        run = Run(folder, settings(train=learn), joins=True)
        run.vectors = outputs.parent / "vectors"
        checkpoints = Checkpoints(folder / "checkpoints", "")
        made = folder / ("model" if share.count == 1 else "shared-model")
        with pytest.MonkeyPatch.context() as patch:
            # The trainer's own log, for the norm of each step's gradient.
            patch.setattr(loop, "_describe_training", lambda _, log: logs.append(log))
            fit._fit(run, [], made, checkpoints, share)
        curves[name] = logs[-1]
    return curves


def weights(model: Path) -> np.ndarray:
    """Return all weights of a model, end to end, in the order of their names."""
    found = [load_file(file) for file in sorted(model.rglob("*.safetensors"))]
    return np.concatenate([w[k].ravel().astype(np.float64) for w in found for k in sorted(w)])
