"""Training in several processes against one: how far losses and weights are apart.

python benchmarks/training/processes.py RUN LOSS=MODEL... --folder SCRATCH [--processes 2] [--json FILE]

RUN is the folder of a finished run, whose examples are trained on; nothing is written there. Each model, with its
dropout off, is trained with its loss by the stage `train`, in one process and in several.

  loss       largest relative difference of the loss in any step
  weights    1 less the cosine of all weights
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

from synthneg.files import fingerprint
from synthneg.run import Run
from synthneg.scoring.kind import is_static
from synthneg.settings import resolve
from synthneg.train.fit import train

LEARN = {"epochs": 1, "batch_size": 16, "mini_batch_size": 4, "negatives": 1, "max_length": 128}
_DROPOUT = ("hidden_dropout_prob", "attention_probs_dropout_prob")


def without_dropout(name: str, folder: Path) -> str:
    """Write a copy of the model without dropout, and return its folder."""
    SentenceTransformer(name).save_pretrained(str(folder))
    for file in folder.rglob("config.json"):
        found = json.loads(file.read_text())
        file.write_text(json.dumps(found | {k: 0.0 for k in _DROPOUT if k in found}))
    return str(folder)


def trained(run: Path, outputs: Path, learn: dict[str, Any]) -> tuple[list[float], np.ndarray]:
    """Train on the examples of a run, and return the loss by step and all weights."""
    settings = yaml.safe_load((run / "run.yaml").read_text())
    settings["train"] = learn
    folder = outputs / settings["run"]
    shutil.rmtree(outputs, ignore_errors=True)
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("model*", "dataset*", ".lock"))
    opened = Run(outputs, resolve(settings, str(run)))
    try:
        model = train(opened)
        log = opened.file("train_log.jsonl").read_text().splitlines()
    finally:
        opened.close()
    found = [load_file(file) for file in sorted(model.rglob("*.safetensors"))]
    weights = [w[key].ravel().astype(np.float64) for w in found for key in sorted(w)]
    return [json.loads(line)["loss"] for line in log], np.concatenate(weights)


def main() -> None:
    """Train each pair and say how far it is apart."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("trainings", nargs="+")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for training in options.trainings:
        loss, _, name = training.partition("=")
        model = without_dropout(name, options.folder / "models" / Path(name).name)
        rate = 0.05 if is_static(model) else 5e-5
        learn = LEARN | {"base_model": model, "loss": loss, "learning_rate": rate}
        (one, a), (other, b) = (
            trained(options.run, options.folder / "outputs", learn | {"processes": n})
            for n in (1, options.processes)
        )
        apart = max(abs(x - y) / abs(x) for x, y in zip(one, other, strict=True))
        cosine = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        row = {"model": Path(name).name, "loss": loss, "steps": len(one)}
        rows.append(row | {"loss_apart": apart, "weights_apart": 1 - cosine})
        print(rows[-1], flush=True)
    found = {"processes": options.processes, "settings": LEARN, "rows": rows}
    found["examples"] = fingerprint(options.run / "examples.jsonl")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
