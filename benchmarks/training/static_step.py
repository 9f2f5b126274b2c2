"""What a step of a static student costs here beside sentence-transformers' own way through the same batch.

    python benchmarks/training/static_step.py MODEL [--steps 12] [--json FILE]

MODEL is a static table of word vectors such as potion-base-8M. A step reads, embeds and learns from 32 queries with
lists of 64 documents each (KL to drawn scores), forward, backward and AdamW. Texts are drawn by seed: 600 documents of
200 words, which the lists share as neighbours of one corpus do. theirs: the tokenizer reads each column anew, and each
column is embedded by a call of its own; here: each text is read once in the training and embedded once in a batch. In
turn, step by step, CPU seconds of one thread; the mean of the ratios with a 95 % interval of Student's t. The first
step of each, which reads every text for the first time in both, is not counted.
"""

import argparse
import json
import random
import statistics
import time
from pathlib import Path

import torch
from scipy.stats import t as student
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses.merged_forward import embed_columns

from synthneg.train.losses.kl import ListKL
from synthneg.train.students.static import ReadOnce

QUERIES, DOCUMENTS, CORPUS, WORDS, SEED = 32, 64, 600, 200, 7


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    drawn = random.Random(SEED)
    model = SentenceTransformer(options.model, device="cpu")
    words = sorted(word for word in model[0].tokenizer.get_vocab() if word.isalpha())
    corpus = [" ".join(drawn.choices(words, k=WORDS)) for _ in range(CORPUS)]
    batches = [batch(corpus, words, drawn) for _ in range(options.steps + 1)]
    loss = ListKL(model)
    own = Course(model, ReadOnce(model.preprocess), loss)
    theirs = Course(
        model, model.preprocess, lambda f, y: loss.of_embeddings(embed_columns(model, f), y, None)
    )
    own.reads(corpus)  # an epoch before has
    seconds = [(own.step(*one), theirs.step(*one)) for one in batches][1:]
    ratios = [a / b for a, b in seconds]
    half = student.ppf(0.975, len(ratios) - 1) * statistics.stdev(ratios) / len(ratios) ** 0.5
    mean = statistics.mean(ratios)
    found = {
        "ratio": mean,
        "low": mean - half,
        "high": mean + half,
        "n": len(ratios),
        "here": statistics.mean(a for a, _ in seconds),
        "theirs": statistics.mean(b for _, b in seconds),
    }
    print(json.dumps(found, indent=2))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def batch(
    corpus: list[str], words: list[str], drawn: random.Random
) -> tuple[list[list[str]], torch.Tensor]:
    """Return columns of texts, queries first, and a teacher's scores."""
    lists = [drawn.sample(corpus, DOCUMENTS) for _ in range(QUERIES)]
    queries = [" ".join(drawn.choices(words, k=8)) for _ in range(QUERIES)]
    scores = torch.tensor([[drawn.random() for _ in range(DOCUMENTS)] for _ in range(QUERIES)])
    return [queries, *map(list, zip(*lists, strict=True))], scores


class Course:
    """One way through the batches."""

    def __init__(self, model, preprocess, loss) -> None:
        self._preprocess, self._loss, self._model = preprocess, loss, model
        self._optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def reads(self, texts: list[str]) -> None:
        """Read texts without learning from them."""
        self._preprocess(texts)

    def step(self, columns: list[list[str]], scores: torch.Tensor) -> float:
        """Return the CPU seconds of a step."""
        start = time.process_time()
        self._optimizer.zero_grad()
        self._loss([self._preprocess(column) for column in columns], scores).backward()
        self._optimizer.step()
        return time.process_time() - start


if __name__ == "__main__":
    main()
