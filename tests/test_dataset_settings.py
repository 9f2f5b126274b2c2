"""Settings as they travel with a dataset: without this machine, and whole but for what is to be filled in."""

from pathlib import Path

import pytest
import yaml

from synthneg.config import RunConfig
from synthneg.dataset.settings import portable, text
from synthneg.errors import SettingsError
from synthneg.settings import load, resolve, resolve_as, unfilled

HOME = "/home/adalovelace"
PLANTED = {
    "run": "tea",
    "seed": 11,
    "corpus": {"path": f"{HOME}/docs", "limit": 40},
    "llm": {
        "backend": "openai",
        "model": f"{HOME}/served",
        "base_url": "http://adas-box.example.internal:8000/v1",
        "engine": {"download_dir": f"{HOME}/weights", "tensor_parallel_size": 2, "more": ["~/x"]},
    },
    "generate": {
        "queries": {"prompts": [f"{HOME}/my.j2", "query/claim"]},
        "negatives": {"prompts": ["~/adalovelace.j2"]},
        "passages": {"positive": f"{HOME}/positive.j2"},
        "replace": {f"{HOME}/my.j2": {"draws": {"tone": ["dry"]}}},
    },
    "mine": {"reranked": 1},
    "verify": {
        "encoder": f"{HOME}/minilm",
        "reranker": "C:\\Users\\adalovelace\\reranker",
        "judge": f"{HOME}/judge.j2",
        "leaks": {"collections": [f"{HOME}/nfcorpus:dev"]},
    },
    "train": {
        "base_model": "./base",
        "lists": {"teacher": f"{HOME}/teacher"},
        "guide": {"model": f"{HOME}/guide"},
        "mix": {"collection": f"{HOME}/scifact"},
    },
    "evaluate": {"collections": [f"{HOME}/scifact"], "rerank": {"first_stage": f"{HOME}/first"}},
    "publish": {"repo": "adalovelace/tea", "model_repo": "adalovelace/m", "license": "cc-by-4.0"},
}
NAMED = {
    f"{HOME}/my.j2": "prompts/query/my.j2",
    "query/claim": "prompts/query/claim.j2",
    "~/adalovelace.j2": "prompts/negative/from-query.j2",
    f"{HOME}/judge.j2": "prompts/judge/judge.j2",
    "document/graded": "prompts/document/graded.j2",
}


def nowhere(_: str) -> bool:
    """Nothing of that name is here."""
    return False


def test_nothing_of_the_machine_is_left() -> None:
    """Paths, addresses and names of files in every field of the settings are gone; what is not of the machine stays."""
    values = portable(resolve(PLANTED, "test"), NAMED, nowhere)
    written = text(values, "Settings.")
    assert "adalovelace" not in written
    assert "adas-box" not in written
    assert "/home" not in written
    assert "Users" not in written
    assert values["seed"] == 11
    assert values["corpus"]["limit"] == 40
    assert values["llm"]["engine"]["tensor_parallel_size"] == 2
    assert values["publish"] == {"license": "cc-by-4.0"}
    assert values["generate"]["queries"]["prompts"] == list(NAMED.values())[:2]
    assert values["verify"]["judge"] == "prompts/judge/judge.j2"
    assert values["generate"]["replace"] == {}


def test_what_is_to_be_filled_in_is_named() -> None:
    """Each value that was of the machine says what belongs in its place, models and collections by their names."""
    left = dict(unfilled(portable(resolve(PLANTED, "test"), NAMED, nowhere)))
    assert set(left) == {
        *("corpus.path", "llm.model", "llm.base_url", "llm.engine.download_dir", "llm.engine.more"),
        *("verify.encoder", "verify.reranker", "verify.leaks.collections", "train.base_model"),
        *("train.lists.teacher", "train.guide.model", "train.mix.collection"),
        *("evaluate.collections", "evaluate.rerank.first_stage"),
    }
    assert left["verify.encoder"] == "the model minilm: a folder or a Hub name"
    assert left["verify.reranker"].startswith("the model reranker: ")
    assert "nfcorpus, and its split dev" in left["verify.leaks.collections"]


def test_settings_that_are_not_filled_in_are_refused_in_one_line(tmp_path: Path) -> None:
    """Reading them names each key and what belongs there; filled in, in the file or by --set, they are settings."""
    values = portable(
        resolve({"run": "tea", "corpus": {"path": "/data/x/docs"}}, "test"), {}, nowhere
    )
    file = tmp_path / "synthneg.yaml"
    file.write_text(text(values, "Made."))
    with pytest.raises(SettingsError) as caught:
        load(file)
    said = str(caught.value)
    assert said.startswith(f"{file}: still to be filled in: corpus.path (the documents that this")
    assert "--set KEY=VALUE" in said
    assert "\n" not in said
    assert load(file, ["corpus.path=docs"]).corpus.path == "docs"


def test_settings_that_name_nothing_of_a_machine_stay_as_they_are() -> None:
    """Hub names, docstrings, topics, stored scores and a server on the same machine are everybody's."""
    values = {
        "run": "tea",
        "corpus": {"path": "docstrings:numpy"},
        "llm": {"backend": "openai", "base_url": "http://localhost:8000/v1", "model": "qwen2.5:7b"},
        "train": {"loss": "kl", "lists": {"teacher": "score:cosine"}},
    }
    config = resolve(values, "test")
    named = {name: name for name in ("query/question", "query/claim", "query/keywords")}
    named |= {"document/graded": "document/graded", "negative/from-query": "negative/from-query"}
    assert resolve_as(RunConfig, portable(config, named, nowhere), "test") == config


@pytest.mark.parametrize(
    ("path", "stays"),
    [
        ("BeIR/scifact", True),
        ("tasks:questions about tea", True),
        ("docs/handbook", False),
        ("passages.jsonl", False),
        ("queries:mine.txt", False),
        ("./BeIR/scifact", False),
    ],
)
def test_a_corpus_stays_where_everybody_has_it(path: str, stays: bool) -> None:
    """A dataset on the Hub and a topic stay; a file or folder does not, though it be named from the working folder."""
    config = resolve({"run": "tea", "corpus": {"path": path}}, "test")
    found = portable(config, {}, lambda name: name == "docs/handbook")["corpus"]["path"]
    assert (found == path) is stays
    assert path.startswith("queries:") == found.startswith("queries:")


def test_cleaning_twice_changes_nothing() -> None:
    """What is to be filled in is not taken for a path or a name when settings are cleaned again."""
    once = portable(resolve(PLANTED, "test"), NAMED, nowhere)
    config = resolve_as(RunConfig, once, "test")
    again = portable(config, {name: name for name in NAMED.values()}, nowhere)
    assert yaml.safe_dump(again) == yaml.safe_dump(once)
