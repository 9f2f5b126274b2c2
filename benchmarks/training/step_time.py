"""What a step of WS2 costs beside one of InfoNCE, and training through synthneg beside sentence-transformers' trainer.

    python benchmarks/training/step_time.py MODEL [--layers 6] [--steps 8] [--trainings 4] [--json FILE]

Both are measured in turn, one after the other, and compared pair by pair: the mean of the ratios, with a 95 % interval
of Student's t over them. Time is CPU time of the process on one thread, in seconds. Texts are 8 (queries) and 32 words
(documents), drawn by seed from words that are one token each. Fewer layers make the model cheaper and so every ratio
larger: what is shown is then an upper bound.

step: 64 queries with 4 documents of grades 3, 2, 1, 0, gradients cached in mini-batches of 16; forward and backward.
loss: the same number of vectors, without the model.
trainer: 128 pairs with one negative, batches of 32, InfoNCE: once as the stage `train`, files written; once by the
plain trainer with CachedMultipleNegativesRankingLoss, saved as well. The model is loaded in both.
"""

import argparse
import json
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from datasets import Dataset
from scipy.stats import t as student
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
from transformers import PrinterCallback

from synthneg.progress import say
from synthneg.records import Example, Judged, Origin, Passage
from synthneg.run import Run
from synthneg.settings import resolve
from synthneg.train.fit import train
from synthneg.train.losses.combined import WithInfoNCE
from synthneg.train.losses.infonce import InfoNCE
from synthneg.train.losses.ws2 import WS2

QUERIES, DOCUMENTS, PAIRS, SEED = 64, 4, 128, 7
LEARN = {"epochs": 1, "batch_size": 32, "mini_batch_size": 16, "learning_rate": 2e-5}
ORIGIN = Origin("query/question@00000000", "none", {}, SEED, "none")


class Texts:
    """Texts of drawn words, each one token of the model."""

    def __init__(self, model: SentenceTransformer) -> None:
        words = [word for word in model.tokenizer.get_vocab() if word.isascii() and word.isalpha()]
        self._words = sorted(word for word in words if len(word) > 3)
        self._drawn = random.Random(SEED)

    def __call__(self, words: int) -> str:
        return " ".join(self._drawn.choices(self._words, k=words))


def cut(name: str, layers: int, folder: Path) -> str:
    """Write the model with its first layers alone, and return the folder."""
    model = SentenceTransformer(name)
    inner = model[0].auto_model
    inner.encoder.layer = inner.encoder.layer[:layers]
    inner.config.num_hidden_layers = layers
    model.save_pretrained(str(folder))
    return str(folder)


def cpu_s(task: Callable[[], object]) -> float:
    start = time.process_time()
    task()
    return time.process_time() - start


def compared(a: Callable[[], object], b: Callable[[], object], rounds: int) -> dict[str, float]:
    """Return mean ratio of b to a over interleaved rounds with its interval; the order changes from round to round."""
    ratios, times = [], ([], [])
    for round_ in range(-1, rounds):
        order = ((0, a), (1, b)) if round_ % 2 else ((1, b), (0, a))
        found = {which: cpu_s(task) for which, task in order}
        if round_ >= 0:  # the first warms up
            ratios.append(found[1] / found[0])
            times[0].append(found[0])
            times[1].append(found[1])
    half = student.ppf(0.975, rounds - 1) * statistics.stdev(ratios) / rounds**0.5
    mean = statistics.mean(ratios)
    medians = [statistics.median(values) for values in times]
    return {
        **{"n": rounds, "ratio": mean, "low": mean - half, "high": mean + half},
        **{"first_s": medians[0], "second_s": medians[1]},
    }


def steps(model: SentenceTransformer, rounds: int) -> dict[str, dict[str, float]]:
    text = Texts(model)
    texts = [[text(32 if column else 8) for _ in range(QUERIES)] for column in range(1 + DOCUMENTS)]
    grades = torch.tensor([[3.0, 2.0, 1.0, 0.0]] * QUERIES)
    cached = {"mini_batch_size": 16}
    infonce = InfoNCE(model, **cached)
    ws2 = WS2(model, temperature=0.05, label_scale=3.0, **cached)
    both = WithInfoNCE(ws2, InfoNCE(model, **cached), 0.1)

    def step(loss: InfoNCE | WS2 | WithInfoNCE) -> Callable[[], None]:
        def task() -> None:
            model.zero_grad()
            loss([model.preprocess(column) for column in texts], grades).backward()

        return task

    torch.manual_seed(SEED)
    vectors = torch.randn(1 + DOCUMENTS, QUERIES, 384).unbind(0)
    vectors = [vector.clone().requires_grad_() for vector in vectors]

    def alone(loss: InfoNCE | WS2) -> Callable[[], None]:
        return lambda: loss.of_embeddings(vectors, grades, None).backward()

    return {
        "step: ws2 / infonce": compared(step(infonce), step(ws2), rounds),
        "step: ws2 + infonce / infonce": compared(step(infonce), step(both), rounds),
        "loss: ws2 / infonce": compared(alone(infonce), alone(ws2), 20 * rounds),
    }


def examples(model: str) -> list[Example]:
    text = Texts(SentenceTransformer(model))

    def document(id: str, grade: int, source: str) -> Judged:
        return Judged(id, text(32), "", grade, source, {}, None)

    return [
        Example(
            *(f"q{i}", text(8), f"p{i}", "train", ORIGIN),
            (document(f"p{i}", 3, "corpus"), document(f"q{i}.n", 1, "negative")),
        )
        for i in range(PAIRS)
    ]


def trained_by_us(model: str, rows: list[Example], folder: Path) -> None:
    settings = {"run": "us", "corpus": {"path": "none"}, "train": {"base_model": model, **LEARN}}
    run = Run(folder, resolve(settings, "benchmark"))
    with run.stage("corpus", "passages.jsonl") as stage:
        for row in rows:
            stage.take()
            stage.keep(Passage(row.passage_id, row.positive.text))
    with run.stage("verify.documents", "examples.jsonl") as stage:
        for row in rows:
            stage.take()
            stage.keep(row)
    train(run)
    run.close()


def trained_plainly(model: str, rows: list[Example], folder: Path) -> None:
    student_ = SentenceTransformer(model)
    student_.max_seq_length = 256
    arguments = SentenceTransformerTrainingArguments(
        **{"output_dir": str(folder), "num_train_epochs": LEARN["epochs"], "seed": SEED},
        **{"per_device_train_batch_size": LEARN["batch_size"], "warmup_steps": 1},
        **{"learning_rate": LEARN["learning_rate"], "save_strategy": "no", "report_to": "none"},
        **{"disable_tqdm": True, "dataloader_pin_memory": False},
    )
    columns = [
        {"query": e.query, "positive": e.positive.text, "negative": e.documents[1].text}
        for e in rows
    ]
    loss = CachedMultipleNegativesRankingLoss(
        student_, scale=20.0, mini_batch_size=LEARN["mini_batch_size"]
    )
    trainer = SentenceTransformerTrainer(student_, arguments, Dataset.from_list(columns), loss=loss)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    student_.save_pretrained(str(folder / "model"))


def trainings(model: str, rounds: int) -> dict[str, float]:
    rows = examples(model)
    with tempfile.TemporaryDirectory() as folder:
        names = iter(range(4 * rounds))

        def fresh() -> Path:
            place = Path(folder, str(next(names)))
            place.mkdir()
            return place

        return compared(
            lambda: trained_plainly(model, rows, fresh()),
            lambda: trained_by_us(model, rows, fresh()),
            rounds,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", help="folder or Hub name of a sentence-transformers model")
    parser.add_argument("--layers", type=int, default=6, help="of the model that are kept")
    parser.add_argument("--steps", type=int, default=8, help="pairs of steps")
    parser.add_argument("--trainings", type=int, default=4, help="pairs of trainings")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = cut(options.model, options.layers, Path(folder, Path(options.model).name))
        found = steps(SentenceTransformer(model), options.steps)
        found["trainer: synthneg / plain"] = trainings(model, options.trainings)
    setup = {
        **{"model": Path(options.model).name, "layers": options.layers},
        **{"queries": QUERIES, "documents": DOCUMENTS, "pairs": PAIRS, "seed": SEED},
        **{"threads": 1, "torch": torch.__version__, "python": platform.python_version()},
    }
    say(" ".join(f"{key}={value}" for key, value in setup.items()))
    print("| compared | n | ratio of CPU time | 95 % interval | median s |")
    print("|---|---|---|---|---|")
    for name, row in found.items():
        print(
            f"| {name} | {row['n']:.0f} | {row['ratio']:.3f} | {row['low']:.3f} – {row['high']:.3f}"
            f" | {row['second_s']:.3g} / {row['first_s']:.3g} |"
        )
    if options.json:
        options.json.write_text(json.dumps({"setup": setup, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
