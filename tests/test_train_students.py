"""Students of every kind: trained, loaded by sentence-transformers alone, and measured as what they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import hub
import numpy as np
import pytest
import sentence_transformers
import torch
from examples import TOPICS, example, run_of
from safetensors.torch import load_file
from sentence_transformers.base.data_collator import BaseDataCollator
from tiny_model import save_static_model, save_tiny_model, save_tiny_reranker

from synthneg.config import LoraConfig, RerankConfig, TrainConfig
from synthneg.config.students import Kind
from synthneg.errors import ModelError, SettingsError
from synthneg.evaluate.collection import Collection
from synthneg.evaluate.compare import evaluate
from synthneg.files import fingerprint
from synthneg.run import Run
from synthneg.scoring.kind import is_static, kind_of
from synthneg.scoring.models import check_reranker
from synthneg.scoring.reranker import load_reranker
from synthneg.train.fit import train
from synthneg.train.students import FITS, check_student, trainer
from synthneg.train.students.lora import add_adapters, merge_adapters

pytestmark = pytest.mark.slow

CLASSES = {
    "bi-encoder": "SentenceTransformer",
    "cross-encoder": "CrossEncoder",
    "sparse": "SparseEncoder",
    "multi-vector": "MultiVectorEncoder",
}
EXAMPLES = [example(topic, i) for topic in TOPICS for i in range(2)]
BARE = [example(topic, i, negatives=0) for topic in TOPICS for i in range(2)]
LISTS = {"length": 6, "near": 3, "near_depth": 4, "further": 1, "further_depth": 6}
LEARN = {"epochs": 12, "batch_size": 8, "max_length": 64, "lists": LISTS, "learning_rate": 1e-2}
WITH_INFERENCE_FREE = {"student": "sparse", "sparse": {"inference_free": True}}


def collection() -> Collection:
    """Return the queries that were trained on, to be found among all passages."""
    texts = {topic: f"{topic.title()} {text}" for topic, text in TOPICS.items()}
    queries = {e.query_id: e.query for e in EXAMPLES}
    qrels = {e.query_id: {e.passage_id: 1} for e in EXAMPLES}
    return Collection("small", "test", tuple(texts), tuple(texts.values()), queries, qrels)


def measured(models: dict[str, str], **changes: object) -> dict[str, float]:
    """Return the mean reciprocal rank of each row."""
    settings = {"measures": ("RR",), "seed": 7, "resamples": 100, "bm25": False, "batch_size": 8}
    [found] = evaluate(models, [collection()], **(settings | changes))
    return {name: row["RR"].mean for name, row in found.models.items()}


@pytest.mark.parametrize(
    ("kind", "learn"),
    [
        ("bi-encoder", {"lora": {"rank": 4}}),
        ("cross-encoder", {"student": "cross-encoder"}),
        ("cross-encoder", {"student": "cross-encoder", "lora": {"rank": 8}, "loss": "bce"}),
        ("sparse", {"student": "sparse", "lora": {"rank": 8}}),
        ("sparse", WITH_INFERENCE_FREE | {"loss": "kl"}),
        ("multi-vector", {"student": "multi-vector"}),
    ],
)
def test_a_student_learns_and_is_what_it_says(
    kind: Kind, learn: dict[str, object], tiny: str, tmp_path: Path, opened: list[Run]
):
    """Its loss falls, its folder loads without peft as its class, and it is measured as its class itself would rank."""
    # A cross-encoder would tell written negatives from passages without a look at the query.
    rows = BARE if kind == "cross-encoder" else EXAMPLES
    run = run_of(
        rows, tmp_path, train=LEARN | {"base_model": tiny} | learn, verify={"encoder": tiny}
    )
    opened.append(run)
    folder = train(run)
    assert kind_of(str(folder)) == kind
    files = {p.name for p in folder.rglob("*") if p.is_file()}
    assert not {name for name in files if "adapter" in name}
    weights = [f for f in folder.rglob("model.safetensors") if "query_0" not in f.parts]
    assert not any("lora" in key for file in weights for key in load_file(file))
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "tuned on small" in card
    assert str(tmp_path.parent) not in card
    assert falls(run)
    found = measured(
        {"base": tiny, "tuned": str(folder)}, rerank=RerankConfig(depth=8, first_stage=tiny)
    )
    model = getattr(sentence_transformers, CLASSES[kind])(str(folder))
    assert found["tuned"] == pytest.approx(reciprocal_rank(model), abs=1e-6)


def falls(run: Run) -> bool:
    """Whether the loss at the end is below that of the beginning, each over a third of the curve."""
    curve = [json.loads(line) for line in run.file("train_log.jsonl").read_text().splitlines()]
    third = len(curve) // 3
    first, last = (sum(row["loss"] for row in part) for part in (curve[:third], curve[-third:]))
    return bool(last < first)


def reciprocal_rank(model: object) -> float:
    """Return the mean over queries of one over the passage's rank by the model's own scores of all passages."""
    of = collection()
    queries, texts = list(of.queries.values()), list(of.document_texts)
    if isinstance(model, sentence_transformers.CrossEncoder):
        pairs = [(query, text) for query in queries for text in texts]
        scores = model.predict(pairs).reshape(len(queries), -1)
    else:
        vectors = [model.encode_query(queries), model.encode_document(texts)]
        if isinstance(model, sentence_transformers.SparseEncoder):
            vectors = [
                found.to_dense() for found in vectors
            ]  # torch warns of the product of others
        scores = np.asarray(model.similarity(*vectors))
    own = [of.document_ids.index(next(iter(of.qrels[id]))) for id in of.queries]
    ranks = 1 + (scores > scores[np.arange(len(own)), own][:, None]).sum(axis=1)
    return float((1 / ranks).mean())


@pytest.mark.parametrize("loss", [loss for loss in FITS["cross-encoder"] if loss != "bce"])
def test_a_cross_encoder_learns_from_every_loss_that_fits(
    loss: str, tiny: str, tmp_path: Path, opened: list[Run]
):
    """The loss falls, and the model scores with its logit, not with a sigmoid of it."""
    learn = {"student": "cross-encoder", "loss": loss, "base_model": tiny}
    run = run_of(EXAMPLES, tmp_path, train=LEARN | learn, verify={"encoder": tiny})
    opened.append(run)
    folder = train(run)
    assert falls(run)
    model = sentence_transformers.CrossEncoder(str(folder))
    assert isinstance(model.activation_fn, torch.nn.Identity)


def test_a_trained_cross_encoder_is_a_reranker(tiny: str, tmp_path: Path, opened: list[Run]):
    """The folder passes the check of verify.reranker, scores pairs, and is itself a base to go on from."""
    learn = LEARN | {"base_model": tiny, "student": "cross-encoder"}
    run = run_of(EXAMPLES, tmp_path / "a", train=learn)
    opened.append(run)
    folder = str(train(run))
    check_reranker(folder)
    pairs = [(e.query, e.positive.full_text) for e in EXAMPLES]
    wrong = [(e.query, e.negatives[0].full_text) for e in EXAMPLES]
    reranker = load_reranker(folder, batch_size=8)
    assert (reranker.score(pairs) > reranker.score(wrong)).mean() > 0.9
    further = run_of(EXAMPLES, tmp_path / "b", train=LEARN | {"base_model": folder, "epochs": 1})
    opened.append(further)
    again = train(further)
    assert kind_of(str(again)) == "cross-encoder"


def test_the_same_seed_gives_the_same_new_head(tiny: str, tmp_path: Path, opened: list[Run]):
    """Head, adapters and their dropout are drawn by the seed: two trainings are equal in every file, a third is not."""
    learn = LEARN | {"base_model": tiny, "student": "cross-encoder", "lora": {}, "epochs": 1}
    found = []
    for folder, seed in (("a", 7), ("b", 7), ("c", 8)):
        torch.manual_seed(len(found))  # whatever was drawn before
        run = run_of(EXAMPLES, tmp_path / folder, seed=seed, train=learn)
        opened.append(run)
        model = train(run)
        files = [p for p in model.rglob("*") if p.is_file()]
        found.append({str(p.relative_to(model)): fingerprint(p) for p in files})
    assert found[0] == found[1]
    assert found[0]["model.safetensors"] != found[2]["model.safetensors"]


def test_merged_adapters_give_what_they_gave_beside_the_weights(tiny: str):
    """Before and after merging, vectors agree; nothing but linear layers has changed from the base."""
    model = sentence_transformers.SentenceTransformer(tiny)
    base = {key: value.clone() for key, value in model.state_dict().items()}
    add_adapters(model, LoraConfig(rank=4))
    torch.manual_seed(0)
    for name, weights in model.named_parameters():
        assert weights.requires_grad == ("lora" in name)
        if "lora" in name:
            torch.nn.init.normal_(weights, std=0.1)
    model.eval()
    before = model.encode(["green tea", "wolf"])
    merge_adapters(model)
    np.testing.assert_allclose(model.encode(["green tea", "wolf"]), before, atol=1e-5)
    merged = model.state_dict()
    changed = {key for key in base if not torch.equal(base[key], merged[key])}
    assert set(merged) == set(base)
    assert changed
    assert all("dense" in k or "query" in k or "key" in k or "value" in k for k in changed)


@pytest.mark.parametrize(
    ("name", "prompts", "similarity"),
    [
        ("e5-small-v2", {"query": "query: ", "document": "passage: "}, "cosine"),
        ("contriever", {}, "dot"),
    ],
)
def test_a_student_of_a_family_is_trained_as_it_is_read(
    name: str,
    prompts: dict[str, str],
    similarity: str,
    tmp_path: Path,
    opened: list[Run],
    monkeypatch: pytest.MonkeyPatch,
):
    """Prefixes stand before each column, scores are cosines or dot products, and the trained folder says both."""
    bare = Path(f"{save_tiny_model(tmp_path / 'plain')}-bert").rename(tmp_path / name)
    made, build = [], trainer.build_loss
    monkeypatch.setattr(trainer, "build_loss", lambda *a: made.append(build(*a)) or made[0])
    collated, collate = [], BaseDataCollator._get_prompt_for_column

    def seen(self: BaseDataCollator, given: dict[str, str], column: str) -> str | None:
        collated.append((column, collate(self, given, column) if given else None))
        return collated[-1][1]

    monkeypatch.setattr(BaseDataCollator, "_get_prompt_for_column", seen)
    run = run_of(EXAMPLES[:6], tmp_path, train=LEARN | {"base_model": str(bare), "epochs": 1})
    opened.append(run)
    tuned = sentence_transformers.SentenceTransformer(str(train(run)))
    assert made[0].cosine == (similarity == "cosine")
    wanted = {c: prompts.get("query" if c == "query" else "document") for c, _ in collated}
    assert dict(collated) == wanted
    assert tuned.similarity_fn_name == similarity
    assert {key: value for key, value in tuned.prompts.items() if value} == prompts


def test_layers_that_are_not_there_are_an_error(tiny: str):
    """A name that no layer ends with is refused with the names that there are."""
    model = sentence_transformers.SentenceTransformer(tiny)
    with pytest.raises(SettingsError, match=r"such as dense, key, query, value, got q_proj"):
        add_adapters(model, LoraConfig(target_modules=("q_proj",)))


def test_what_does_not_go_together_is_refused_before_anything_is_loaded(tiny: str, tmp_path: Path):
    """Losses, lengths, tables and no negatives that a student cannot have: one line each, with what can be had."""
    table = str(save_static_model(tmp_path / "table", ["tea", "moon"]))
    for settings, said in (
        ({"student": "cross-encoder", "loss": "ws2"}, "expected one of infonce, margin-mse, kl"),
        ({"loss": "bce"}, "for a student of the kind bi-encoder, got bce"),
        ({"student": "sparse", "matryoshka": {"dimensions": (32, 16)}}, "expected a bi-encoder"),
        ({"student": "cross-encoder", "negatives": 0}, "expected at least 1"),
        ({"base_model": table, "lora": {}}, r"train.lora, but .* is a static table"),
        ({"base_model": table, "student": "sparse"}, "a transformer for sparse"),
    ):
        with pytest.raises(SettingsError, match=said):
            check_student(TrainConfig(**({"base_model": tiny} | settings)))
    check_student(TrainConfig(base_model=table, learning_rate=0.2))
    with pytest.raises(ModelError, match="no such folder"):
        check_student(TrainConfig(base_model="./none"))


def test_what_a_folder_holds_is_read_from_its_files(tiny: str, tmp_path: Path):
    """Folders of encoders, tables and cross-encoders, with and without the file that names the class."""
    reranker = save_tiny_reranker(tmp_path / "reranker")
    table = save_static_model(tmp_path / "table", ["tea"])
    assert (kind_of(tiny), kind_of(str(reranker))) == ("bi-encoder", "cross-encoder")
    assert kind_of(f"{reranker}-bert") == "cross-encoder"  # a plain classifier of transformers
    assert kind_of(f"{tiny}-bert") == "bi-encoder"
    assert (is_static(str(table)), is_static(tiny)) == (True, False)
    (reranker / "config_sentence_transformers.json").write_text("{broken")
    (reranker / "modules.json").unlink()
    assert kind_of(str(reranker)) == "cross-encoder"


def test_what_the_hub_holds_is_asked_once(tmp_path: Path):
    """A model's settings files are fetched from the Hub, then known without it; without both it is a bi-encoder."""
    made = save_tiny_reranker(tmp_path / "reranker")
    files = {name: (made / name).read_bytes() for name in ("config.json", "modules.json")}
    files["config_sentence_transformers.json"] = b'{"model_type": "CrossEncoder"}'
    code = "import sys; from synthneg.scoring.kind import kind_of; print(kind_of(sys.argv[1]))"

    def asked(name: str, **variables: str) -> str:
        # In a process of its own, since the Hub's client takes its address at its import.
        home = {"HF_HOME": str(tmp_path), "HF_TOKEN": hub.TOKEN, **variables}
        command = [sys.executable, "-c", code, name]
        done = subprocess.run(
            command, env=os.environ | home, capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout.strip()

    with hub.running() as server:
        server.repos["models/ann/reranker"] = hub.Repo(private=False, files=files)
        assert asked("ann/reranker", HF_ENDPOINT=server.url) == "cross-encoder"
        url = server.url
    assert asked("ann/reranker", HF_ENDPOINT=url, HF_HUB_OFFLINE="1") == "cross-encoder"
    assert asked("ann/other", HF_ENDPOINT=url, HF_HUB_OFFLINE="1") == "bi-encoder"


def test_a_reranker_orders_the_first_and_leaves_the_rest(tiny: str, tmp_path: Path):
    """With depth 3 the first three of the first stage change places among themselves alone, and its row is beside."""
    reranker = str(save_tiny_reranker(tmp_path / "reranker"))
    rerank = RerankConfig(depth=3, first_stage=tiny)
    [found] = evaluate(
        {"base": tiny, "tuned": reranker},
        [collection()],
        measures=("R@3", "R@5", "RR"),
        seed=7,
        resamples=100,
        bm25=False,
        batch_size=8,
        rerank=rerank,
    )
    rows = {name: {m: v.mean for m, v in row.items()} for name, row in found.models.items()}
    assert list(rows) == ["base", "tuned", "first stage"]
    assert rows["first stage"] == rows["base"]
    assert [rows["tuned"][m] for m in ("R@3", "R@5")] == [rows["base"][m] for m in ("R@3", "R@5")]
    assert rows["tuned"]["RR"] != rows["base"]["RR"]
    assert "bm25" in measured({"tuned": reranker})  # what it reranks has its row, asked for or not
