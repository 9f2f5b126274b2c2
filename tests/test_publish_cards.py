"""The cards that are published: they say what the run's files say, and the Hub's own tools take them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import hub
import published
import pytest
import yaml
from hub_cards import faults
from huggingface_hub import DatasetCard, ModelCard

from synthneg.errors import RunError
from synthneg.publish.plan import plan
from synthneg.settings import load

CHANGES = (
    "publish.repo=ann/tea",
    "publish.model_repo=ann/tea-model",
    "publish.license=cc-by-4.0",
    "publish.model_license=apache-2.0",
    "llm.price.input=1000",
    "llm.price.output=2000",
)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run."""
    return published.build(tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="module")
def cards(run_folder: Path) -> tuple[str, str]:
    """Return the cards of its dataset and its model."""
    planned = plan(run_folder, load(run_folder / "run.yaml", CHANGES), "both")
    dataset, model = planned.uploads
    return dataset.card, model.card


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    """Run a Hub, of which the client in this process knows."""
    with hub.running() as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
        yield server


def test_the_hub_takes_both_cards(server: hub.Hub, cards: tuple[str, str]) -> None:
    """`DatasetCard` and `ModelCard` read the cards, and their validation by the Hub finds nothing."""
    dataset, model = DatasetCard(cards[0]), ModelCard(cards[1])
    dataset.validate()
    model.validate()
    assert server.requests == ["POST /api/validate-yaml"] * 2
    assert (dataset.data.license, model.data.license) == ("cc-by-4.0", "apache-2.0")
    assert dataset.data.language == model.data.language == ["en"]
    assert model.data.datasets == ["ann/tea"]
    assert "synthneg" in model.data.tags
    assert model.data.library_name == "sentence-transformers"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("license: cc-by-4.0", "license: mine"), "license"),
        (("- text-retrieval", "- text-retrieving"), "task_categories"),
        (("- en", "- English"), "language"),
        (("split: train", "of: train"), "configs"),
        (("config_name: triplet-full", "config_name: triplet"), "configs"),
    ],
)
def test_a_wrong_card_is_refused(
    server: hub.Hub, cards: tuple[str, str], change: tuple[str, str], key: str
) -> None:
    """What the validation would find wrong, it finds: so a card that passes is one."""
    with pytest.raises(ValueError, match=key):
        DatasetCard(cards[0].replace(*change)).validate()


def test_the_index_of_models_has_the_measures_of_people(
    run_folder: Path, cards: tuple[str, str]
) -> None:
    """Each measure of the tuned model on each collection, but not on their mean, stands in the metadata."""
    data = yaml.safe_load(re.match(r"---\n(.*?)\n---\n", cards[1], re.DOTALL)[1])
    [entry] = data["model-index"]
    found = {
        (result["dataset"]["name"], metric["type"]): metric["value"]
        for result in entry["results"]
        for metric in result["metrics"]
    }
    wanted = {}
    for file in (run_folder / "evaluation").glob("*.json"):
        row = json.loads(file.read_text())
        if row["collection"] != "mean":
            measured = row["models"]["tuned"]["nDCG@10"]
            wanted[(row["collection"], "ndcg@10")] = round(measured["mean"], 4)
    assert found == wanted
    assert len(found) == 2
    assert faults(cards[1], "model") == []


def test_both_cards_have_the_measures_with_a_verdict(
    run_folder: Path, cards: tuple[str, str]
) -> None:
    """Each mean and interval of evaluation/*.json stands in both cards, and what can be said of each difference."""
    for file in (run_folder / "evaluation").glob("*.json"):
        row = json.loads(file.read_text())
        for card in cards:
            for measures in row["models"].values():
                value = measures["nDCG@10"]
                cell = f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
                assert cell in card
            for d in row["differences"]:
                said = (
                    f"{d['mean']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}], p = {d['p_holm']:.4f}"
                )
                line = next(
                    line
                    for line in card.splitlines()
                    if said in line and line.startswith(f"- nDCG@10: {d['a']} ")
                )
                assert f"**{d['verdict']}**" in line
    assert "tuned and base are **not distinguishable**" in cards[1]
    assert "tuned is **better** than base" in cards[1]


def test_the_datasets_card_tells_what_it_cost(cards: tuple[str, str]) -> None:
    """Replies, tokens, money and time are those of the ledger, and versions those of run.json."""
    for row in (
        "| replies of the language model | 3 |",
        "| tokens of prompts | 30 |",
        "| tokens of replies | 15 |",
        "| money | 0.06 USD |",
        "| time in which replies were waited for | 0:02 |",
    ):
        assert row in cards[0]
    assert "Finished 2026-01-02T03:04:05Z, with synthneg " in cards[0]


def test_the_models_card_is_the_librarys_with_the_data_behind_it(
    run_folder: Path, cards: tuple[str, str]
) -> None:
    """All that sentence-transformers wrote is there, and before its first part run, examples, prompts and settings."""
    written = ModelCard((run_folder / "model/README.md").read_text()).text
    first, _, rest = written.partition("## Model Details")
    assert first.strip() in cards[1]
    assert rest.strip() in cards[1]
    ours = cards[1].partition("## Model Details")[0]
    assert "3 verified training queries of the synthneg run `small` with seed 7" in ours
    assert "[ann/tea](https://hf.co/datasets/ann/tea)" in ours
    for file in (run_folder / "dataset/prompts").rglob("*.j2"):
        path = file.relative_to(run_folder / "dataset")
        assert f"https://hf.co/datasets/ann/tea/blob/main/{path}" in ours
    assert "Loss: `infonce`" in ours
    assert "learning_rate: 2.0e-05" in ours


def test_a_run_without_measures_says_so(tmp_path: Path) -> None:
    """Where nothing was measured, the model's card says that nobody knows, and has no index."""
    folder = published.build(tmp_path)
    for file in (folder / "evaluation").iterdir():
        file.unlink()
    config = load(folder / "run.yaml", CHANGES)
    dataset, model = plan(folder, config, "both").uploads
    assert "whether this model is better than its base is not known" in model.card
    assert "model-index" not in model.card
    assert "## Measures" not in dataset.card
    (folder / "dataset" / "synthneg.yaml").unlink()
    with pytest.raises(RunError, match=r"found none; run `synthneg export`"):
        plan(folder, config)
