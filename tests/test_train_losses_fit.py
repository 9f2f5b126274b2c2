"""Every loss in a real training, and cached gradients against those of a whole batch."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from examples import TOPICS, example, run_of
from loss_batches import LISTWISE, PAIRWISE, SOURCES, softmax
from sentence_transformers import SentenceTransformer
from tiny_model import save_static_model

from synthneg.config import TrainConfig
from synthneg.errors import ModelError, RunError
from synthneg.files import fingerprint
from synthneg.run import Run
from synthneg.scoring.encoder import load_encoder
from synthneg.train.fit import train
from synthneg.train.losses.build import build_loss
from synthneg.train.students import FITS

pytestmark = pytest.mark.slow

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
EXAMPLES = [example(topic, i, negatives=2) for topic in TOPICS for i in range(2)]
LISTS = {"length": 6, "near": 3, "near_depth": 4, "further": 1, "further_depth": 6}
# Enough to learn eight passages by heart. A static table's vectors need a rate that ruins a transformer.
LEARN = {"epochs": 10, "batch_size": 8, "max_length": 32, "negatives": 2, "lists": LISTS}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a static table of word vectors that knows the words of queries and documents."""
    texts = [e.query for e in EXAMPLES] + [d.full_text for e in EXAMPLES for d in e.documents]
    words = [word for text in texts for word in text.split()]
    return str(save_static_model(tmp_path_factory.mktemp("models") / "table", words))


def share_found(model: str) -> float:
    """Return the share of queries whose passage is the nearest of all."""
    encoder = load_encoder(model, batch_size=8)
    queries = encoder.encode([e.query for e in EXAMPLES], "query")
    passages = encoder.encode([f"{t.title()} {text}" for t, text in TOPICS.items()], "document")
    own = [list(TOPICS).index(e.passage_id) for e in EXAMPLES]
    return float(((queries @ passages.T).argmax(axis=1) == np.array(own)).mean())


@pytest.mark.parametrize("loss", [name for name in FITS["bi-encoder"] if name != "gist"])
def test_a_static_table_learns_from_every_loss(
    loss: str, table: str, tmp_path: Path, vectors: Path, opened: list[Run]
):
    """Ten epochs bring the share of queries that find their passage from under a half to over three quarters."""
    learn = LEARN | {"base_model": table, "loss": loss, "learning_rate": 0.1}
    scaled = LISTS | {"label_scale": 3.0}
    run = run_of(EXAMPLES, tmp_path, train=learn | {"lists": scaled}, verify={"encoder": MINILM})
    opened.append(run)
    run.vectors = vectors
    assert share_found(table) < 0.5
    assert share_found(str(train(run))) > 0.75
    curve = [json.loads(line) for line in run.file("train_log.jsonl").read_text().splitlines()]
    assert curve[-1]["loss"] < curve[0]["loss"]


@pytest.mark.parametrize("loss", FITS["bi-encoder"])
def test_a_transformer_learns_from_every_loss(
    loss: str, tiny: str, tmp_path: Path, vectors: Path, opened: list[Run]
):
    """With gradients cached and vectors of two lengths, the loss falls; the card names no folder of this machine."""
    learn = LEARN | {"base_model": tiny, "loss": loss, "learning_rate": 1e-2, "mini_batch_size": 3}
    learn |= {"matryoshka": {"dimensions": [32, 16]}, "guide": {"model": MINILM}, "epochs": 4}
    learn["lists"] = LISTS | {"label_scale": 3.0, "teacher": "score:cosine", "length": 4 + 9}
    # One query has its passage alone: its list is filled, or it borrows negatives.
    run = run_of([*EXAMPLES, example("tea", 9, negatives=0)], tmp_path, train=learn)
    opened.append(run)
    run.vectors = vectors
    folder = train(run)
    curve = [json.loads(line) for line in run.file("train_log.jsonl").read_text().splitlines()]
    assert curve[-1]["loss"] < curve[0]["loss"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "MatryoshkaLoss" in card
    assert str(tmp_path.parent) not in card


def test_one_seed_gives_one_model(tiny: str, tmp_path: Path, opened: list[Run]):
    """Lists, mixtures and batches are drawn by the seed alone: two trainings are equal, another seed is not."""
    learn = LEARN | {"base_model": tiny, "loss": "kl", "infonce": {"mixed": 5}, "epochs": 1}
    weights = []
    for folder, seed in (("a", 7), ("b", 7), ("c", 8)):
        run = run_of(EXAMPLES, tmp_path / folder, seed=seed, train=learn, verify={"encoder": tiny})
        opened.append(run)
        weights.append(fingerprint(train(run) / "model.safetensors"))
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize(
    "name", [name for name in (LISTWISE | PAIRWISE | SOURCES) if name != "mixed"]
)
def test_cached_gradients_are_those_of_a_whole_batch(name: str, tiny: str):
    """In mini-batches of three texts, loss and gradients of the weights are those of one forward pass."""
    model = SentenceTransformer(tiny).eval()  # dropout would tell the passes apart
    columns = [
        [f"{kind} of {topic} {i}" for i, topic in enumerate(list(TOPICS)[:5])]
        for kind in ("query", "answer", "near miss", "other")
    ]
    labels = torch.tensor([[3.0, 1.0, 0.0]] * 5) if name in LISTWISE else None
    labels = torch.tensor([[0.0, 1.0, 0.0]] * 5) if name in SOURCES else labels
    results = []
    for mini_batch_size in (None, 3):
        loss = (LISTWISE | PAIRWISE | SOURCES)[name]()
        loss.model, loss.mini_batch_size = model, mini_batch_size or 0
        loss.uses_gradient_cache = mini_batch_size is not None
        model.zero_grad()
        found = loss([model.preprocess(column) for column in columns], labels)
        found.backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        results.append([found.detach(), *gradients])
    assert len(results[0]) > 10
    torch.testing.assert_close(*results, atol=1e-5, rtol=1e-3)


def test_the_settings_of_cadet_are_its_loss(tiny: str):
    """KL(softmax(t/.3) ‖ softmax(s/.05)) + .1 InfoNCE at .01 without listed documents above .6 of the best, by hand."""
    page = Path(__file__).parent.parent / "docs/reference/losses.md"
    published = page.read_text(encoding="utf-8").partition("combination of CADET is\n")[2]
    settings = yaml.safe_load(published.partition("\nIn every")[0])["train"]
    loss = build_loss(SentenceTransformer(tiny), TrainConfig(**settings), MINILM)
    # Cosines: documents are unit vectors at these angles' cosines to two queries that are axes.
    cosines = [[0.9, 0.1, 0.85, 0.2, 0.5, 0.3], [0.2, 0.8, 0.1, 0.7, 0.3, 0.75]]
    teacher = [[1.0, 0.7, 0.2], [0.9, 0.3, 0.5]]
    # Of the first list .7 is above .6 of 1, of the second nothing is above .6 of .9.
    own, in_batch = [[0, 2, 4], [1, 3, 5]], [[0, 1, 3, 4, 5], [0, 1, 2, 3, 4, 5]]
    worked = 0.0
    for row, scores, mine, all_of in zip(cosines, teacher, own, in_batch, strict=True):
        q = softmax(scores, 0.3)
        p = softmax([row[k] for k in mine], 0.05)
        worked += sum(a * math.log(a / b) for a, b in zip(q, p, strict=True)) / 2
        infonce = softmax([row[k] for k in all_of], 0.01)
        worked -= 0.1 * math.log(infonce[all_of.index(mine[0])]) / 2
    documents = torch.tensor(cosines, dtype=torch.float64).T.reshape(3, 2, 2)
    rest = (1 - (documents**2).sum(dim=2, keepdim=True)).sqrt()
    queries = torch.eye(2, 3, dtype=torch.float64)
    labels = torch.tensor(teacher, dtype=torch.float64)
    vectors = [queries, *torch.cat([documents, rest], dim=2)]
    assert float(loss.of_embeddings(vectors, labels, None)) == pytest.approx(worked)


def test_a_guide_for_a_static_table_is_an_error(table: str):
    """Gist needs a student whose tokens can be read back; the error names what to use instead."""
    model = SentenceTransformer(table)
    with pytest.raises(ModelError, match=r"static table.*train.lists.teacher"):
        build_loss(model, TrainConfig(loss="gist", base_model=table), MINILM)


def test_a_length_that_vectors_do_not_have_is_an_error(tiny: str):
    """Matryoshka without the model's own length would leave that untrained: an error that names it."""
    model = SentenceTransformer(tiny)
    settings = TrainConfig(matryoshka={"dimensions": (16, 8)}, base_model=tiny)
    with pytest.raises(ModelError, match="its own 32 as the largest"):
        build_loss(model, settings, MINILM)


def test_lists_as_long_as_vectors_cannot_be_cut(tiny: str):
    """The library would take their labels for vectors: an error with a loss over lists, none with pairs."""
    model = SentenceTransformer(tiny)
    cut = {"matryoshka": {"dimensions": (32, 8)}, "lists": {"length": 32}}
    build_loss(model, TrainConfig(loss="infonce", **cut), MINILM)
    with pytest.raises(ModelError, match=r"change train.lists.length"):
        build_loss(model, TrainConfig(loss="kl", **cut), MINILM)


def test_ws2_alone_is_warned_of(tiny: str, capfd: pytest.CaptureFixture[str]):
    """Without InfoNCE beside it one line says that WS2 ties no query to its documents; with it, none does."""
    model = SentenceTransformer(tiny)
    for weight, lines in ((0.0, 1), (0.1, 0)):
        build_loss(model, TrainConfig(loss="ws2", infonce={"weight": weight}), MINILM)
        assert capfd.readouterr().err.count("does not tie a query") == lines


def test_a_rate_too_small_for_a_static_table_is_warned_of(
    table: str, tmp_path: Path, opened: list[Run], capfd: pytest.CaptureFixture[str]
):
    """At the default rate, which suits transformers, one line says that it hardly moves a table; at .2 none does."""
    for rate, lines in ((2e-5, 1), (0.2, 0)):
        learn = {"base_model": table, "learning_rate": rate}
        run = run_of(EXAMPLES, tmp_path / str(rate), train=learn)
        opened.append(run)
        train(run)
        assert capfd.readouterr().err.count("hardly moves") == lines


def test_scores_that_are_not_there_are_an_error(tiny: str, tmp_path: Path, opened: list[Run]):
    """A scorer that no example has is an error that names it and says how many have it."""
    learn = {"base_model": tiny, "loss": "kl", "lists": {"teacher": "score:reranker"}}
    run = run_of(EXAMPLES, tmp_path, train=learn)
    opened.append(run)
    with pytest.raises(RunError, match=r"score:reranker, which 0 of 16 queries"):
        train(run)
