"""Training itself, on a tiny model with random weights and on all-MiniLM-L6-v2."""

import json
from pathlib import Path

import numpy as np
import pytest
from datasets import disable_progress_bars, load_dataset
from examples import TOPICS, example, run_of, settings
from safetensors.numpy import load_file
from sentence_transformers import (
    CrossEncoder,
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.cross_encoder import (
    CrossEncoderTrainer,
    CrossEncoderTrainingArguments,
)
from sentence_transformers.cross_encoder.losses import LambdaLoss
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from tiny_model import save_static_model

from synthneg.dataset.export import export
from synthneg.errors import ModelError, RunError
from synthneg.files import fingerprint
from synthneg.run import Run
from synthneg.scoring.encoder import find_model, load_encoder
from synthneg.train.fit import train

pytestmark = pytest.mark.slow

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
EXAMPLES = [example(topic, i) for topic in TOPICS for i in range(2)]


def test_training_makes_a_model_that_prefers_the_passage(
    tiny: str, tmp_path: Path, opened: list[Run], capfd: pytest.CaptureFixture[str]
):
    """The tuned folder loads with the wanted length, ranks passages better than its base, and the loss falls."""
    learn = {"base_model": tiny, "epochs": 10, "batch_size": 8, "learning_rate": 1e-2}
    run = run_of(EXAMPLES, tmp_path, train=learn | {"max_length": 32})
    opened.append(run)
    folder = train(run)
    assert folder == run.file("model")
    assert SentenceTransformer(str(folder)).max_seq_length == 32
    assert mean_rank(str(folder)) < mean_rank(tiny)
    curve = [json.loads(line) for line in run.file("train_log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in curve] == list(range(1, 21))
    assert curve[-1]["loss"] < curve[0]["loss"] / 2
    out, err = capfd.readouterr()
    assert out == ""
    assert all(line.startswith("train  ") for line in err.splitlines()), err


def mean_rank(model: str) -> float:
    """Return the mean rank of each query's passage among all passages."""
    encoder = load_encoder(model, batch_size=8)
    queries = encoder.encode([e.query for e in EXAMPLES], "query")
    passages = encoder.encode([f"{t.title()} {text}" for t, text in TOPICS.items()], "document")
    scores = queries @ passages.T
    own = scores[np.arange(len(EXAMPLES)), [list(TOPICS).index(e.passage_id) for e in EXAMPLES]]
    return float((scores > own[:, None]).sum(axis=1).mean())


def test_the_same_run_gives_the_same_bytes(tiny: str, tmp_path: Path, opened: list[Run]):
    """Two trainings with one seed are equal in every file, in different folders; another seed gives other weights."""

    def trained(folder: str, seed: int) -> dict[str, str]:
        run = run_of(EXAMPLES, tmp_path / folder, seed=seed, train={"base_model": tiny})
        opened.append(run)
        model = train(run)
        return {str(p.relative_to(model)): fingerprint(p) for p in model.rglob("*") if p.is_file()}

    first, second, other = trained("a", 7), trained("b", 7), trained("c", 8)
    assert "model.safetensors" in first
    assert first == second
    assert first["model.safetensors"] != other["model.safetensors"]


def test_a_static_table_of_word_vectors_can_be_trained(tmp_path: Path, opened: list[Run]):
    """A model that reads texts of any length, and whose length cannot be set, is trained as others are."""
    words = [word for title, text in TOPICS.items() for word in f"{title} {text}".split()]
    base = save_static_model(tmp_path / "table", words)
    learn = {"base_model": str(base), "epochs": 10, "batch_size": 8, "learning_rate": 1e-1}
    run = run_of(EXAMPLES, tmp_path, train=learn | {"max_length": 32})
    opened.append(run)
    assert mean_rank(str(train(run))) < mean_rank(str(base))


def test_nothing_is_left_beside_the_model(
    tiny: str, tmp_path: Path, opened: list[Run], monkeypatch: pytest.MonkeyPatch
):
    """Training writes the model and its log into the run, no checkpoint, and nothing where it was started."""
    start = tmp_path / "start"
    start.mkdir()
    monkeypatch.chdir(start)
    run = run_of(EXAMPLES, tmp_path / "runs", train={"base_model": tiny})
    opened.append(run)
    before = {p.name for p in run.folder.iterdir()}
    model = train(run)
    assert {p.name for p in run.folder.iterdir()} - before == {"model", "train_log.jsonl"}
    assert not list(start.iterdir())
    assert not [p for p in model.rglob("*") if "checkpoint" in p.name or p.suffix == ".bin"]
    for file in (p for p in model.rglob("*") if p.is_file()):
        assert str(tmp_path.parent).encode() not in file.read_bytes()
    assert "tuned on small" in (model / "README.md").read_text(encoding="utf-8")


def test_a_model_is_trained_once(tiny: str, tmp_path: Path, opened: list[Run]):
    """The same command leaves the model as it is; other settings or other examples train anew."""
    run = run_of(EXAMPLES, tmp_path, train={"base_model": tiny})
    made = (train(run) / "model.safetensors").stat().st_mtime_ns
    assert (train(run) / "model.safetensors").stat().st_mtime_ns == made
    run.close()
    run = run_of(EXAMPLES, tmp_path, train={"base_model": tiny, "learning_rate": 1e-3})
    other = (train(run) / "model.safetensors").stat().st_mtime_ns
    assert other != made
    run.close()
    run = run_of(EXAMPLES[2:], tmp_path, train={"base_model": tiny, "learning_rate": 1e-3})
    opened.append(run)
    assert (train(run) / "model.safetensors").stat().st_mtime_ns != other


def test_a_step_in_bfloat16_leaves_weights_in_float32(tiny: str, tmp_path: Path, opened: list[Run]):
    """Arithmetic in bfloat16 makes another model, near the one of float32, of weights that are still float32."""
    models = {}
    for precision in ("float32", "bfloat16", "auto"):
        settings = {"base_model": tiny, "precision": precision}
        run = run_of(EXAMPLES, tmp_path / precision, train=settings)
        opened.append(run)
        models[precision] = load_file(train(run) / "model.safetensors")
    whole, half, auto = (models[name] for name in ("float32", "bfloat16", "auto"))
    assert {str(weight.dtype) for weight in half.values()} == {"float32"}
    gaps = [float(abs(half[name] - whole[name]).max()) for name in whole]
    assert 0 < max(gaps) < 1e-3
    assert all((auto[name] == whole[name]).all() for name in whole)  # on a CPU


def test_held_out_queries_are_never_trained_on(tiny: str, tmp_path: Path, opened: list[Run]):
    """Adding held-out queries to the examples changes no weight."""
    held_out = [example("rain", i, split="held_out") for i in range(9)]
    weights = []
    for folder, examples in (("a", EXAMPLES[:14]), ("b", EXAMPLES[:14] + held_out)):
        run = run_of(examples, tmp_path / folder, train={"base_model": tiny})
        opened.append(run)
        weights.append(fingerprint(train(run) / "model.safetensors"))
    assert weights[0] == weights[1]


def test_without_negatives_training_says_that_it_goes_on_in_batch(
    tiny: str, tmp_path: Path, opened: list[Run], capfd: pytest.CaptureFixture[str]
):
    """Where no query has a hard negative, one line says so and a model is made; where one lacks it, it borrows."""
    bare = [example(topic, negatives=0) for topic in TOPICS]
    for folder, examples, said in (
        ("none", bare, "none of 8 queries has a hard negative"),
        ("one", [*EXAMPLES, example("tea", 7, negatives=0)], "1 of 17 queries have no hard"),
    ):
        run = run_of(examples, tmp_path / folder, train={"base_model": tiny})
        opened.append(run)
        assert (train(run) / "model.safetensors").is_file()
        assert said in capfd.readouterr().err


def test_queries_of_one_passage_are_too_few(tiny: str, tmp_path: Path, opened: list[Run]):
    """Queries of a single passage cannot be told apart from anything: an error that says so, and no model."""
    run = run_of([example("tea", i) for i in range(3)], tmp_path, train={"base_model": tiny})
    opened.append(run)
    with pytest.raises(RunError, match="at least 2 passages, found 1"):
        train(run)
    assert not run.has("model")


def test_training_before_verification_is_an_error(tmp_path: Path, opened: list[Run]):
    """Without examples the error names the file that is missing."""
    run = Run(tmp_path, settings())
    opened.append(run)
    with pytest.raises(RunError, match=r"examples.jsonl: not written yet"):
        train(run)


def test_a_training_that_diverges_leaves_the_old_model(
    tiny: str, tmp_path: Path, opened: list[Run]
):
    """A learning rate that ruins the weights is an error that names it, and the model before it stays."""
    run = run_of(EXAMPLES, tmp_path, train={"base_model": tiny})
    before = fingerprint(train(run))
    run.close()
    run = run_of(EXAMPLES, tmp_path, train={"base_model": tiny, "learning_rate": 1e38, "epochs": 2})
    opened.append(run)
    with pytest.raises(ModelError, match=r"lower train.learning_rate"):
        train(run)
    assert fingerprint(run.file("model")) == before
    assert not run.has("model.part")


def test_an_unknown_base_model_is_an_error(tmp_path: Path, opened: list[Run]):
    """A base model that is no folder is an error of the user's, before anything is written."""
    run = run_of(EXAMPLES, tmp_path, train={"base_model": "./no/such/model"})
    opened.append(run)
    with pytest.raises(ModelError, match="no such folder"):
        train(run)
    assert not run.has("model.part")


def test_a_real_model_is_tuned(tmp_path: Path, opened: list[Run]):
    """One step on all-MiniLM-L6-v2 changes its weights, and its card names the base model and the run's dataset."""
    few = [example(topic) for topic in list(TOPICS)[:4]]
    run = run_of(few, tmp_path, train={"base_model": MINILM, "batch_size": 4, "warmup": 0.0})
    opened.append(run)
    folder = train(run)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "base_model: sentence-transformers/all-MiniLM-L6-v2" in card
    assert "* Dataset: small" in card
    base, tuned = (SentenceTransformer(path) for path in (find_model(MINILM), str(folder)))
    cosine = float((base.encode(["green tea"]) @ tuned.encode(["green tea"]).T)[0, 0])
    assert 0.9 < cosine < 1 - 1e-6


@pytest.mark.parametrize("shape", ["triplet", "n-tuple"])
def test_a_trainer_takes_the_exported_dataset_as_it_is(
    shape: str, tiny: str, tmp_path: Path, opened: list[Run]
):
    """A trainer of embeddings makes a step on `load_dataset` of the shape, with nothing in between."""
    run = run_of(EXAMPLES[:4], tmp_path)
    opened.append(run)
    export(run)
    disable_progress_bars()
    dataset = load_dataset(str(run.file("dataset")), shape, cache_dir=str(tmp_path / "cache"))
    model = SentenceTransformer(tiny)
    arguments = SentenceTransformerTrainingArguments(**one_step(tmp_path))
    trainer = SentenceTransformerTrainer(
        model, arguments, dataset["train"], loss=MultipleNegativesRankingLoss(model)
    )
    assert 0 < trainer.train().training_loss < 10


def test_a_listwise_trainer_takes_the_labeled_list_as_it_is(
    tiny: str, tmp_path: Path, opened: list[Run]
):
    """A trainer of rerankers makes a step of LambdaLoss on the lists and their grades, with nothing in between."""
    run = run_of(EXAMPLES[:4], tmp_path)
    opened.append(run)
    export(run)
    disable_progress_bars()
    cache = str(tmp_path / "cache")
    dataset = load_dataset(str(run.file("dataset")), "labeled-list", cache_dir=cache)
    model = CrossEncoder(f"{tiny}-bert", num_labels=1)
    arguments = CrossEncoderTrainingArguments(**one_step(tmp_path))
    trainer = CrossEncoderTrainer(model, arguments, dataset["train"], loss=LambdaLoss(model))
    assert 0 < trainer.train().training_loss < 1e4


def one_step(folder: Path) -> dict[str, object]:
    """Return the arguments of a training of one step that writes nothing."""
    return {
        "output_dir": str(folder / "trainer"),
        "max_steps": 1,
        "per_device_train_batch_size": 4,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
